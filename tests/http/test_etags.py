"""The grammar of entity tags, and their comparison. Expected values are read off the RFC's ABNF."""

from __future__ import annotations

import pytest

from rangeware.http import etags
from rangeware.http.etags import ANY, EntityTag

TAGS = [
    pytest.param('"xyzzy"', EntityTag("xyzzy"), id="strong"),
    pytest.param('W/"xyzzy"', EntityTag("xyzzy", weak=True), id="weak"),
    pytest.param('""', EntityTag(""), id="empty tag"),
    pytest.param(' "a,b" ', EntityTag("a,b"), id="comma inside"),
    pytest.param("xyzzy", EntityTag("xyzzy", quoted=False), id="without quotes"),
    pytest.param('w/"x"', EntityTag('w/"x"', quoted=False), id="small w (8.8.3)"),
    pytest.param('"a b"', EntityTag('"a b"', quoted=False), id="a blank is no etagc"),
]


@pytest.mark.parametrize(("value", "tag"), TAGS)
def test_parse_entity_tag(value, tag):
    assert etags.parse_entity_tag(value) == tag


@pytest.mark.parametrize("value", ['"x"', 'W/"x"', "x"])
def test_entity_tag_text_is_what_was_read(value):
    assert str(etags.parse_entity_tag(value)) == value


COMPARED = [  # RFC 9110 8.8.3.2, the table of the text
    ('W/"1"', 'W/"1"', False, True),
    ('W/"1"', 'W/"2"', False, False),
    ('W/"1"', '"1"', False, True),
    ('"1"', '"1"', True, True),
    ('"1"', "1", False, False),
    ("1", "1", True, True),
]


@pytest.mark.parametrize(("left", "right", "strong", "weak"), COMPARED)
def test_comparison_of_entity_tags(left, right, strong, weak):
    one, other = etags.parse_entity_tag(left), etags.parse_entity_tag(right)
    assert (one.strongly_matches(other), other.strongly_matches(one)) == (strong, strong)
    assert (one.weakly_matches(other), other.weakly_matches(one)) == (weak, weak)


LISTS = [
    pytest.param("*", ANY, id="any"),
    pytest.param('"a"', (EntityTag("a"),), id="one"),
    pytest.param('"a", W/"b" ,"c"', (EntityTag("a"), EntityTag("b", weak=True), EntityTag("c")), id="three"),
    pytest.param(', "a",, ', (EntityTag("a"),), id="empty members"),
    pytest.param('"a" "b"', None, id="no comma"),
    pytest.param('"a", b', None, id="one without quotes"),
    pytest.param('"a', None, id="open quote"),
    pytest.param('*, "a"', None, id="any beside a tag"),
    pytest.param("", None, id="empty"),
    pytest.param(" , ", None, id="only commas"),
]


@pytest.mark.parametrize(("value", "tags"), LISTS)
def test_parse_entity_tags(value, tags):
    assert etags.parse_entity_tags(value) == tags


def test_every_parser_survives_any_latin_1_character():
    for code in range(256):
        for value in (chr(code), f'"{chr(code)}"', f"W/{chr(code)}"):
            etags.parse_entity_tag(value), etags.parse_entity_tags(value)
