"""What players and programs ask of a server, and what this one answers: measured, with and without rangeware.

The requests go to this server over the network, as those of a client do. Each answer is read only as far as needed.
"""

from __future__ import annotations

import contextlib
import http.client
import re
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from .feed import FILES, PLAIN, UNSEEN
from .inspector import Address, NoAnswer
from .samples import Sample

GENERATED, STORED = "stream.mp4", "big.bin"
_TIMEOUT = 15.0
_MAX_CONTENT = 64 * 1024
_KIB = 1024
_NOTABLE = 2.0  # times as long

_one_at_a_time = threading.Lock()  # so that two readers of the page do not slow each other's figures


class Answer(NamedTuple):
    """An answer: its head, the first bytes of its content, and the seconds until the first of them."""

    status: int
    fields: http.client.HTTPMessage
    content: bytes
    seconds: float

    @property
    def length(self) -> int:
        """The length of the content, as declared."""
        return int(self.fields.get("Content-Length", "0"))

    def is_range(self, first_pos: int, last_pos: int) -> bool:
        """True if it is a 206 with exactly this range."""
        field = self.fields.get("Content-Range", "")
        length = last_pos - first_pos + 1
        return self.status == 206 and field.startswith(f"bytes {first_pos}-{last_pos}/") and self.length == length


class Cell(NamedTuple):
    """One side of a row, in words."""

    good: bool
    words: str


def measure(address: Address, samples: Mapping[str, Sample], in_words: Callable[[int], str]) -> list[dict[str, Any]]:
    """Return the groups of rows, ready for JSON; each row has a cell with rangeware, and one without.

    :raises NoAnswer: if the demo does not respond.
    """
    with _one_at_a_time:
        made = _Table(address, in_words)
        return [
            {"view": samples[GENERATED].served_by, "name": GENERATED, "rows": [
                made.probe(samples[GENERATED]), made.resume(samples[GENERATED]), made.several(samples[GENERATED])]},
            {"view": samples[STORED].served_by, "name": STORED, "rows": [
                made.probe(samples[STORED]), made.several(samples[STORED]), made.last_kib(samples[STORED])]},
        ]


class _Table:
    def __init__(self, address: Address, in_words: Callable[[int], str]) -> None:
        self._address = address
        self._in_words = in_words

    def probe(self, sample: Sample) -> dict[str, Any]:
        """Ask for two bytes, as Safari does before it plays a film."""
        def judge(answer: Answer) -> Cell:
            if answer.is_range(0, 1):
                return Cell(True, "206, 2 bytes: Safari plays")
            return Cell(False, f"{self._whole(answer)}: Safari refuses")

        return self._row("Safari’s probe", sample, {"Range": "bytes=0-1"}, judge)

    def resume(self, sample: Sample) -> dict[str, Any]:
        """Ask for the second half, if the file is still the one of the first half."""
        half, last = sample.complete_length // 2, sample.complete_length - 1

        def judge(answer: Answer) -> Cell:
            if answer.is_range(half, last):
                return Cell(True, f"206, the missing {self._in_words(answer.length)}")
            return Cell(False, f"{self._whole(answer)} again")

        etag = self._ask("", sample, "HEAD", {}).fields.get("ETag", "")
        return self._row("A download resumes", sample, {"Range": f"bytes={half}-", "If-Range": etag}, judge)

    def several(self, sample: Sample) -> dict[str, Any]:
        """Ask for three ranges at once."""
        return self._row("Several ranges at once", sample, {"Range": "bytes=0-99,1000-1099,-100"}, self._judge_parts)

    def _judge_parts(self, answer: Answer) -> Cell:
        parts = len(re.findall(rb"^content-range: bytes ", answer.content, re.IGNORECASE | re.MULTILINE))
        is_multipart = answer.fields.get_content_type() == "multipart/byteranges"
        if answer.status == 206 and is_multipart and parts == 3:
            return Cell(True, f"206, {parts} parts, {answer.length} bytes")
        return Cell(False, self._whole(answer))

    def last_kib(self, sample: Sample) -> dict[str, Any]:
        """Ask for the last 1,024 bytes, and take the time until the first of them."""
        fields = {"Range": f"bytes={sample.complete_length - _KIB}-"}
        answers = [self._ask(mount, sample, "GET", fields) for mount in ("", PLAIN)]
        best = min(answer.seconds for answer in answers)
        cells = [_judge_time(answer.seconds, best) if answer.status == 206 else Cell(False, self._whole(answer))
                 for answer in answers]
        return _as_row(f"Last KiB of {self._in_words(sample.complete_length)}", fields, cells)

    def _whole(self, answer: Answer) -> str:
        if answer.status == 200:
            return f"200, all {self._in_words(answer.length)}"
        return f"{answer.status}, no bytes of the file" if answer.status >= 300 else f"{answer.status}"

    def _row(self, title: str, sample: Sample, fields: dict[str, str],
             judge: Callable[[Answer], Cell]) -> dict[str, Any]:
        return _as_row(title, fields, [judge(self._ask(mount, sample, "GET", fields)) for mount in ("", PLAIN)])

    def _ask(self, mount: str, sample: Sample, method: str, fields: dict[str, str]) -> Answer:
        """Send a request on a connection of its own.

        :raises NoAnswer: if there is no response, or it is not HTTP.
        """
        own = {"X-Demo-Request": f"{UNSEEN}{secrets.token_hex(4)}", "Connection": "close"}
        try:
            with contextlib.closing(http.client.HTTPConnection(*self._address, timeout=_TIMEOUT)) as connection:
                connection.connect()
                begun = time.perf_counter()
                connection.request(method, f"{mount}{FILES}{sample.name}", headers={**fields, **own})
                answer = connection.getresponse()
                first = answer.read(1)
                seconds = time.perf_counter() - begun
                return Answer(answer.status, answer.headers, first + answer.read(_MAX_CONTENT), seconds)
        except (OSError, http.client.HTTPException) as exc:
            raise NoAnswer("The demo did not respond to its own request. Is it still running?") from exc


def _judge_time(own: float, best: float) -> Cell:
    if own < best * _NOTABLE:
        return Cell(True, f"{_in_ms(own)} ms")
    return Cell(False, f"{_in_ms(own)} ms, {own / best:,.0f} times as long")


def _in_ms(seconds: float) -> str:
    return f"{seconds * 1000:,.1f}" if seconds < 0.01 else f"{seconds * 1000:,.0f}"


def _as_row(title: str, fields: dict[str, str], cells: list[Cell]) -> dict[str, Any]:
    asked = [f"{name}: {value}" for name, value in fields.items()]
    return {"title": title, "asked": asked, "rangeware": cells[0]._asdict(), "plain": cells[1]._asdict()}
