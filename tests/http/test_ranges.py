"""The grammar of Range, Content-Range and Content-Length. Expected values are read off the RFC's ABNF."""

from __future__ import annotations

import pytest

from rangeware.http import ranges
from rangeware.http.ranges import ByteRange, IntRange, SuffixRange

LONG = 50_000  # characters that are too many to be copied at once
NINES = "9" * LONG
MANY = ",".join(f"{2 * i}-{2 * i}" for i in range(40))
MANY_SPECS = tuple(IntRange(2 * i, 2 * i) for i in range(40))

SETS = [
    pytest.param("bytes=0-499", (IntRange(0, 499),), id="int-range"),
    pytest.param("bytes=9500-", (IntRange(9500, None),), id="open int-range"),
    pytest.param("bytes=-500", (SuffixRange(500),), id="suffix-range"),
    pytest.param("bytes=-0", (SuffixRange(0),), id="suffix of nothing is to the grammar"),
    pytest.param("BYTES=0-0", (IntRange(0, 0),), id="unit in any case (14.1)"),
    pytest.param("bytes= 0-999, 4500-5499, -1000", (IntRange(0, 999), IntRange(4500, 5499), SuffixRange(1000)),
                 id="the RFC's own example with a blank after the equals sign (14.1.2)"),
    pytest.param("bytes=,0-1,\t , 2-3 ,", (IntRange(0, 1), IntRange(2, 3)), id="empty members (5.6.1.2)"),
    pytest.param(" bytes=0-1\t", (IntRange(0, 1),), id="blanks around the value are no part of it"),
    pytest.param("bytes=0000000000000000000000000000007-9", (IntRange(7, 9),), id="leading zeros"),
    pytest.param("bytes=5-" + "9" * 5000, (IntRange(5, 10**20),), id="a numeral too long for int()"),
    pytest.param(f"bytes={'8' * 30}-{'9' * 30}", (IntRange(10**20, 10**20),), id="two of them"),
    pytest.param(f"bytes={'9' * 30}-{'8' * 30}", None, id="two of them, last before first"),
    pytest.param(f"bytes={'9' * 31}-{'9' * 30}", None, id="two of them, the last shorter"),
    pytest.param(f"bytes={MANY}", MANY_SPECS, id="many ranges"),
    pytest.param(f"bytes={MANY},5-", (*MANY_SPECS, IntRange(5, None)), id="many, one of them open"),
    pytest.param(f"bytes={MANY},-5", (*MANY_SPECS, SuffixRange(5)), id="many, one of them a suffix"),
    pytest.param(f"bytes={MANY}, 7-8", (*MANY_SPECS, IntRange(7, 8)), id="many, one after a blank"),
    pytest.param(f"bytes={MANY},8-7", None, id="many, in one of them last before first"),
    pytest.param(f"bytes={MANY},8", None, id="many, one of them without hyphen"),
    pytest.param(f"bytes={MANY}-", None, id="many, one of them with two hyphens"),
    pytest.param(f"bytes={MANY},1-{'9' * 5000}", (*MANY_SPECS, IntRange(1, 10**20)), id="many, in one a long numeral"),
    pytest.param("bytes=" + "0" * 200 + "5-6,-" + "0" * 50 + "7", (IntRange(5, 6), SuffixRange(7)), id="many zeros"),
    pytest.param("bytes=0-" + "1" * 60 + "x", None, id="a letter after many digits"),
    pytest.param("bytes=0-1, " + "1" * 60, None, id="many digits without hyphen"),
    pytest.param("bytes=2-1", None, id="last before first (14.1.1)"),
    pytest.param("bytes=0-1,2-1", None, id="one invalid member spoils the set"),
    pytest.param("bytes=0-1x", None, id="letters"),
    pytest.param("bytes=+0-1", None, id="sign"),
    pytest.param("bytes=0-1_0", None, id="underscore"),
    pytest.param("bytes=0.0-1", None, id="point"),
    pytest.param("bytes=0 -1", None, id="blank inside a member"),
    pytest.param("bytes=0-\u00b2", None, id="a digit that is not ASCII"),
    pytest.param("bytes=\u0661-2", None, id="digits of another script"),
    pytest.param("bytes=0-1\n", None, id="line feed"),
    pytest.param("bytes=0-1-2", None, id="two hyphens"),
    pytest.param("bytes=0", None, id="no hyphen"),
    pytest.param("bytes=-", None, id="only a hyphen"),
    pytest.param("bytes=--1", None, id="negative suffix"),
    pytest.param("bytes=", None, id="empty set"),
    pytest.param("bytes=,,", None, id="nothing but empty members"),
    pytest.param("bytes", None, id="no equals sign"),
    pytest.param("bytes =0-1", None, id="blank before the equals sign"),
    pytest.param("bytes=0-1,bytes=5-6", None, id="repeated lines, joined"),
    pytest.param("bytes=0-1bytes=5-6", None, id="repeated lines, glued"),
    pytest.param("items=0-1", None, id="another unit"),
    pytest.param("", None, id="empty field"),
]


@pytest.mark.parametrize(("value", "specs"), SETS)
def test_parse_range(value, specs):
    assert ranges.parse_range(value) == specs


@pytest.mark.parametrize(("value", "unit"), [
    ("bytes=0-1", "bytes"), ("Bytes=", "bytes"), ("items=1", "items"), ("bytes", ""), ("", ""), ("=0-1", ""),
    (" bytes=0-1", "bytes"), ("bytes = 0-1", ""), ("bytes =0-1", ""), ("bytes\t=0-1", ""), ("x y=0-1", ""),
    ('"items"=0-1', ""), ("it\xe9ms=0-1", ""), ("a/b=0-1", ""), ("x-items.v2=0-24", "x-items.v2"), ("0-1", ""),
    ("x" * 1000 + "=0-1", ""),
])
def test_range_unit(value, unit):
    assert ranges.range_unit(value) == unit


@pytest.mark.each
@pytest.mark.parametrize("fill", ["{}", "{}" + " " * LONG, " " * LONG + "{}"], ids=["short", "long", "at the end"])
@pytest.mark.parametrize(("value", "number"), [
    ("bytes=", 0), ("bytes=0-1", 1), ("bytes=0-1,-5,7-", 3), ("bytes=0-1" + "," * 100, 1),
    ("bytes=" + "," * 1100, 1000),
])
def test_whether_a_field_has_more_range_specs(value, number, fill):
    assert ranges.has_more_range_specs(fill.format(value), number - 1)
    assert not ranges.has_more_range_specs(fill.format(value), number)


LONG_SETS = [  # what follows "bytes="
    pytest.param(f"0-{NINES}", (IntRange(0, 10**20),), id="last"),
    pytest.param(f"{NINES}-", (IntRange(10**20, None),), id="first"),
    pytest.param(f"-{NINES}", (SuffixRange(10**20),), id="suffix"),
    pytest.param(f"{NINES}-{NINES}", (IntRange(10**20, 10**20),), id="both, the same"),
    pytest.param(f"{NINES}-1{'0' * LONG}", (IntRange(10**20, 10**20),), id="both, the last longer"),
    pytest.param(f"{NINES[1:]}8-{NINES}", (IntRange(10**20, 10**20),), id="both, the last greater by one"),
    pytest.param(f"{NINES}-{NINES[1:]}8", None, id="both, the last less by one"),
    pytest.param(f"8{NINES}-9{NINES}", (IntRange(10**20, 10**20),), id="both, the last greater at once"),
    pytest.param(f"1{NINES}-{NINES}", None, id="both, the last shorter"),
    pytest.param(f"{NINES}-{'0' * LONG}{NINES}", (IntRange(10**20, 10**20),), id="zeros before the last"),
    pytest.param(f"{'0' * LONG}{NINES}-{NINES}", (IntRange(10**20, 10**20),), id="zeros before the first"),
    pytest.param(f"{NINES}-5", None, id="a short last after a long first"),
    pytest.param(f"{'0' * LONG}5-", (IntRange(5, None),), id="leading zeros"),
    pytest.param(f"0-{'0' * LONG}", (IntRange(0, 0),), id="nothing but zeros"),
    pytest.param(f"-{'0' * LONG}7", (SuffixRange(7),), id="leading zeros of a suffix"),
    pytest.param("\t " * LONG + "0-1", (IntRange(0, 1),), id="blanks before"),
    pytest.param("0-1" + " \t" * LONG, (IntRange(0, 1),), id="blanks after"),
    pytest.param("0-1" + " " * LONG + "," + "\t" * LONG + ", -5", (IntRange(0, 1), SuffixRange(5)),
                 id="blanks between"),
    pytest.param("0-1,2-,-3," + " " * LONG + "4-5", (IntRange(0, 1), IntRange(2, None), SuffixRange(3), IntRange(4, 5)),
                 id="short ones"),
    pytest.param(" " * LONG + ",", None, id="no member"),
    pytest.param(" " * LONG + "0", None, id="no hyphen"),
    pytest.param(" " * LONG + "0,1-2", None, id="a hyphen in another member only"),
    pytest.param(" " * LONG + "-", None, id="only a hyphen"),
    pytest.param(f"0-{NINES}x", None, id="a letter"),
    pytest.param(f"0-{NINES}\xb2", None, id="a digit that is not ASCII"),
    pytest.param(f"0-1-{NINES}", None, id="two hyphens"),
    pytest.param("0-" + " " * LONG + "1", None, id="blanks inside"),
    pytest.param("0-1\t" + NINES, None, id="a tab inside"),
    pytest.param("0-1" + " " * LONG + "\n", None, id="a line feed"),
    pytest.param("0-1" + "\x1f" * LONG, None, id="other white space"),
    pytest.param("1-0" + " " * LONG, None, id="last before first"),
]


@pytest.mark.parametrize(("text", "specs"), LONG_SETS)
def test_a_field_of_any_length(text, specs):
    assert ranges.parse_range(f"bytes={text}") == specs


@pytest.mark.parametrize("blanks", [0, 1, 99, 100])
def test_blanks_before_the_unit_are_no_part_of_the_value(blanks):
    assert ranges.parse_range(" " * blanks + "bytes=0-1") == (IntRange(0, 1),)


RESOLVED = [  # spec            length  bytes                why
    pytest.param(IntRange(0, 499), 10000, ByteRange(0, 499), id="inside"),
    pytest.param(IntRange(0, 99999), 10, ByteRange(0, 9), id="a last position beyond the end is the end"),
    pytest.param(IntRange(9, None), 10, ByteRange(9, 9), id="open"),
    pytest.param(IntRange(10, None), 10, None, id="first at the end"),
    pytest.param(IntRange(0, None), 0, None, id="nothing of nothing"),
    pytest.param(SuffixRange(3), 10, ByteRange(7, 9), id="suffix"),
    pytest.param(SuffixRange(99), 10, ByteRange(0, 9), id="suffix longer than all"),
    pytest.param(SuffixRange(0), 10, None, id="suffix of nothing"),
    pytest.param(SuffixRange(5), 0, None, id="suffix of an empty representation"),
]


@pytest.mark.parametrize(("spec", "complete_length", "expected"), RESOLVED)
def test_resolve(spec, complete_length, expected):
    assert spec.resolve(complete_length) == expected


@pytest.mark.parametrize("complete_length", [0, 3, 10, 100, 100_000])
def test_resolve_all_selects_as_resolve_does(complete_length):
    specs = [case.values[0] for case in RESOLVED]
    parts = [part for spec in specs if (part := spec.resolve(complete_length)) is not None]
    assert ranges.resolve_all(specs, complete_length) == parts


def test_byte_range_counts_both_ends():
    part = ByteRange(2, 5)
    assert (part.length, part.next_pos, part.content_range(1234)) == (4, 6, "bytes 2-5/1234")


def test_unsatisfied_range_of_the_rfc():
    assert ranges.unsatisfied_range(1234) == "bytes */1234"  # RFC 9110 14.4


@pytest.mark.parametrize(("value", "length"), [
    ("0", 0), ("1234", 1234), (" 7 ", 7), ("", None), ("-1", None), ("1_0", None), ("\u00b2", None),
    ("9" * 20, 10**20 - 1), ("9" * 5000, None), ("0" * 50_000 + "7", 7), ("0" * 30, 0), (" " * 50_000 + "7\t", 7),
    (" " * 30, None), ("7" + " " * 30 + "7", None), ("7" + "\n" * 30, None),
    ("0" * 30 + "\xb2", None), ("-" * 30, None),
])
def test_parse_complete_length(value, length):
    assert ranges.parse_complete_length(value) == length


def test_every_parser_survives_any_latin_1_character():
    for code in range(256):
        for value in (chr(code), f"bytes={chr(code)}", f"bytes=0-{chr(code)}1"):
            ranges.parse_range(value), ranges.parse_complete_length(value), ranges.range_unit(value)
