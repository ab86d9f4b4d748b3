"""Whatever servers answer, there is a report: nothing that is put together of odd pieces raises, or shows odd signs."""

from __future__ import annotations

import random

import pytest

from rangeware.check.cli.display import make_lines
from tests.check import site
from tests.check.site import Reply

STATUSES = (0, 100, 200, 200, 206, 206, 206, 204, 302, 304, 400, 404, 412, 416, 429, 500, 999)
VALUES = {
    "content-length": ("", "0", "5", "-1", "9" * 30, "x", "5, 6"),
    "content-range": ("", "bytes 0-1/5", "bytes 0-1/*", "bytes */5", "bytes 5-1/9", "bytes 0-" + "9" * 30 + "/9", "x"),
    "content-type": ("", "text/plain", "multipart/byteranges", "multipart/byteranges; boundary=B",
                     'multipart/byteranges; boundary=""'),
    "etag": ("", '"a"', 'W/"a"', "a", '"\xff"', '"\n"', "W/"),
    "last-modified": ("", site.MODIFIED, site.DATE, "x", "Sun, 06 Nov 9999 08:49:37 GMT"),
    "date": ("", site.DATE, "Fri, 31 Feb 1994 25:00:00 GMT"),
    "transfer-encoding": ("", "chunked", "gzip, chunked", "x"),
    "content-encoding": ("", "gzip", "identity", "\x1b[2J"),
    "accept-ranges": ("", "bytes", "none", "bytes, none", "\xff"),
}
CONTENTS = (b"", b"a", b"hello", b"\r\n--B\r\nContent-Range: bytes 0-0/5\r\n\r\nh\r\n--B--\r\n", b"--B\r\n\r\n" * 50,
            b"\n--B")


@pytest.mark.parametrize("seed", [
    *range(20), *(pytest.param(seed, marks=pytest.mark.grid) for seed in range(20, 150))])
def test_there_is_a_report(seed):
    source = random.Random(seed)

    def spoil(probe, reply):
        if source.random() < 0.3:
            return reply
        status = 200 if probe.name == "whole" else source.choice(STATUSES)
        fields = {name: source.choice(values) for name, values in VALUES.items() if source.random() < 0.6}
        failure = source.choice(("", "", "", "cut")) if status else "cut"
        return Reply(status, fields, source.choice(CONTENTS), failure)

    report = site.report(spoil)
    assert max(len("".join(text for text, _ in line)) for line in make_lines(report, 40)) <= 40
    assert report.verdict in ("good", "limited", "broken")
    texts = [each.detail for each in (*report.findings, *report.clients)] + [*report.advice, report.summary]
    assert all(text.isascii() and text.isprintable() and text.endswith((".", "200")) for text in texts)
