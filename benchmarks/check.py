"""Check the responses of a target byte by byte. Only targets with correct responses are timed."""

from __future__ import annotations

import email
import email.message
import http.client
import random
import socket
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from benchmarks import data
from benchmarks.serving import Running
from benchmarks.targets import Target

Window = tuple[int, int]
"""First and last position, both inclusive."""

TIMEOUT = 30.0
"""Seconds to wait for data."""
_SAMPLE = 64 << 10
"""Bytes that are compared at the start of each ``_STRIDE``; the rest is only counted."""
_STRIDE = 4 << 20
_VALIDATORS: dict[str, tuple[str, ...]] = {"/gen": ("ETag",), "/json": ()}
"""Required validators of paths that are not files. Those of files are the target's."""
_KIB = 1 << 10
_MIB = 1 << 20


class Question(NamedTuple):
    """The request of a measure: ``ranges`` ranges of ``size`` bytes, at ``first_pos`` or at random positions."""

    path: str
    size: int
    ranges: int = 1
    first_pos: int | None = None

    def windows(self) -> list[Window]:
        """Return the ranges in ascending order, with a gap of at least one byte between them."""
        if self.first_pos is not None:
            return [(self.first_pos, self.first_pos + self.size - 1)]
        chances = random.Random(f"{self.path} {self.size} {self.ranges}")
        room = data.LENGTHS[self.path] - self.ranges * (self.size + 1)
        starts = sorted(chances.randrange(room) for _ in range(self.ranges))
        firsts = [start + number * (self.size + 1) for number, start in enumerate(starts)]
        return [(first_pos, first_pos + self.size - 1) for first_pos in firsts]


WHOLE = {"whole-1m": "/1m", "whole-1g": "/1g", "json": "/json"}
"""Paths that are requested without Range, by measure."""
QUESTIONS: dict[str, Question] = {
    "range-4k": Question("/1g", 4 * _KIB),
    "range-64k": Question("/1g", 64 * _KIB),
    "range-1m": Question("/1g", _MIB),
    "range-16m": Question("/1g", 16 * _MIB),
    "range-512m": Question("/1g", 512 * _MIB),
    "multi-2x4k": Question("/1g", 4 * _KIB, 2),
    "multi-10x4k": Question("/1g", 4 * _KIB, 10),
    "multi-100x4k": Question("/1g", 4 * _KIB, 100),
    "multi-10x1m": Question("/1g", _MIB, 10),
    "file-first": Question("/8g", _KIB, first_pos=0),
    "file-last": Question("/8g", _KIB, first_pos=data.EIGHT_GIB - _KIB),
    "generator-first": Question("/gen", _KIB, first_pos=0),
    "generator-last": Question("/gen", _KIB, first_pos=data.GIB - _KIB),
    "512m": Question("/1g", 512 * _MIB),
    "10x32m": Question("/1g", 32 * _MIB, 10),
}
"""Range requests, by measure. The other measures (hostile headers) are not checked."""


class Wrong(Exception):
    """The response is wrong. The message says briefly in which way."""


def supported(running: Running, measure: str) -> str | None:
    """Check the response to a measure's request. Return None if every byte is right, else a short reason."""
    if measure not in WHOLE and measure not in QUESTIONS:
        return None
    try:
        _ask(running, measure)
    except Wrong as exc:
        return str(exc)
    except TimeoutError:
        return f"no answer within {TIMEOUT:.0f} s"
    except http.client.IncompleteRead as exc:
        return f"ended after {len(exc.partial):,} bytes"
    except (OSError, http.client.HTTPException) as exc:
        return f"no answer: {type(exc).__name__}"
    return None


def _ask(running: Running, measure: str) -> None:
    connection = http.client.HTTPConnection(*running.address, timeout=TIMEOUT)
    try:
        if measure in WHOLE:
            _ask_whole(connection, running.target, WHOLE[measure])
        else:
            _ask_ranges(connection, running.target, QUESTIONS[measure])
    finally:
        _hang_up(connection)


def _ask_whole(connection: http.client.HTTPConnection, target: Target, path: str) -> None:
    connection.request("GET", path)
    answer = connection.getresponse()
    if answer.status != 200:
        raise Wrong(f"{answer.status} without Range")
    _check_validators(answer, target, path)
    if answer.getheader("Content-Range") is not None:
        raise Wrong("Content-Range on the whole")
    if answer.getheader("Content-Length") not in (None, str(data.LENGTHS[path])):
        raise Wrong(f"Content-Length: {answer.getheader('Content-Length')}")
    _check_content(answer, path, (0, data.LENGTHS[path] - 1))
    if answer.read(1):
        raise Wrong("more bytes than there are")


def _ask_ranges(connection: http.client.HTTPConnection, target: Target, question: Question) -> None:
    windows = question.windows()
    value = "bytes=" + ",".join(f"{first_pos}-{last_pos}" for first_pos, last_pos in windows)
    connection.request("GET", question.path, headers={"Range": value})
    answer = connection.getresponse()
    _check_status(answer, windows)
    _check_validators(answer, target, question.path)
    if len(windows) == 1:
        _check_single(answer, question.path, windows[0])
    else:
        _check_multipart(answer, question.path, windows)


def _hang_up(connection: http.client.HTTPConnection) -> None:
    """Close the connection at once, so that the server does not go on sending a whole file."""
    if connection.sock is not None:
        connection.sock.shutdown(socket.SHUT_RDWR)
    connection.close()


def _check_status(answer: http.client.HTTPResponse, windows: Sequence[Window]) -> None:
    number = "one range" if len(windows) == 1 else f"{len(windows)} ranges"
    if answer.status == 200:
        raise Wrong(f"200 to {number}: the whole")
    if answer.status != 206:
        raise Wrong(f"{answer.status} to {number}")
    if answer.getheader("Content-Length", "").count(","):
        raise Wrong("two Content-Length fields")


def _check_validators(answer: http.client.HTTPResponse, target: Target, path: str) -> None:
    """Require the target's validators, so that targets that are compared directly do the same work."""
    if target.kind == "peer":
        return
    for name in _VALIDATORS.get(path, target.validators):
        if answer.getheader(name) is None:
            raise Wrong(f"no {name}")
    if path in data.FILES and "Last-Modified" not in target.validators and answer.getheader("Last-Modified"):
        raise Wrong("Last-Modified, although the app sends none")


# --- one range ---

def _check_single(answer: http.client.HTTPResponse, path: str, window: Window) -> None:
    _check_content_range(answer.getheader("Content-Range"), path, window)
    _check_content(answer, path, window)
    if answer.read(1):
        raise Wrong("more bytes than asked for")


def _check_content_range(value: str | None, path: str, window: Window) -> None:
    if value != f"bytes {window[0]}-{window[1]}/{data.LENGTHS[path]}":
        raise Wrong(f"Content-Range: {value}")


def _check_content(answer: http.client.HTTPResponse, path: str, window: Window) -> None:
    """Read the bytes of the window and compare them, or samples of them."""
    for sample in _samples(*window):
        if isinstance(sample, int):
            _skip(answer, sample)
            continue
        content = answer.read(sample[1] - sample[0] + 1)
        if content != data.expected(path, *sample):
            raise Wrong("wrong bytes" if len(content) == sample[1] - sample[0] + 1 else "ended early")


def _samples(first_pos: int, last_pos: int) -> Iterator[Window | int]:
    """Yield windows to compare, and between them the numbers of bytes to skip."""
    left = last_pos - first_pos + 1
    while left > _STRIDE:
        yield first_pos, first_pos + _SAMPLE - 1
        yield _STRIDE - _SAMPLE
        first_pos += _STRIDE
        left -= _STRIDE
    yield first_pos, last_pos


def _skip(answer: http.client.HTTPResponse, count: int) -> None:
    while count:
        block = answer.read(min(count, _MIB))
        if not block:
            raise Wrong("ended early")
        count -= len(block)


# --- several ranges ---

def _check_multipart(answer: http.client.HTTPResponse, path: str, windows: Sequence[Window]) -> None:
    content_type = answer.getheader("Content-Type", "")
    if not content_type.startswith("multipart/byteranges"):
        raise Wrong("only the first range, as a plain 206")
    length = sum(last_pos - first_pos + 1 for first_pos, last_pos in windows)
    if length > 64 * _MIB:
        _check_large(answer, content_type, path, windows)
    else:
        _check_small(answer.read(), content_type, path, windows)


def _check_small(body: bytes, content_type: str, path: str, windows: Sequence[Window]) -> None:
    message = email.message_from_bytes(f"Content-Type: {content_type}\r\n\r\n".encode() + body)
    parts = [part for part in message.walk() if part is not message]
    if len(parts) != len(windows):
        raise Wrong(f"{len(parts)} parts for {len(windows)} ranges")
    for part, window in zip(parts, windows, strict=True):
        _check_content_range(part["Content-Range"], path, window)
        content = part.get_payload(decode=True)
        if content != data.expected(path, *window):
            raise Wrong("wrong bytes")


def _check_large(answer: http.client.HTTPResponse, content_type: str, path: str, windows: Sequence[Window]) -> None:
    """Check a large multipart body as it arrives, without keeping it. ``email`` parses only the part headers."""
    boundary = email.message_from_string(f"Content-Type: {content_type}\r\n\r\n").get_boundary("")
    delimiter = b"--" + boundary.encode()
    for window in windows:
        _check_content_range(_part_head(answer, delimiter)["Content-Range"], path, window)
        _check_content(answer, path, window)
    if answer.read().strip() != delimiter + b"--":
        raise Wrong("no end after the last part")


def _part_head(answer: http.client.HTTPResponse, delimiter: bytes) -> email.message.Message:
    """Read the headers of the next part. Its delimiter may be preceded by the line end after content."""
    line = answer.readline()
    if not line.strip():
        line = answer.readline()
    if line.rstrip() != delimiter:
        raise Wrong("no delimiter before a part")
    head = b""
    while line.strip():  # up to the empty line or the end of the body
        line = answer.readline()
        head += line
    return email.message_from_bytes(head)
