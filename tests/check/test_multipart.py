"""The reader of multipart/byteranges: an independent one reads the same, and each fault is named."""

from __future__ import annotations

import email
import email.policy
import random
import time

import pytest

from rangeware.check.multipart import boundary_of, read_fields, read_multipart

HEAD = b"Content-Type: text/plain\r\nContent-Range: bytes %d-%d/1000\r\n\r\n"


def part(first: int, content: bytes) -> bytes:
    return b"\r\n--B\r\n" + HEAD % (first, first + len(content) - 1) + content


GOOD = part(0, b"abc") + part(10, b"xyz") + b"\r\n--B--\r\n"


@pytest.mark.parametrize("body", [
    pytest.param(GOOD, id="CRLF before the first delimiter"),
    pytest.param(GOOD[2:], id="without it"),
    pytest.param(b"a preamble" + GOOD + b"an epilogue", id="preamble and epilogue"),
    pytest.param(GOOD.replace(b"--B\r\n", b"--B \t\r\n"), id="padding after a delimiter (RFC 2046 5.1.1)"),
])
def test_a_well_made_body(body):
    read = read_multipart(body, "B")
    assert (read.faults, read.is_closed) == ([], True)
    assert [each.content for each in read.parts] == [b"abc", b"xyz"]
    assert [each.content_range.part for each in read.parts] == [(0, 2), (10, 12)]
    assert read.parts[0].fields == [("Content-Type", "text/plain"), ("Content-Range", "bytes 0-2/1000")]


def test_it_reads_what_the_email_package_reads():
    source = random.Random(1)
    contents = [source.randbytes(source.randrange(1, 200)).replace(b"\r", b"r").replace(b"\n", b"n") for _ in range(50)]
    body = b"".join(part(number * 10, content) for number, content in enumerate(contents)) + b"\r\n--B--"
    message = email.message_from_bytes(
        b"Content-Type: multipart/byteranges; boundary=B\r\n\r\n" + body, policy=email.policy.HTTP)
    read = read_multipart(body, "B")
    assert read.faults == []
    assert [each.content for each in read.parts] == [each.get_payload(decode=True) for each in message.iter_parts()]


@pytest.mark.parametrize(("body", "fault"), [
    pytest.param(b"nothing of the kind", "its boundary is nowhere in it", id="no boundary"),
    pytest.param(GOOD.replace(b"\r\n", b"\n"), "its boundary is nowhere in it", id="LF alone"),
    pytest.param(GOOD[:-9], "it has no closing delimiter", id="not closed"),
    pytest.param(b"\r\n--B--\r\n", "it has no parts", id="no parts"),
    pytest.param(GOOD.replace(b"--B\r\n", b"--Bx\r\n", 1), "a delimiter is not a line of its own", id="delimiter"),
    pytest.param(b"\r\n--B", "a delimiter is not a line of its own", id="ends in a delimiter"),
    pytest.param(b"\r\n--B\r\nContent-Range: bytes 0-2/9\r\n--B--\r\n",
                 "a part has no empty line between its head and its content", id="no empty line"),
    pytest.param(GOOD.replace(b"/1000\r\n\r\n", b"/1000\n\n"), "lines in it end with LF alone", id="LF in a head"),
    pytest.param(GOOD.replace(b"Content-Range", b"X-Range", 1), "a part has no valid Content-Range", id="no range"),
    pytest.param(GOOD.replace(b"bytes 0-2/", b"bytes 2-0/", 1), "a part has no valid Content-Range", id="bad range"),
    pytest.param(GOOD.replace(b"bytes 0-2/1000", b"bytes */1000", 1), "a part has no valid Content-Range", id="star"),
    pytest.param(GOOD.replace(b"\r\nContent-Range: bytes 0-2/1000", b"\r\nContent-Range: bytes 0-2/1000" * 2),
                 "a part has no valid Content-Range", id="two ranges"),
    pytest.param(GOOD.replace(b"2/1000", b"2/1001", 1), "its parts name several complete lengths", id="lengths"),
    pytest.param(GOOD.replace(b"abc", b"ab"), "a part has 2 bytes where its Content-Range says 3", id="too short"),
    pytest.param(GOOD.replace(b"abc", b"abcd"), "a part has 4 bytes where its Content-Range says 3", id="too long"),
])
def test_each_fault_is_named(body, fault):
    assert fault in read_multipart(body, "B").faults


def test_a_body_that_was_cut_off_on_purpose_has_no_fault_for_it():
    read = read_multipart(GOOD[:-11], "B", is_complete=False)
    assert (read.faults, read.is_closed, len(read.parts)) == ([], False, 2)


def test_a_part_without_fields_has_its_content():
    assert read_multipart(b"--B\r\n\r\nabc\r\n--B--", "B").parts[0].content == b"abc"


def test_no_more_than_a_bounded_number_of_parts_is_read():
    assert len(read_multipart(b"\r\n--B\r\n\r\n" * 50_000, "B").parts) == 300


@pytest.mark.parametrize(("value", "boundary"), [
    ("multipart/byteranges; boundary=abc", "abc"), ('Multipart/Byteranges; charset=x; boundary="a b"', "a b"),
    ("multipart/byteranges;boundary=abc", "abc"), ("multipart/byteranges", None),
    ("multipart/mixed; boundary=abc", None),
    ("multipart/byteranges; noboundary=x", None), ("text/plain", None), ("", None),
])
def test_boundary(value, boundary):
    assert boundary_of(value) == boundary


@pytest.mark.parametrize("filler", [";", " ", "; ", "; boundary", ';boundary="'])
def test_a_hostile_type_takes_no_long_time(filler):
    begun = time.monotonic()
    boundary_of("multipart/byteranges" + filler * (1 << 16))
    assert time.monotonic() - begun < 1


def test_fields_come_as_they_stand():
    assert read_fields(b"A: 1\r\n\r\nno colon\r\nB:2") == [("A", "1"), ("", "no colon"), ("B", "2")]
