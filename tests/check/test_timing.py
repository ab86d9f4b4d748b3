"""How long responses take, and what is said about it: never that a server is broken."""

from __future__ import annotations

import time

import pytest

from rangeware import RangeMiddleware
from rangeware.check import check, timing
from rangeware.check.timing import judge_speed
from tests.check import servers
from tests.check.site import ask_all


def with_times(waited: float, took: float | None = None, length: int | None = None, **changed):
    """All answers with these times; ``length``: bytes that came by then, of more."""
    made = {}
    for name, answer in ask_all().items():
        answer = answer._replace(waited=waited, took=waited if took is None else took)
        if length is not None:
            answer = answer._replace(content=answer.content[:length], is_slow=True, is_complete=False)
        made[name] = answer._replace(**changed)
    return made


LIVE = ask_all(lambda _, reply: reply.put(content_length=None))["whole"]._replace(
    is_slow=True, is_complete=False, waited=0.1, took=5.1, content=b"x")


@pytest.mark.parametrize(("answers", "status", "words"), [
    pytest.param(with_times(0.02), "good", "20 ms until the first byte of a response, the median of 21.", id="quick"),
    pytest.param(with_times(0.9), "good", "900 ms", id="less than a second"),
    pytest.param(with_times(3.0), "limited", "3.0 s until the first byte of a response", id="seconds"),
    pytest.param({**with_times(0.02), "middle": with_times(9.0)["middle"]}, "good", "20 ms", id="one of many is slow"),
    pytest.param(with_times(0.1, 5.1, 500), "limited", "Only 500 of 200000 bytes came within 5.1 s", id="trickles"),
    pytest.param(with_times(0.1, 15.1, 100_000), "limited", "came within 15.1 s", id="stalls in the midst"),
    pytest.param({"whole": with_times(0.1, 5.1, 163_840)["whole"]}, "good", "100 ms", id="as fast as music needs"),
    pytest.param({"whole": with_times(0.1, 5.1, 163_839)["whole"]}, "limited", "Only 163839", id="less than that"),
    pytest.param({"whole": LIVE}, "good", "100 ms", id="without a length it may be live"),
    pytest.param({**with_times(2.0), "middle": with_times(2.0, 2.5, 500, is_conclusive=False)["middle"]}, "limited",
                 "2.0 s", id="slow, and the last one was hurried"),
    pytest.param(with_times(0.1, 0.5, 500, is_conclusive=False), "unknown", "21 of 21 responses", id="hurried"),
])
def test_speed(answers, status, words):
    verdict = judge_speed(answers)
    assert (verdict.status, words in verdict.detail) == (status, True), verdict.detail


def test_what_got_no_response_has_no_time():
    answers = with_times(2.0)
    answers = {name: answer if name == "whole" else answer._replace(head=None) for name, answer in answers.items()}
    assert judge_speed(answers).detail.startswith("2.0 s until the first byte of a response, the median of 1:")


def test_a_server_that_takes_its_time_for_each_response_is_slow_and_not_broken(monkeypatch):
    """The wait of the real server is short, and what counts as long is shorter: no test is to take a minute."""
    def app(environ, start_response):
        time.sleep(0.1)
        start_response("200 OK", [("Content-Length", "5"), ("ETag", '"a"')])
        return [b"hello"]

    monkeypatch.setattr(timing, "_LONG_WAIT", 0.1)
    with servers.wsgi(RangeMiddleware(app)) as url:
        report = check(url)
    assert [each.name for each in report.findings if each.status != "good"] == ["speed"]
    assert report.verdict == "limited"
    assert "before the first byte" in report.advice[0]
