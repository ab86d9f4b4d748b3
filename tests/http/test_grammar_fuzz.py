"""Range fields of any shape: never an exception, never a wrong 206, linear work, bounded memory and bounded answers."""

from __future__ import annotations

import random
import re
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator

import httprange
import pytest
import webob.byterange
import werkzeug.http
from hypothesis import example
from hypothesis import strategies as st

from rangeware import RangeMiddleware
from tests.examples import for_any
from tests.oracle import SURPLUS, Expected, Representation, by_range, check, multipart_length, range_specs
from tests.support import CONTENT, Answer, answering, environ_for, get, parts, run

SELECTED = Representation(len(CONTENT))
APP = RangeMiddleware(answering([CONTENT]))
BOUNDARY_LENGTH = 32


def seeds(first: int, count: int) -> pytest.MarkDecorator:
    """Run a test with so many seeds; all but the first are of the grid."""
    more = [pytest.param(first + number, marks=pytest.mark.grid) for number in range(1, count)]
    return pytest.mark.parametrize("seed", [first, *more])


def asked(value: str) -> Answer:
    return run(APP, environ_for(range=value), validate=False)


def judge(value: str) -> None:
    """One field value against the oracle: the status, and each byte of a 206."""
    check(asked(value), by_range(value, SELECTED, boundary_length=BOUNDARY_LENGTH), CONTENT, repr(value))


def test_the_boundary_is_as_long_as_the_oracle_takes_it():
    assert len(str(get(APP, "bytes=0-0,9-9").get("Content-Type")).partition("boundary=")[2]) == BOUNDARY_LENGTH


# --- The grammar a second time: the ABNF of 14.1.1, 14.1.2 and 5.6.1.2 as one regular expression ---

SPEC = "(?:[0-9]+-[0-9]*|-[0-9]+)"
MEMBER = rf"[ \t]*(?:{SPEC}[ \t]*)?"
RANGES_SPECIFIER = re.compile(rf"[ \t]*[Bb][Yy][Tt][Ee][Ss]={MEMBER}(?:,{MEMBER})*")


def runs_backwards(first: str, last: str) -> bool:
    width = max(len(first), len(last))
    return last != "" and last.zfill(width) < first.zfill(width)


def is_valid(value: str) -> bool:
    """True if the value is a set of byte ranges by the RFC's grammar."""
    if RANGES_SPECIFIER.fullmatch(value) is None or not re.search("[0-9]", value):
        return False
    return not any(runs_backwards(first, last) for first, last in re.findall("([0-9]+)-([0-9]*)", value))


# --- What is fed in ---

numeral = st.one_of(
    st.integers(0, 1100).map(str),
    st.integers(0, 12).map(str),
    st.sampled_from(["", "00", "0999", "9" * 25, "+1", "1_0", "٣"]),
)
member = st.one_of(
    st.builds("{}-{}".format, numeral, numeral),
    st.sampled_from(["", "", "-", "--1", "1-2-3", "5", "a-b"]),
)
comma = st.sampled_from([",", ",", ", ", " ,", "\t,\t", ",,", ";", " "])
unit = st.sampled_from(["bytes=", "bytes=", "bytes=", "Bytes=", "bytes= ", "bytes =", "items=", "byte=", "bytes", "="])


@st.composite
def near_misses(draw: Callable[..., str]) -> str:
    """A field that is valid, or nearly."""
    text = draw(unit)
    for _ in range(draw(st.integers(0, 6))):
        text += draw(member) + draw(comma)
    return text + draw(member)


def mutated(seed: int) -> Iterator[str]:
    """Valid fields with some characters replaced, doubled, dropped or swapped."""
    draw = random.Random(seed)
    alphabet = "0123456789-,= \tbytesBX+._e\x00\x0b\x0c\x1c\x85\xa0\xb2\xb9\u0663\uff11\u017f\u2212\r\n"
    for _ in range(3000):
        spans = sorted(draw.choices(range(1100), k=2 * draw.randint(1, 4)), reverse=draw.random() < 0.1)
        text = "bytes=" + ",".join(draw.choice(["{}-{}", "{}-{}", "{}-", "-{}"]).format(*spans[i:i + 2])
                                   for i in range(0, len(spans), 2))
        for _ in range(draw.choice([0, 1, 1, 2, 3])):
            at = draw.randrange(len(text) + 1)
            new = draw.choice(["", draw.choice(alphabet), text[at:at + 3] * 2])
            text = text[:at] + new + text[at + draw.randint(0, 1):]
        yield text


@for_any(400, value=near_misses())
@example("bytes=0-0,-1")
@example("bytes=-0")
@example("bytes=,")
def test_near_misses(value):
    judge(value)


@for_any(400, value=st.text(max_size=40))
def test_any_text_after_the_unit(value):
    judge("bytes=" + value)
    judge(value)


@seeds(0, 3)
def test_mutated_fields(seed):
    for value in mutated(seed):
        judge(value)


@seeds(10, 1)
def test_invalid_text_always_gives_the_whole_with_a_reason(seed):
    for value in mutated(seed):
        answer = asked(value)
        assert answer.reason
        if not is_valid(value):
            assert (answer.status, answer.body) == (200, CONTENT), repr(value)
        else:
            assert answer.status in (206, 416), repr(value)


def test_a_wrong_character_at_any_place():
    for at in range(len("bytes=10-19,-5") + 1):
        for wrong in "\0\x01\x7f\x0b\x0c\x1f\xa0+.:;/_*\"x\xb2\u0665\u2028\ud800":
            value = "bytes=10-19,-5"[:at] + wrong + "bytes=10-19,-5"[at:]
            assert asked(value).status == 200, repr(value)


INVALID = [  # Range field                                why
    pytest.param("", id="empty"),
    pytest.param("bytes", id="no set"),
    pytest.param("bytes=", id="an empty set (1#)"),
    pytest.param("bytes=,, ,", id="empty members only (5.6.1.2)"),
    pytest.param("bytes=-", id="neither position nor suffix"),
    pytest.param("bytes 0-1", id="no equals sign"),
    pytest.param("bytes =0-1", id="a blank before the equals sign"),
    pytest.param("bytes:0-1", id="a colon"),
    pytest.param("=0-1", id="no unit"),
    pytest.param("bytes==0-1", id="two equals signs"),
    pytest.param("0-1", id="no unit, no equals sign"),
    pytest.param("bytes=0-1;2-3", id="a semicolon"),
    pytest.param("bytes=0-1 2-3", id="a blank for a comma"),
    pytest.param("bytes=0 -1", id="a blank before the hyphen"),
    pytest.param("bytes=0- 1", id="a blank after the hyphen"),
    pytest.param("bytes=- 1", id="a blank in a suffix"),
    pytest.param("bytes=1 0-20", id="a blank in a numeral"),
    pytest.param("bytes=0\t-1", id="a tab inside a member"),
    pytest.param("bytes=0-1\x00", id="NUL at the end"),
    pytest.param("bytes=\x000-1", id="NUL at the start"),
    pytest.param("bytes=0-1\n", id="line feed at the end"),
    pytest.param("bytes=0-1\r\n 2-3", id="a folded line"),
    pytest.param("bytes=0-1\x0b", id="vertical tab is no blank"),
    pytest.param("bytes=\xa00-1", id="no-break space is no blank"),
    pytest.param("bytes=0-\xb2", id="superscript two"),
    pytest.param("bytes=\u0660-\u0669", id="Arabic-Indic digits"),
    pytest.param("bytes=\uff10-\uff19", id="full-width digits"),
    pytest.param("byte\u017f=0-1", id="a long s, which folds to s"),
    pytest.param("bytes=0\u20131", id="a dash for the hyphen"),
    pytest.param("bytes=+0-1", id="plus"),
    pytest.param("bytes=0-+1", id="plus before the last"),
    pytest.param("bytes=--1", id="two hyphens"),
    pytest.param("bytes=-1-", id="a suffix with a hyphen"),
    pytest.param("bytes=-1-2", id="a negative first"),
    pytest.param("bytes=0--1", id="a negative last"),
    pytest.param("bytes=0-1-2", id="three positions"),
    pytest.param("bytes=1_0-2_0", id="underscores"),
    pytest.param("bytes=0.0-1.0", id="points"),
    pytest.param("bytes=1e1-2e1", id="exponents"),
    pytest.param("bytes=0x0-0x9", id="hex"),
    pytest.param("bytes=a-f", id="letters"),
    pytest.param("bytes=5", id="a lone position"),
    pytest.param("bytes=*", id="an asterisk"),
    pytest.param("bytes=0-*", id="an asterisk for the last"),
    pytest.param("bytes=0-9/1000", id="a length, as in Content-Range"),
    pytest.param('bytes="0-9"', id="quoted"),
    pytest.param("bytes=9-0", id="last before first"),
    pytest.param("bytes=0-1,9-8", id="last before first in one member"),
    pytest.param("bytes=2000-1999", id="last before first, both beyond the end"),
    pytest.param("bytes=0-1,x", id="one wrong member"),
    pytest.param("bytes=0-1, bytes=2-3", id="two lines, joined"),
    pytest.param("bytes=0-1,bytes=2-3", id="two lines, joined without a blank"),
    pytest.param("bytes=0-1bytes=2-3", id="two lines, glued"),
    pytest.param("bytes=0-1, items=2-3", id="two units"),
    pytest.param("items=0-1", id="an unknown unit"),
    pytest.param("none=0-1", id="the unit none"),
    pytest.param("bytes" * 99 + "=0-1", id="a long unit"),
    pytest.param("bytes=" + "0-1,2", id="a member without hyphen"),
    pytest.param("bytes=" + "1" + "0" * 5000 + "-" + "9" * 5000, id="last before first, both of 5000 digits"),
    pytest.param("bytes=" + "9" * 5000 + "-" + "9" * 4999 + "8", id="last one before first at 5000 digits"),
    pytest.param("bytes=" + "9" * 5000 + "-" + "0" * 5000 + "9" * 4999, id="last before first, with leading zeros"),
]


@pytest.mark.parametrize("value", INVALID)
def test_invalid_fields_give_the_whole(value):
    assert range_specs(value) is None
    assert not is_valid(value)
    check(get(APP, value), Expected(200), CONTENT)


HUGE, ZEROS = "9" * 5000, "0" * 5000
NUMERALS = [  # Range field                           status  ranges          why
    pytest.param(f"bytes=990-{HUGE}", 206, ((990, 999),), id="a last position of 5000 digits"),
    pytest.param(f"bytes=-{HUGE}", 206, ((0, 999),), id="a suffix of 5000 digits"),
    pytest.param(f"bytes={HUGE}-", 416, (), id="a first position of 5000 digits"),
    pytest.param(f"bytes={HUGE}-{HUGE}", 416, (), id="both of 5000 digits, the same"),
    pytest.param(f"bytes={HUGE}-1{ZEROS}", 416, (), id="both huge, in order"),
    pytest.param(f"bytes={ZEROS}1-{ZEROS}2", 206, ((1, 2),), id="5000 leading zeros"),
    pytest.param(f"bytes={ZEROS}-{ZEROS}", 206, ((0, 0),), id="5000 zeros are zero"),
    pytest.param(f"bytes=-{ZEROS}", 416, (), id="a suffix of nothing, at length"),
    pytest.param(f"bytes=-{ZEROS}7", 206, ((993, 999),), id="a suffix with leading zeros"),
    pytest.param(f"bytes={HUGE}-,5-9", 206, ((5, 9),), id="one huge, one not"),
    pytest.param(f"bytes=5-9,{HUGE}-", 206, ((5, 9),), id="one not, one huge"),
    pytest.param("bytes=0-9223372036854775807", 206, ((0, 999),), id="2^63 - 1"),
    pytest.param("bytes=0-9223372036854775808", 206, ((0, 999),), id="2^63"),
    pytest.param("bytes=18446744073709551616-", 416, (), id="2^64 does not wrap to 0"),
    pytest.param("bytes=18446744073709551616-18446744073709551617", 416, (), id="2^64 to 2^64 + 1"),
    pytest.param("bytes=4294967296-4294967297", 416, (), id="2^32 does not wrap to 0"),
    pytest.param("bytes=-18446744073709551617", 206, ((0, 999),), id="a suffix of 2^64 + 1"),
    pytest.param("bytes=0-00000000000000000000000000000009", 206, ((0, 9),), id="thirty leading zeros"),
]


@pytest.mark.parametrize(("value", "status", "spans"), NUMERALS)
def test_numerals_of_any_length(value, status, spans):
    assert by_range(value, SELECTED) == (status, spans)
    check(get(APP, value), Expected(status, spans), CONTENT)


# --- Other readers, where they agree with the RFC ---

def known_disagreement(value: str) -> bool:
    """httprange stops at 16 empty members and at 4,000 digits; the RFC does not."""
    return value.count(",") > 15 or re.search("[1-9][0-9]{3999}", value) is not None


def by_httprange(value: str) -> Expected:
    """Parse it with httprange, whose limits are off as far as they can be."""
    policy = httprange.RangePolicy(max_ranges=100, max_overlapping=10 ** 6)
    try:
        spans = httprange.resolve_ranges(value, len(CONTENT), policy=policy)
    except httprange.UnsatisfiableRange:
        return Expected(416)
    except httprange.RangeError:
        return Expected(200)
    return Expected(206, tuple((span.first, span.last) for span in spans))


@seeds(20, 2)
def test_httprange_agrees(seed):
    for value in mutated(seed):
        if not known_disagreement(value):
            check(asked(value), by_httprange(value), CONTENT, repr(value))


def spec_of(value: str) -> str | None:
    """The spec of a value without blanks and with one member only; None for other values."""
    match = re.fullmatch(rf"bytes=({SPEC})", value)
    return match[1] if match else None


@seeds(30, 2)
def test_werkzeug_agrees_on_one_member(seed):
    """Werkzeug refuses a suffix of 0, which is valid and unsatisfiable; sets that it refuses for their order, empty
    members and blanks inside a member, which it takes, are left out by asking for one plain member."""
    for value in mutated(seed):
        spec = spec_of(value)
        if spec is None or not spec.strip("-0"):
            continue
        read = werkzeug.http.parse_range_header(value)
        assert (read is None) == (asked(value).status == 200), repr(value)
        if read is not None and not spec.startswith("-"):  # of suffixes it takes none longer than the whole
            there = read.range_for_length(len(CONTENT))
            right = Expected(206, ((there[0], there[1] - 1),)) if there else Expected(416)
            check(asked(value), right, CONTENT, repr(value))


@seeds(40, 2)
def test_webob_agrees_on_one_member(seed):
    """WebOb looks at the start of the field only, so one whole member is asked; it takes a suffix that is longer than
    the representation for unsatisfiable, and so suffixes are left to the others."""
    for value in mutated(seed):
        spec = spec_of(value)
        if spec is None or spec.startswith("-"):
            continue
        read = webob.byterange.Range.parse(value)
        assert (read is None) == (asked(value).status == 200), repr(value)
        if read is not None:
            there = read.range_for_length(len(CONTENT))
            right = Expected(206, ((there[0], there[1] - 1),)) if there else Expected(416)
            check(asked(value), right, CONTENT, repr(value))


# --- How many members, and how large an answer ---

LARGE = bytes(range(256)) * 400
LARGE_APP = answering([LARGE])


def members(count: int, step: int = 500) -> str:
    return "bytes=" + ",".join(f"{i * step}-{i * step}" for i in range(count))


@pytest.mark.parametrize(("count", "max_ranges", "status"), [
    (100, 100, 206), (101, 100, 200), (40, 40, 206), (41, 40, 200), (1, 1, 206), (2, 1, 200), (200, 200, 206),
])
def test_more_members_than_max_ranges_are_ignored(count, max_ranges, status):
    right = by_range(members(count), Representation(len(LARGE)), max_ranges)
    assert right.status == status
    check(get(RangeMiddleware(LARGE_APP, max_ranges=max_ranges), members(count)), right, LARGE)


def test_members_count_before_they_are_merged_or_left_out():
    check(get(APP, "bytes=" + ",".join(["0-9"] * 257)), Expected(200), CONTENT)
    check(get(APP, "bytes=" + ",".join(["0-9"] * 256)), Expected(206, ((0, 9),)), CONTENT)
    check(get(APP, "bytes=" + ",".join(["5000-"] * 257)), Expected(200), CONTENT)
    check(get(APP, "bytes=" + ",".join(["5000-"] * 256)), Expected(416), CONTENT)


@pytest.mark.each
@pytest.mark.parametrize("length", [3, 10, 80, 1000, 4096, 20000])
@pytest.mark.parametrize("content_type", ["a/b", "text/" + "x" * 300, "text/" + "x" * 5000, None],
                         ids=["short", "long", "longer than the bound", "none"])
@pytest.mark.parametrize("counts", [
    pytest.param((1, 2, 3, 5, 8, 13, 21, 34, 44, 100), id="some"),
    pytest.param((*range(1, 45), *range(45, 101, 5)), id="all", marks=pytest.mark.grid),
])
def test_no_answer_is_larger_than_the_whole_and_4_kib(length, content_type, counts):
    content = LARGE[:length]
    selected = Representation(length, content_type=content_type)

    def app(environ, start_response):
        start_response("200 OK", [] if content_type is None else [("Content-Type", content_type)])
        return [content]
    for count in counts:
        value = "bytes=" + ",".join(f"{i}-{i}" for i in range(0, 2 * count, 2))
        answer = run(RangeMiddleware(app), environ_for(range=value), validate=False)
        check(answer, by_range(value, selected), content, f"{count} of {length}")
        if answer.status == 206 and answer.get("Content-Range") is None:
            assert {part.content_type for part in parts(answer)} == {content_type}


@pytest.mark.parametrize(("surplus", "status"), [(-1, 206), (0, 206), (1, 200), (2, 200)])
def test_the_bound_is_met_to_the_byte(surplus, status):
    spans = ((0, 0), (2, 2))
    rest = multipart_length(spans, Representation(10, content_type=""), BOUNDARY_LENGTH)
    assert (10 + SURPLUS - rest) % 2 == 0, "two parts, so two times the Content-Type, are to fill it exactly"
    content_type = "a/" + "b" * ((10 + SURPLUS - rest) // 2 - 2 + surplus)

    def app(environ, start_response):
        start_response("200 OK", [("Content-Type", content_type)])
        return [CONTENT[:10]]
    answer = get(RangeMiddleware(app), "bytes=0-0,2-2")
    check(answer, Expected(status, spans if status == 206 else ()), CONTENT[:10])
    assert status == 200 or len(answer.body) == 10 + SURPLUS + 2 * surplus


# --- Work and memory ---

HOSTILE = {  # from a size to a field
    "many small members": lambda size: "bytes=" + "0-0," * (size // 4),
    "many members, the last one wrong": lambda size: "bytes=" + "0-0," * (size // 4) + "x",
    "overlapping members": lambda size: "bytes=" + ",".join(f"{i}-" for i in range(size // 5)),
    "descending members": lambda size: "bytes=" + ",".join(f"{i}-{i}" for i in range(size // 10, 0, -1)),
    "commas": lambda size: "bytes=" + "," * size,
    "commas and a member": lambda size: "bytes=0-0" + "," * size,
    "commas and blanks": lambda size: "bytes=" + " ,\t" * (size // 3) + "x",
    "blanks": lambda size: "bytes=" + " " * size + "x",
    "blanks after a member": lambda size: "bytes=0-0" + " " * size + "x",
    "blanks before the unit": lambda size: " " * size + "x=0-0",
    "zeros": lambda size: "bytes=" + "0" * size,
    "zeros and a hyphen": lambda size: "bytes=" + "0" * size + "-",
    "zeros, not a number": lambda size: "bytes=" + "0" * size + "x-1",
    "nines": lambda size: "bytes=" + "9" * (size // 2) + "-" + "9" * (size // 2),
    "nines that run backwards": lambda size: "bytes=" + "9" * (size // 2) + "-" + "9" * (size // 2 - 1) + "8",
    "hyphens": lambda size: "bytes=" + "-" * size,
    "digit and hyphen": lambda size: "bytes=" + "0-" * (size // 2),
    "the unit again and again": lambda size: "bytes=" * (size // 6),
    "equals signs": lambda size: "bytes" + "=" * size,
    "one long word": lambda size: "b" * size,
    "unlike digits": lambda size: "bytes=" + "\xb2" * size,
    "joined lines": lambda size: ", ".join(["bytes=0-0"] * (size // 11)),
}
CONDITIONAL = {
    "quotes": lambda size: '"' * size,
    "odd quotes": lambda size: '"' * (size + 1 - size % 2),
    "weak marks": lambda size: 'W/"' * (size // 3),
    "tags": lambda size: '"a",' * (size // 4),
    "tags, the last one wrong": lambda size: '"a",' * (size // 4) + "x",
    "tags with blanks": lambda size: '"a" , ' * (size // 6) + "x",
    "commas": lambda size: "," * size + "x",
    "blanks": lambda size: " " * size + "x",
    "blanks in a tag": lambda size: '"a"' + " \t" * (size // 2) + "x",
    "digits in a date": lambda size: "Sun, " + "0" * size + " Nov 1994 08:49:37 GMT",
    "blanks in a date": lambda size: "Sun, 06 Nov" + " " * size + "1994 08:49:37 GMT",
    "a year without end": lambda size: "Sun, 06 Nov " + "9" * size + " 08:49:37 GMT",
}
CONDITIONAL_FIELDS = "if_match", "if_none_match", "if_modified_since", "if_unmodified_since", "if_range"
VALIDATED = RangeMiddleware(answering([CONTENT], ("ETag", '"v1"'), ("Last-Modified", "Sun, 06 Nov 1994 08:49:37 GMT")))
SMALL, BIG = 1 << 14, 1 << 18


def calls(request: Callable[[], object]) -> int:
    """Function calls made, of Python and of C."""
    count = 0

    def profile(frame: object, event: str, argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")
    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        request()
    finally:
        sys.setprofile(before)
    return count


def seconds(request: Callable[[], object]) -> float:
    """Processor time; what one call of the regular expression engine does is not seen by counting calls."""
    before = time.process_time()
    request()
    return time.process_time() - before


def peak(request: Callable[[], object]) -> int:
    """Bytes that were in use at once beyond those before."""
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        request()
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()


def assert_linear(request: Callable[[int], Callable[[], object]]) -> None:
    """Sixteen times the field: about sixteen times the work at most, half a second at most, and memory to match."""
    growth = BIG // SMALL
    assert calls(request(BIG)) <= 2 * growth * calls(request(SMALL))
    assert min(seconds(request(BIG)) for _ in range(5)) < 0.5  # the process may have other work, too
    assert peak(request(BIG)) < 32 * BIG


@pytest.mark.parametrize("shape", HOSTILE)
def test_a_hostile_range_costs_linear_work_and_memory(shape):
    def request(size: int) -> Callable[[], object]:
        environ = environ_for(range=HOSTILE[shape](size))
        return lambda: run(APP, environ, validate=False)
    assert_linear(request)
    answer = run(APP, environ_for(range=HOSTILE[shape](SMALL)))
    right = by_range(HOSTILE[shape](SMALL), SELECTED)
    if shape == "commas and a member" and answer.status == 200:  # 5.6.1.2: only a reasonable number of empty members
        right = Expected(200)
    check(answer, right, CONTENT)


@pytest.mark.each
@pytest.mark.parametrize("field", CONDITIONAL_FIELDS)
@pytest.mark.parametrize("shape", CONDITIONAL)
def test_a_hostile_condition_costs_linear_work_and_memory(shape, field):
    def request(size: int) -> Callable[[], object]:
        environ = environ_for(range="bytes=0-0", **{field: CONDITIONAL[shape](size)})
        return lambda: run(VALIDATED, environ, validate=False)
    assert_linear(request)


def test_the_largest_sets_cost_no_more_than_the_bytes_they_touch():
    """A hundred members of a representation that runs forward: memory stays at some blocks."""
    length = 1 << 25
    block = bytes(1 << 16)

    def app(environ, start_response):
        start_response("200 OK", [("Content-Type", "a/b"), ("Content-Length", str(length))])
        return (block for _ in range(length // len(block)))
    wrapped = RangeMiddleware(app, block_size=1 << 16)
    value = "bytes=" + ",".join(f"{i * 300000}-{i * 300000 + 250000}" for i in range(100))

    def request() -> None:
        heads: list[object] = []
        body = wrapped(environ_for(range=value), lambda *head: heads.append(head))
        length_sent = sum(len(chunk) for chunk in body)
        body.close()
        assert heads[0][0].startswith("206")
        assert length_sent > 100 * 250000
    assert peak(request) < 1 << 20
