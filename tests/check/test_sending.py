"""Requests and hostile servers: whatever they do, there is a report or a clear error, within bounds."""

from __future__ import annotations

import threading
import time
import tracemalloc

import pytest
import urllib3

import rangeware.check
from rangeware.check import InvalidOption, NetworkError, Report, check, sending
from rangeware.check.sending import Sender
from rangeware.check.values import Probe
from rangeware.client.io.transport import parse_address
from rangeware.client.options import TransferOptions
from tests.client.fault_server import Call, FaultServer, Version, page
from tests.client.tls import Authority


@pytest.fixture
def server():
    with FaultServer() as server:
        yield server


def test_a_report(server):
    report = check(server.url)
    assert isinstance(report, Report)
    assert (report.url, report.verdict) == (server.url, "limited")
    assert report.requests == len(server.requests) == 21
    assert 0 < report.bytes <= 2 << 20
    assert report.finding("one_range").status == "good"
    assert report.finding("nothing") is None


def test_each_request_has_a_connection_of_its_own_and_one_is_open_at_a_time():
    most = 0

    def act(call: Call) -> None:
        nonlocal most
        until = time.monotonic() + 5
        while call.server.open_connections > 1 and time.monotonic() < until:
            time.sleep(0.001)  # one that was closed may not be noticed yet
        most = max(most, call.server.open_connections)
        call.send(call.reply)

    with FaultServer(act) as server:
        check(server.url)
        assert server.connections == len(server.requests)
        assert most == 1
        assert {request.field("connection") for request in server.requests} == {"close"}


def test_a_large_file_is_not_read(server):
    server.change(Version.make(2, 40 << 20))
    report = check(server.url)
    assert report.bytes <= 3 << 20
    assert report.finding("one_range").status == "good"


def test_bytes_are_bounded(server):
    sender = Sender(parse_address(server.url), TransferOptions(), 20, 100)
    answers = [sender.send(Probe("x", "GET", {}, 1 << 20)) for _ in range(12)]
    assert sum(len(answer.content) for answer in answers) == sender.received == 100
    assert [answer.is_conclusive for answer in answers] == [True] * 9 + [False] * 3
    assert answers[-1].failure == "not asked, since no bytes were left"
    assert sender.requests == 9


def test_few_bytes_will_do_for_a_good_server(server):
    report = check(server.url, max_bytes=65_536)
    assert (report.verdict, report.bytes <= 65_536) == ("limited", True)
    assert not [finding.name for finding in report.findings if finding.status == "unknown"]


def test_redirects_are_followed_and_told(server):
    def act(call: Call) -> None:
        if call.request.target == "/file.bin":
            call.send(page(302, ("Location", "/other.bin")))
        else:
            call.send(call.reply)

    server.behave_as(act)
    report = check(server.url)
    assert "After 1 redirect, at" in report.finding("url").detail
    assert sum(request.target == "/file.bin" for request in server.requests) == 1
    assert report.url == server.url


@pytest.mark.parametrize(("location", "words"), [
    ("/file.bin", "more than 10 redirects"), ("file:///etc/passwd", "not an http or https URL"), ("", "more than"),
])
def test_redirects_that_lead_nowhere(server, location, words):
    server.behave_as(lambda call: call.send(page(302, ("Location", location))))
    with pytest.raises(NetworkError, match=words):
        check(server.url)
    assert len(server.requests) in (1, 11)  # and not once more


@pytest.mark.parametrize(("url", "words"), [
    ("ftp://host/x", "not an http"), ("http://[::1", "not a URL"), ("", "not an http"),
    (5, "url must be text, not int"), (None, "url must be text, not NoneType"), (["http://h/"], "not list"),
    (b"http://ann:secret@h/", "url must be text, not bytes$"),
])
def test_what_is_no_url_is_refused(url, words):
    with pytest.raises(InvalidOption, match=words):
        check(url)


@pytest.mark.parametrize(("url", "words"), [
    ("http://127.0.0.1:1/", "cannot connect"),
    ("http://no.such.host.invalid/", "no host with this name|cannot connect"),
])
def test_nothing_can_be_said(url, words):
    with pytest.raises(NetworkError, match=words):
        check(url, timeout=10)


@pytest.mark.parametrize(("options", "words"), [
    ({"max_bytes": 65_535}, "max_bytes"), ({"timeout": 0}, "timeout"), ({"timeout": "x"}, "timeout"),
    ({"headers": {"If-Range": "x"}}, "If-Range"), ({"headers": {"A": "b\r\nc"}}, "one line"),
    ({"cacert": "/no"}, "cacert"),
])
def test_options_are_checked(options, words):
    with pytest.raises(InvalidOption, match=words):
        check("https://127.0.0.1/", **options)


def test_the_caller_s_pool_and_trace(server):
    lines = []
    pool = urllib3.PoolManager()
    report = check(server.url, pool=pool, trace=lines.append, headers={"X-A": "1"})
    assert report.finding("one_range").status == "good"
    assert len(lines) == 2 * report.requests
    assert {request.field("x-a") for request in server.requests} == {"1"}
    pool.clear()


def test_certificates(tmp_path):
    authority = Authority(tmp_path)
    with FaultServer(tls=authority.context()) as server:
        with pytest.raises(NetworkError, match="not trusted"):
            check(server.url)
        assert check(server.url, cacert=authority.path).finding("one_range").status == "good"
        assert check(server.url, insecure=True).finding("one_range").status == "good"


def test_a_server_that_does_not_answer(server):
    server.behave_as(lambda call: call.line.stall())
    begun = time.monotonic()
    with pytest.raises(NetworkError, match="it took longer than|nothing|in time"):
        check(server.url, timeout=0.8)
    assert time.monotonic() - begun < 4


def test_a_head_without_end(server):
    def act(call: Call) -> None:
        call.line.send(b"HTTP/1.1 200 OK\r\n")
        while not call.server.closing.wait(0.02):
            call.line.send(b"X-More: and more\r\n")

    server.behave_as(act)
    begun = time.monotonic()
    with pytest.raises(NetworkError):
        check(server.url, timeout=0.8)
    assert time.monotonic() - begun < 5


def test_a_head_that_drips(server):
    """It is HTTP, although what has come of it by then does not look so."""
    server.behave_as(lambda call: call.line.send_slowly(call.reply.head(), 1, 0.3))
    with pytest.raises(NetworkError, match="it took longer than 0.[89] seconds .a longer timeout may help"):
        check(server.url, timeout=0.8)


def test_content_that_drips(server):
    """A byte at a time after those that come with the head: the check ends in time, and says what it did not see."""
    def act(call: Call) -> None:
        content = call.reply.content if call.request.method != "HEAD" else b""
        call.line.send(call.reply.head() + content[:100])
        call.line.send_slowly(content[100:], 1, 0.05)

    server.behave_as(act)
    begun = time.monotonic()
    report = check(server.url, timeout=1.2)
    assert time.monotonic() - begun < 5
    assert report.finding("several").status == "unknown"
    assert "only" in report.finding("from_start").detail


@pytest.fixture(params=["unknown", "broken"])
def verdict(request, monkeypatch):
    """The verdict on what does not come: broken only if we have waited for as long as a server may take."""
    if request.param == "broken":
        monkeypatch.setattr(sending, "_FAIR", 0.3)
    return request.param


def test_content_has_some_seconds_from_its_first_byte_on(server, monkeypatch):
    """The rest of the time is for other requests, and the server is slow: that is no want of time."""
    monkeypatch.setattr(sending, "_FOR_THE_CONTENT", 0.3)

    def act(call: Call) -> None:
        call.line.send(call.reply.head())
        call.line.send_slowly(call.reply.content, 1, 0.05)

    server.behave_as(act)
    answer = Sender(parse_address(server.url), TransferOptions(), 40, 1 << 20).send(Probe("x", "GET", {}, 1 << 16))
    assert (answer.is_slow, answer.is_conclusive, answer.failure, answer.is_complete) == (True, True, "", False)
    assert 0 < len(answer.content) < 50
    assert answer.took < 5


def test_a_server_that_stops_in_the_midst(server, verdict):
    """What does not come because our time is over is not held against the server."""
    def act(call: Call) -> None:
        if call.number < 3:
            call.send(call.reply)
        else:
            call.line.stall()

    server.behave_as(act)
    report = check(server.url, timeout=2.6)
    assert report.finding("from_start").status == verdict
    assert report.finding("one_range").status in ("unknown", verdict)
    assert sum(request.field("range") == "bytes=0-" for request in server.requests) == 1, "hangs, asked once more"
    assert report.finding("several").detail == "No response: not asked, since no time was left."


def test_a_server_that_sends_nothing_after_the_head(server, verdict):
    def act(call: Call) -> None:
        call.line.send(call.reply.head())
        if call.request.field("range") == "bytes=0-1":
            call.line.stall()
        else:
            call.line.send_slowly(call.reply.content)

    server.behave_as(act)
    report = check(server.url, timeout=2)
    assert "no content came within 0.5 seconds" in report.finding("first_two").detail
    assert report.finding("first_two").status == verdict


@pytest.mark.parametrize("timeout", [0.3, 0.8, 1.5])
@pytest.mark.parametrize("slow", [
    lambda call: (time.sleep(0.25), call.send(call.reply)),
    lambda call: (call.line.send(call.reply.head()), time.sleep(0.25), call.send_content()),
    lambda call: (call.line.send(call.reply.head()), call.send_content(2, 0.05)),
    lambda call: (call.line.send(call.reply.head()), call.send_content(500, 0.05)),
    lambda call: (time.sleep(1.0 * bool(call.number)), call.send(call.reply)),
    lambda call: (call.line.send(call.reply.head()), time.sleep(1.0 * bool(call.number)), call.send_content()),
], ids=["response", "content", "drips", "trickles", "all but the first", "content of all but the first"])
def test_a_server_that_is_only_slow_is_never_broken(server, slow, timeout, monkeypatch):
    def send_content(self: Call, block: int = 1 << 16, pause: float = 0.0) -> None:
        if self.request.method != "HEAD":
            self.line.send_slowly(self.reply.content, block, pause)

    monkeypatch.setattr(Call, "send_content", send_content, raising=False)
    server.behave_as(slow)
    said = ""
    try:
        report = check(server.url, timeout=timeout)
    except NetworkError as exc:
        said = str(exc)
    if said:
        assert said.endswith("(a longer timeout may help)")
    else:
        assert [(each.name, each.detail) for each in report.findings if each.status == "broken"] == []
        assert "unknown" in {each.status for each in report.findings}


def test_a_304_has_no_content_whatever_its_head_says(server):
    """RFC 9112 6.1 allows a Transfer-Encoding in a 304, which ends with its head all the same (6.3)."""
    def act(call: Call) -> None:
        if call.request.field("if-none-match"):
            call.line.send(b"HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n")
        else:
            call.send(call.reply)

    server.behave_as(act)
    assert check(server.url).finding("revalidated").status == "good"


@pytest.mark.parametrize("seconds", [0.5, 2.0])
def test_late_content_is_late_even_if_its_head_comes_at_once(server, seconds):
    """A server that sends the head at once, and then reads all that lies before: longer than we wait, perhaps."""
    def act(call: Call) -> None:
        call.line.send(call.reply.head())
        if call.request.first_pos and call.request.first_pos > 500_000:
            time.sleep(seconds)
        call.line.send(call.reply.content if call.request.method != "HEAD" else b"")

    server.behave_as(act)
    assert check(server.url, timeout=4).finding("late").status == "limited"


def test_endless_content_of_no_length_is_bounded(server):
    def act(call: Call) -> None:
        call.line.send(b"HTTP/1.1 206 Partial Content\r\nContent-Type: multipart/byteranges; boundary=B\r\n\r\n")
        while not call.server.closing.is_set():
            call.line.send(b"\r\n--B\r\nContent-Range: bytes 0-0/9\r\n\r\nx" * 1000)

    server.behave_as(act)
    tracemalloc.start()
    report = check(server.url, timeout=10)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert report.verdict == "broken"
    assert report.bytes <= 8 << 20
    assert peak < 32 << 20


def test_a_chunk_size_without_end(server):
    def act(call: Call) -> None:
        call.line.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;")
        while not call.server.closing.is_set():
            call.line.send(b"x" * 100_000)

    server.behave_as(act)
    assert check(server.url, timeout=5).finding("length").status == "broken"


def test_one_refused_connection_is_forgiven(server):
    def act(call: Call) -> None:
        if call.number in (0, 5):
            call.line.reset()
        else:
            call.send(call.reply)

    server.behave_as(act)
    assert check(server.url).finding("one_range").status == "good"


def test_a_server_that_goes_away(server):
    """After the first answer, it refuses all connections."""
    def act(call: Call) -> None:
        if call.number == 0:
            call.send(call.reply)
        else:
            call.line.reset()

    server.behave_as(act)
    report = check(server.url, timeout=1)
    assert report.verdict == "broken"
    assert report.finding("first_two").detail.startswith("No response: ")


def test_names_that_need_urllib3_are_loaded_late():
    assert callable(rangeware.check.check)
    with pytest.raises(AttributeError, match="nothing"):
        _ = rangeware.check.nothing


def test_checks_can_run_side_by_side(server):
    reports = []
    threads = [threading.Thread(target=lambda: reports.append(check(server.url))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [report.verdict for report in reports] == ["limited"] * 4
