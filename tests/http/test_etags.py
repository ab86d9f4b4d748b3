"""The grammar of entity tags, and their comparison. Expected values are read off the RFC's ABNF."""

from __future__ import annotations

import pytest

from rangeware.http import etags
from rangeware.http.etags import EntityTag

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


LONG = 50_000  # characters that are too many to be copied at once
LISTS = [  # value                  tags that it names; None if it is no list
    pytest.param('"a"', ['"a"'], id="one"),
    pytest.param('"a", W/"b" ,"c"', ['"a"', 'W/"b"', '"c"'], id="three"),
    pytest.param(', "a",, ', ['"a"'], id="empty members"),
    pytest.param('"a"  \t , "b"', ['"a"', '"b"'], id="many blanks"),
    pytest.param('"a,", "",W/"c"', ['"a,"', '""', 'W/"c"'], id="a comma inside, and an empty one"),
    pytest.param(",".join(f'"{i}"' for i in range(1000)), ['"0"', '"500"', '"999"'], id="a thousand"),
    pytest.param(f'"{"a" * LONG}", "b"', [f'"{"a" * LONG}"', '"b"'], id="a long one"),
    pytest.param(f'W/"{"a" * LONG}\xe9"', [f'W/"{"a" * LONG}\xe9"'], id="a long weak one"),
    pytest.param(" \t" * LONG + '"a"' + "\t " * LONG + "," + " ," * LONG + '"b"', ['"a"', '"b"'], id="long gaps"),
    pytest.param('"a" "b"', None, id="no comma"),
    pytest.param('"a""b"', None, id="neither comma nor blank"),
    pytest.param('"a", b', None, id="one without quotes"),
    pytest.param('"a', None, id="open quote"),
    pytest.param('w/"a"', None, id="small w"),
    pytest.param('"a b"', None, id="a blank inside"),
    pytest.param(f'"{"a" * LONG}\x7f"', None, id="a long one with a control character"),
    pytest.param(f'"{"a" * LONG}\u0661"', None, id="a long one with a character beyond Latin-1"),
    pytest.param('"a"\n', None, id="line feed"),
    pytest.param('*, "a"', None, id="any beside a tag"),
    pytest.param("", None, id="empty"),
    pytest.param(" , ", None, id="only commas"),
]
OTHERS = '"x"', 'W/"x"', '","', '", "', "a", '"W/"', '"a,W/"'


@pytest.mark.parametrize(("value", "texts"), LISTS)
def test_a_list_of_entity_tags(value, texts):
    assert etags.is_tag_list(value) is (texts is not None)
    assert not etags.is_any(value)
    for text in (*texts, *OTHERS) if texts else ():
        tag = etags.parse_entity_tag(text)
        assert etags.names_strongly(value, tag) is (text in texts and not tag.weak)
        assert etags.names_weakly(value, tag) is (text in texts)


def test_a_weak_tag_and_a_strong_one_match_weakly_only():
    assert etags.names_weakly('"a", W/"b"', EntityTag("b"))
    assert not etags.names_strongly('"a", W/"b"', EntityTag("b"))
    assert etags.names_strongly('W/"b", "b"', EntityTag("b"))
    assert etags.names_weakly('"a"', EntityTag("a", weak=True))
    assert not etags.names_strongly('"a"', EntityTag("a", weak=True))


@pytest.mark.parametrize(("value", "any_tag"), [
    ("*", True), (" *\t", True), (" " * LONG + "*" + "\t" * LONG, True), ("**", False), ("*,", False), ("", False),
    ('"*"', False), ("*\n", False),
])
def test_any_representation(value, any_tag):
    assert etags.is_any(value) is any_tag


def test_every_parser_survives_any_latin_1_character():
    for code in range(256):
        for value in (chr(code), f'"{chr(code)}"', f"W/{chr(code)}"):
            etags.parse_entity_tag(value), etags.is_tag_list(value), etags.is_any(value)
