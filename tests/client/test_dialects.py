"""Odd ways to say 200, 206 and 416, and what they mean: as a table, by their framing."""

from __future__ import annotations

import pytest

from rangeware.client.planning.assessment import RangeRequest
from rangeware.client.planning.dialects import translate
from rangeware.client.planning.response_head import FileVersion, ResponseHead
from rangeware.http.etags import EntityTag

FIRST = RangeRequest("http://h/f")
PLAIN = FIRST._replace(ranged=False)
RESUME = RangeRequest("http://h/f", 400, 500, None, '"a"')
MIDDLE = RESUME._replace(last_pos=799)
KNOWN = FileVersion(EntityTag("a"), None, False, 1000, None)
WEAK = KNOWN._replace(etag=EntityTag("a", weak=True))


def head(status: int, content_range: str | None = None, length: int | None = None, **fields: str) -> ResponseHead:
    told = {"content-range": content_range, "content-length": None if length is None else str(length), "etag": '"a"'}
    told.update({name.replace("_", "-"): value for name, value in fields.items()})
    return ResponseHead(status, {name: value for name, value in told.items() if value is not None})


SAME = None
TABLE = [  # request, known, response, status and Content-Range that it means, why
    (RESUME, KNOWN, head(206, "bytes 400-999/1000", 600), SAME, "as it should be"),
    (RESUME, KNOWN, head(404), SAME, "another status"),
    (RESUME, KNOWN, head(416, "bytes */1000"), SAME, "a 416"),
    (FIRST, None, head(203, length=1000), (200, None), "203"),
    (RESUME, KNOWN, head(203, "bytes 400-999/1000", 600), (206, "bytes 400-999/1000"), "203 with a slice"),
    (RESUME, KNOWN, head(206, "bytes 1000-999/1000", 0), (416, "bytes */1000"), "end of file as N-(N-1)"),
    (RESUME, KNOWN, head(206, "bytes 1000-999/*"), (416, None), "N-(N-1) of unknown length"),
    (RESUME, KNOWN, head(206, "bytes 1000-999/1000", None, transfer_encoding="chunked"), (416, "bytes */1000"),
     "N-(N-1), chunked"),
    (RESUME, KNOWN, head(206, None, 0), (416, None), "an empty 206"),
    (FIRST, None, head(206, "bytes 0--1/0", 0), (416, "bytes */0"), "an empty file"),
    (FIRST, None, head(206, "bytes 0-/0", None), (416, "bytes */0"), "an empty file, without last position"),
    (RESUME, KNOWN, head(206, "bytes 500-400/1000", 600), SAME, "last before first: malformed"),
    *((RESUME, KNOWN, head(206, spelled, 600), (206, "bytes 400-999/1000"), spelled) for spelled in (
        "bytes=400-999/1000", "bytes: 400-999/1000", "400-999/1000", "bytes 400 - 999 / 1000", "Bytes:400-999/1000")),
    (RESUME, KNOWN, head(206, "bytes 400-999", 600), (206, "bytes 400-999/*"), "no complete length"),
    *((RESUME, KNOWN, head(206, spelled, 600), SAME, spelled) for spelled in (
        "items 400-999/1000", "bytes 400-999/", "bytes 999-400/1000", "bytes 400-1000/1000", "bytes 4 00-999/1000",
        "bytes=400-999,1200-/2000", "bytes -400-999/1000", "bytes 400-999/1000 x")),
    (RESUME, KNOWN, head(416, "bytes=*/1000"), SAME, "a 416 in another spelling"),
    (RESUME, KNOWN, head(200, "bytes 400-999/1000", 600), (206, "bytes 400-999/1000"), "200 with the slice"),
    (RESUME, KNOWN, head(200, "bytes 400-999/1000", None, transfer_encoding="chunked"), (206, "bytes 400-999/1000"),
     "200 with the slice, chunked"),
    (PLAIN, None, head(200, "bytes 400-999/1000", 600), SAME, "200 with a slice that nobody asked for"),
    (RESUME, KNOWN, head(200, "bytes 400-999/1000", 1000), (200, None), "Content-Length says: the whole"),
    (RESUME, KNOWN, head(200, "bytes 0-999/1000", 1000), (200, None), "the whole, with Content-Range"),
    (RESUME, KNOWN, head(200, "bytes 0-999/1000"), (200, None), "the whole, with Content-Range, without length"),
    (RESUME, KNOWN, head(200, "bytes 400-999/1000", 599), SAME, "a length that fits neither"),
    (RESUME, KNOWN, head(200, "bytes 400-999/1000", None, transfer_encoding="x"), SAME, "no clear end"),
    (RESUME, KNOWN, head(200, "bytes 400-999/*", 600), (206, "bytes 400-999/*"), "the slice, of unknown length"),
    (RESUME, KNOWN, head(200, "nonsense", 1000), (200, None), "nonsense, and as long as the file"),
    (RESUME, KNOWN, head(200, "nonsense", 600), SAME, "nonsense, and shorter"),
    (RESUME, KNOWN, head(200, "bytes */1000", 600), SAME, "no range, and shorter"),
    (FIRST, None, head(200, "nonsense", 1000), SAME, "nonsense at first: whole or not?"),
    (PLAIN, None, head(200, "nonsense", 1000), (200, None), "nonsense, where no range was asked for"),
    (RESUME, KNOWN, head(200, None, 600), (206, "bytes 400-999/1000"), "a bare slice with the strong tag"),
    (MIDDLE, KNOWN, head(200, None, 400), (206, "bytes 400-799/1000"), "a bare slice from the middle"),
    (RESUME, KNOWN, head(200, None, 600, etag='"b"'), (206, "bytes 400-999/1000"), "a bare slice with another tag"),
    (RESUME, WEAK, head(200, None, 600, etag='W/"a"'), (206, "bytes 400-999/1000"), "a bare slice with a weak tag"),
    (RESUME, KNOWN, head(200, None, 500), SAME, "another length"),
    (RESUME, KNOWN._replace(complete_length=None), head(200, None, 600), SAME, "the length is not known"),
    (FIRST, KNOWN, head(200, None, 1000), SAME, "the whole"),
    (PLAIN, None, head(200, None, 600), SAME, "a plain answer"),
]


@pytest.mark.parametrize(("request_", "known", "response", "meant"), [
    pytest.param(*row[:4], id=row[4]) for row in TABLE])
def test_translation(request_, known, response, meant):
    found = translate(request_, known, response)
    if meant is SAME:
        assert found == response
    else:
        assert (found.status, found.fields.get("content-range")) == meant
        rest = [{name: value for name, value in each.fields.items() if name != "content-range"}
                for each in (found, response)]
        assert rest[0] == rest[1]
