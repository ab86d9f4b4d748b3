"""The demo without a browser: its sample data, its feed, its inspector's checks, its two mounts, its command."""

import contextlib
import hashlib
import html
import http.client
import io
import itertools
import json
import re
import shlex
import subprocess
import sys
import threading
import time
import wave
import zipfile
from pathlib import Path

import pytest
from werkzeug.test import Client

import demo_flask
from demo_flask import create_site, in_words, preview, samples
from demo_flask.__main__ import near, own_command, port_number, read_arguments
from demo_flask.feed import Feed, Record, Sent, resolve
from demo_flask.inspector import MAX_FIELD_LENGTH, host_and_port
from demo_flask.measure import Answer, _judge_time, _Table
from demo_flask.slowline import BYTES_PER_SECOND, SlowLine, _Paced
from rangeware import ByteRange, Plan, Reason
from tests.browser.demo import ROOT, free_port, running_demo, start, stop

NAMES = ("stream.mp4", "clock.mp4", "tones.wav", "big.bin", "lines.txt", "generated.txt", "archive.zip")
GENERATED_LENGTH = 65_536 * 32


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    return tmp_path_factory.mktemp("instance")


@pytest.fixture(scope="module")
def made(directory):
    return samples.prepare(directory)


@pytest.fixture
def client(made, directory):
    return Client(create_site(("127.0.0.1", 1), made, directory))


def events(client, after=0):
    return client.get(f"/events?after={after}").json["events"]


# --- Sample data ------------------------------------------------------------------------------------------------------

def test_all_samples_are_there_with_their_complete_length(client, made):
    assert tuple(made) == NAMES
    for name, sample in made.items():
        with client.head(f"/files/{name}") as answer:
            assert (answer.status_code, answer.content_length) == (200, sample.complete_length)
            assert answer.headers["ETag"]


def test_each_line_names_the_byte_it_stands_at(made, directory):
    content = (directory / "lines.txt").read_bytes()
    for first_pos in (0, 32, 320, 639_968):
        words = f"line {first_pos // 32 + 1}, byte {first_pos}".encode().split()
        assert content[first_pos:first_pos + 32].split() == words
        assert content[first_pos + 31:first_pos + 32] == b"\n"
    assert len(content) == 640_000


def test_big_download_costs_no_disk_and_is_not_zeros_alone(made, directory):
    path = directory / "big.bin"
    assert path.stat().st_size >= 1 << 30
    assert path.stat().st_blocks * 512 < 8 << 20
    with path.open("rb") as file:
        for first_pos in range(0, 1 << 30, 64 << 20):
            file.seek(first_pos)
            assert file.readline().startswith(f"--- mark at byte {first_pos} ".encode())


def test_tones_are_a_minute_of_sound(made, directory):
    with wave.open(str(directory / "tones.wav")) as tones:
        assert tones.getnframes() / tones.getframerate() == 60
        assert any(tones.readframes(1000))


def test_film_is_small_and_has_its_index_first():
    content = (ROOT / "demo_flask" / "media" / "clock.mp4").read_bytes()
    assert len(content) <= 3_000_000
    assert content[4:8] == b"ftyp"
    assert 0 < content.index(b"moov") < content.index(b"mdat")


def test_zip_is_sound_and_has_the_same_bytes_each_time():
    content = samples.archive()
    assert zipfile.ZipFile(io.BytesIO(content)).testzip() is None
    assert samples.archive.__wrapped__() == content


def test_generated_body_is_as_long_as_declared(client):
    content = client.get("/files/generated.txt").data
    assert len(content) == GENERATED_LENGTH == sum(map(len, samples.generate_lines()))


def test_making_that_fails_leaves_nothing_behind(tmp_path):
    def fail(file):
        file.write(b"half")
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space left"):
        samples.make_once(tmp_path / "sub" / "a.bin", fail)
    assert list((tmp_path / "sub").iterdir()) == []


def test_file_that_is_there_is_left_alone(tmp_path):
    path = tmp_path / "a.bin"
    samples.make_once(path, lambda file: file.write(b"first"))
    before = path.stat()
    samples.make_once(path, lambda file: file.write(b"second"))
    assert (path.read_bytes(), path.stat().st_mtime_ns) == (b"first", before.st_mtime_ns)


# --- The feed ---------------------------------------------------------------------------------------------------------

PLAN = Plan(206, (ByteRange(0, 9), ByteRange(20, 29)), Reason.SLICED)
LENGTHS = {"a.txt": 100}


def environ(**fields):
    return {"PATH_INFO": "/files/a.txt", "REQUEST_METHOD": "GET", **fields}


def test_feed_keeps_what_was_asked_what_was_decided_and_what_was_sent():
    feed = Feed(LENGTHS)
    fields = {"HTTP_RANGE": "bytes=0-9,20-29", "HTTP_X_DEMO_REQUEST": "id1", "rangeware.plan": PLAN}
    serial = feed.add("rangeware", "a.txt", environ(**fields), 206)
    feed.update(serial, ((0, 4),), "cut")
    event, = feed.after(0)
    assert event.public() == {
        "serial": 1, "version": 2, "mount": "rangeware", "name": "a.txt", "slow": False, "method": "GET",
        "asked": "bytes=0-9,20-29", "asked_ranges": ((0, 9), (20, 29)), "status": 206,
        "ranges": ((0, 9), (20, 29)), "reason": "the ranges asked for", "request_id": "id1",
        "handed_over": False, "sent": ((0, 4),), "state": "cut"}
    assert feed.find("id1") == event
    assert feed.find("id2") is None


def test_feed_finds_the_response_with_rangeware_of_two():
    feed = Feed(LENGTHS)
    for mount in ("rangeware", "plain"):
        feed.add(mount, "a.txt", environ(HTTP_X_DEMO_REQUEST="id1"), 200)
    assert feed.find("id1").mount == "rangeware"


def test_feed_is_bounded():
    feed = Feed(LENGTHS, limit=10)
    for _ in range(25):
        feed.add("plain", "a.txt", environ(HTTP_RANGE="x" * 5000), 200)
    assert [event.serial for event in feed.after(0)] == list(range(16, 26))
    assert [event.serial for event in feed.after(0, at_most=3)] == [16, 17, 18]
    assert all(len(event.asked) == 300 for event in feed.after(0))
    many = ",".join(["0-0"] * 5000)
    feed.update(feed.add("plain", "a.txt", environ(HTTP_RANGE=f"bytes={many}"), 200), ((0, 0),) * 5000, "complete")
    assert (len(feed.after(0)[-1].asked_ranges), len(feed.after(0)[-1].sent)) == (256, 256)


def test_change_of_an_event_that_is_gone_is_ignored():
    feed = Feed(LENGTHS, limit=1)
    first, second = (feed.add("plain", "a.txt", environ(), 200) for _ in range(2))
    feed.update(first, ((0, 99),), "complete")
    assert [(event.serial, event.state) for event in feed.after(0)] == [(second, "sending")]


@pytest.mark.parametrize(("after", "serials"), [
    pytest.param(0, [2, 3, 1], id="all, the latest change last"),
    pytest.param(2, [3, 1], id="later than"),
    pytest.param(3, [1], id="changed since"),
    pytest.param(4, [], id="nothing new"),
    pytest.param(99, [2, 3, 1], id="a version from before a restart"),
])
def test_feed_after(after, serials):
    feed = Feed(LENGTHS)
    for _ in range(3):
        feed.add("rangeware", "a.txt", environ(), 200)
    feed.update(1, ((0, 1),), "sending")
    assert [event.serial for event in feed.after(after)] == serials
    assert feed.last() == 4


@pytest.mark.parametrize(("value", "ranges"), [
    pytest.param("", ((0, 99),), id="no header"),
    pytest.param("bytes=10-19", ((10, 19),), id="one"),
    pytest.param("bytes=90-200,-5", ((90, 99), (95, 99)), id="beyond, suffix"),
    pytest.param("bytes=100-", (), id="unsatisfiable"),
    pytest.param("bytes=9-1", ((0, 99),), id="malformed"),
])
def test_what_a_range_header_asks_for(value, ranges):
    assert resolve(value, 100) == ranges


def test_nothing_is_asked_of_an_empty_file():
    assert resolve("", 0) == ()


def test_feed_serves_many_threads():
    feed = Feed(LENGTHS, limit=2000)

    def work():
        for _ in range(100):
            feed.update(feed.add("rangeware", "a.txt", environ(), 200), ((0, 99),), "complete")

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    found = feed.after(0, at_most=2000)
    assert len(found) == 800
    assert len({event.version for event in found} | {event.serial for event in found}) == 1600
    assert {event.state for event in found} == {"complete"}


# --- The bytes that were sent -----------------------------------------------------------------------------------------

PARTS = (b"\r\n--B\r\nContent-Type: text/plain\r\nContent-Range: bytes 10-13/100\r\n\r\nabcd"
         b"\r\n--B\r\nContent-Range: bytes 90-91/100\r\nContent-Type: text/plain\r\n\r\n\r\n"
         b"\r\n--B--\r\n")  # the second part is itself a line break
MULTIPART = [("Content-Type", "multipart/byteranges; boundary=B")]

SENT = [  # status  headers                                    content        sent
    pytest.param(200, [], b"x" * 40, ((0, 39),), id="whole"),
    pytest.param(206, [("Content-Range", "bytes 60-99/100")], b"x" * 15, ((60, 74),), id="one range, in part"),
    pytest.param(206, [("Content-Range", "bytes 60-99/100")], b"", (), id="nothing yet"),
    pytest.param(206, MULTIPART, PARTS, ((10, 13), (90, 91)), id="two ranges"),
    pytest.param(206, MULTIPART, PARTS[:-16], ((10, 13),), id="two ranges, cut before the second"),
    pytest.param(206, MULTIPART, b"x" * 9000, (), id="no parts"),
    pytest.param(416, [("Content-Range", "bytes */100")], b"no", (), id="416"),
    pytest.param(404, [], b"no", (), id="404"),
]


@pytest.mark.parametrize(("status", "headers", "content", "expected"), SENT)
@pytest.mark.parametrize("size", [1, 3, 7, 10_000])
def test_sent_bytes_are_counted_however_they_are_cut(status, headers, content, expected, size):
    sent = Sent(status, headers)
    for first in range(0, len(content), size):
        sent.count(content[first:first + size])
    assert sent.ranges() == expected


class Body:
    """A body of ten chunks of ten bytes that counts its closing."""

    closed = 0

    def __iter__(self):
        return iter([b"x" * 10] * 10)

    def close(self):
        self.closed += 1


def recorded(feed, body, path="/files/a.txt", **fields):
    def app(environ, start_response):
        start_response("200 OK", [("Content-Length", "100")])
        return body

    return Record(app, feed)(environ(PATH_INFO=path, **fields), lambda *_: None)


@pytest.mark.parametrize(("taken", "sent", "state"), [
    pytest.param(11, [(0, 99)], "complete", id="all"),
    pytest.param(3, [(0, 19)], "cut", id="the third chunk did not get through"),
    pytest.param(0, [], "cut", id="nothing"),
])
def test_response_that_the_client_cut_is_recorded_as_far_as_it_went(taken, sent, state):
    feed, body = Feed(LENGTHS), Body()
    response = recorded(feed, body)
    assert len(list(itertools.islice(response, taken))) == min(taken, 10)
    response.close()
    event, = feed.after(0)
    assert (list(event.sent), event.state, body.closed) == (sent, state, 1)


def test_what_has_been_sent_is_told_meanwhile():
    feed = Feed(LENGTHS)
    chunks = iter(recorded(feed, Body()))
    next(chunks)
    assert [(event.sent, event.state) for event in feed.after(0)] == [((), "sending")]
    next(chunks)
    assert [(event.sent, event.state) for event in feed.after(0)] == [(((0, 9),), "sending")]


@pytest.mark.parametrize(("path", "fields"), [
    pytest.param("/", {}, id="page"), pytest.param("/files/other.txt", {}, id="another file"),
    pytest.param("/files/a.txt/x", {}, id="below"), pytest.param("/static/page.css", {}, id="style"),
    pytest.param("/files/a.txt", {"HTTP_X_DEMO_REQUEST": "unseen-1"}, id="the page's own measurement"),
])
def test_other_responses_are_left_alone(path, fields):
    feed, body = Feed(LENGTHS), Body()
    assert recorded(feed, body, path, **fields) is body
    assert feed.after(0) == []


@pytest.mark.parametrize(("path", "mount"), [("/files/a.txt", "rangeware"), ("/plain/files/a.txt", "plain")])
@pytest.mark.parametrize(("query", "slow"), [("slow", True), ("", False), ("slower", False)])
def test_mount_and_speed_are_recorded(path, mount, query, slow):
    feed = Feed(LENGTHS)
    recorded(feed, [], path, QUERY_STRING=query)
    assert [(event.mount, event.slow) for event in feed.after(0)] == [(mount, slow)]


# --- Two mounts -------------------------------------------------------------------------------------------------------

MOUNTS = [  # file            Range                 with rangeware  Flask alone
    pytest.param("stream.mp4", "bytes=2000000-", 206, 200, id="video from a generator"),
    pytest.param("clock.mp4", "bytes=2000000-", 206, 206, id="video from a file"),
    pytest.param("generated.txt", "bytes=0-31", 206, 200, id="generator"),
    pytest.param("generated.txt", "bytes=0-0,-1", 206, 200, id="generator, two ranges"),
    pytest.param("archive.zip", "bytes=0-0,-1", 206, 416, id="BytesIO, two ranges"),
    pytest.param("lines.txt", "bytes=0-9,20-29", 206, 416, id="file, two ranges"),
    pytest.param("big.bin", "bytes=-10", 206, 206, id="file, the last ten"),
    pytest.param("lines.txt", "bytes=640000-", 416, 416, id="file, beyond"),
]


def status(client, path, asked):
    with client.get(path, headers={"Range": asked}) as answer:
        return answer.status_code


@pytest.mark.parametrize(("name", "asked", "with_rangeware", "alone"), MOUNTS)
def test_mounts_differ(client, name, asked, with_rangeware, alone):
    assert [status(client, f"{mount}/files/{name}", asked) for mount in ("", "/plain")] == [with_rangeware, alone]


def read(client, path, **fields):
    with client.get(path, headers=fields) as answer:
        return answer.data


def test_responses_for_files_of_both_mounts_are_recorded_and_others_are_not(client):
    read(client, "/files/lines.txt", Range="bytes=32-63")
    read(client, "/files/lines.txt")
    client.head("/files/lines.txt").close()
    read(client, "/plain/files/generated.txt", Range="bytes=32-63")
    for path in ("/", "/events", "/static/page.css"):
        client.get(path, headers={"Range": "bytes=0-0", "If-None-Match": "*"}).close()
    found = [(event["mount"], event["name"], event["status"], event["asked_ranges"], event["ranges"], event["sent"],
              event["state"]) for event in events(client)]
    assert found == [
        ("rangeware", "lines.txt", 206, [[32, 63]], [[32, 63]], [[32, 63]], "complete"),
        ("rangeware", "lines.txt", 200, [[0, 639_999]], [], [[0, 639_999]], "complete"),
        ("plain", "generated.txt", 200, [[32, 63]], [], [[0, GENERATED_LENGTH - 1]], "complete"),
    ]


def test_ranges_that_were_sent_in_parts_are_recorded_as_such(client):
    read(client, "/files/archive.zip", Range="bytes=100-199,0-9,-10")
    event, = events(client)
    assert event["sent"] == event["ranges"] == [[100, 199], [0, 9], [482_364, 482_373]]


def test_preconditions_are_painted_as_what_they_became(client):
    with client.head("/files/lines.txt") as answer:
        etag = answer.headers["ETag"]
    for field, value in (("If-None-Match", etag), ("If-Match", '"stale"')):
        client.get("/files/lines.txt", headers={field: value}).close()
    assert [event["status"] for event in events(client)] == [304, 412]


@pytest.mark.parametrize("after", ["x", "", "-1", "9" * 5000])
def test_events_bear_any_serial(client, after):
    answer = client.get(f"/events?after={after}")
    assert (answer.status_code, answer.json) == (200, {"last": 0, "events": []})


def test_page_lists_each_file_and_needs_nothing_from_elsewhere(client):
    answer = client.get("/")
    assert answer.headers["Content-Security-Policy"] == "default-src 'self'"
    for name in NAMES:
        assert f'data-file="{name}"' in answer.text
        assert f'href="/plain/files/{name}"' in answer.text
    assert set(re.findall(r"https?://[^/\"]*", answer.text)) == {"http://localhost"}  # the command lines
    assert "style=" not in answer.text
    assert re.findall(r"<script(?![^>]* src=)|<style| on[a-z]+=", answer.text) == []


def test_both_players_have_the_same_view_in_their_two_mounts(client):
    page = client.get("/").text
    sources = re.findall(r'<video[^>]* src="([^"]*)"', page)
    assert sources == ["/files/stream.mp4?slow", "/plain/files/stream.mp4?slow"]
    film = (ROOT / "demo_flask" / "media" / "clock.mp4").read_bytes()
    answers = [client.get(source.partition("?")[0]) for source in sources]
    assert [answer.data for answer in answers] == [film, film]
    assert answers[0].headers["ETag"] == answers[1].headers["ETag"]


def test_commands_of_the_page_call_rangeware_as_told(made, directory):
    site = create_site(("127.0.0.1", 1), made, directory, command=".venv/bin/python -m rangeware")
    found = re.findall(r"<code>(\.venv/bin/python -m rangeware get) ", Client(site).get("/").text)
    assert len(found) == 1 + len(NAMES)


def commands(page, program):
    """The command lines on the page for this program, as the words that a shell makes of them, without its folder."""
    lines = (html.unescape(code) for code in re.findall("<pre[^>]*><code>(.*?)</code>", page))
    lists = (words[2:] if words[1:3] == ["-m", program] else words for words in map(shlex.split, lines))
    return [[program, *words] for called, *words in lists if Path(called).name == program]


@pytest.mark.parametrize(("host", "prefix"), [
    pytest.param("127.0.0.1:8000", "", id="address"),
    pytest.param("films.example", "", id="name"),
    pytest.param("films.example:8080", "/demo", id="under a prefix"),
    pytest.param("[::1]:8000", "", id="IPv6"),
])
def test_page_has_the_commands_that_download_each_file_from_where_it_was_asked(client, host, prefix):
    page = client.get("/", headers={"Host": host}, environ_overrides={"SCRIPT_NAME": prefix}).text
    urls = [f"http://{host}{prefix}/files/{name}" for name in NAMES]
    first = ["rangeware", "get", "--limit-rate", "50M", f"http://{host}{prefix}/files/big.bin"]
    assert commands(page, "rangeware") == [first, *(["rangeware", "get", url] for url in urls)]
    assert commands(page, "curl") == [["curl", "-C", "-", "-O", url] for url in urls]


def test_brackets_are_kept_from_the_shell(client):
    page = client.get("/", headers={"Host": "[::1]:8000"}).text
    assert re.findall("<code>rangeware get [^<]*?http://", html.unescape(page)) == [
        "<code>rangeware get --limit-rate 50M 'http://", *["<code>rangeware get 'http://"] * len(NAMES)]


def test_plain_mount_sends_to_the_one_page(client):
    assert client.get("/plain/").headers["Location"] == "../"


def test_unknown_file_is_not_found(client):
    assert client.get("/files/__main__.py").status_code == 404


# --- Measuring and checking -------------------------------------------------------------------------------------------

def test_measuring_says_when_the_demo_does_not_answer(made, directory):
    answer = Client(create_site(("127.0.0.1", free_port()), made, directory)).post("/measure", json={})
    assert answer.status_code == 502
    assert "did not respond" in answer.json["error"]


@pytest.mark.parametrize(("seconds", "words"), [
    ((0.002, 0.5), ["2.0 ms", "500 ms, 250 times as long"]),
    ((0.5, 0.002), ["500 ms, 250 times as long", "2.0 ms"]),
    ((0.002, 0.0035), ["2.0 ms", "3.5 ms"]),
])
def test_slower_side_is_told_whichever_it_is(seconds, words):
    cells = [_judge_time(own, min(seconds)) for own in seconds]
    assert [cell.words for cell in cells] == words
    assert [cell.good for cell in cells] == ["times" not in each for each in words]


THREE = "".join(f"--B\r\nContent-Range: bytes {first}-{first + 9}/99\r\n\r\nabc\r\n" for first in (0, 20, 40))
MIXED = "multipart/byteranges; boundary=B"


@pytest.mark.parametrize(("status", "content_type", "content", "is_good"), [
    pytest.param(206, MIXED, THREE, True, id="three parts"),
    pytest.param(206, MIXED, THREE[:-30], False, id="two parts"),
    pytest.param(206, "text/plain", THREE, False, id="one range"),
    pytest.param(200, MIXED, THREE, False, id="not partial"),
])
def test_three_parts_are_what_several_ranges_need(status, content_type, content, is_good):
    fields = http.client.HTTPMessage()
    fields["Content-Type"] = content_type
    answer = Answer(status, fields, content.encode(), 0.1)
    assert _Table(("127.0.0.1", 1), in_words)._judge_parts(answer).good == is_good


@pytest.mark.parametrize(("status", "field", "length", "is_it"), [
    pytest.param(206, "bytes 0-1/99", "2", True, id="it is"),
    pytest.param(200, "bytes 0-1/99", "2", False, id="not partial"),
    pytest.param(206, "bytes 0-98/99", "99", False, id="another range"),
    pytest.param(206, "bytes 0-1/99", "99", False, id="another length"),
    pytest.param(206, "", "2", False, id="no Content-Range"),
])
def test_range_that_was_asked_for(status, field, length, is_it):
    fields = http.client.HTTPMessage()
    fields["Content-Range"], fields["Content-Length"] = field, length
    assert Answer(status, fields, b"ab", 0.1).is_range(0, 1) == is_it


REPORT = {"url": "http://127.0.0.1/files/lines.txt", "verdict": "good", "summary": "All is well.", "findings": [],
          "clients": [], "seconds": 0.1}


def test_check_asks_for_both_mounts_of_one_file(made, directory, monkeypatch):
    asked = []
    monkeypatch.setattr(demo_flask, "check_both",
                        lambda *given: asked.append(given) or {"rangeware": REPORT, "plain": REPORT})
    client = Client(create_site(("127.0.0.1", 1), made, directory))
    assert 'data-check="/check"' in client.get("/").text
    assert client.post("/check", json={"file": "lines.txt"}).json == {"rangeware": REPORT, "plain": REPORT}
    assert asked == [("lines.txt", ("127.0.0.1", 1))]
    for bad in ({"file": "../x"}, {"file": ["lines.txt"]}, {}, [], "lines.txt", None):
        answer = client.post("/check", json=bad)
        assert (answer.status_code, answer.json) == (400, {"error": "There is no such file in this demo."})
    assert len(asked) == 1


# --- The slow line ----------------------------------------------------------------------------------------------------

def test_slow_line_sends_the_same_bytes_at_its_pace():
    rests = []
    content = bytes(range(256)) * 1024
    assert b"".join(_Paced([content[:99], content[99:]], rests.append)) == content
    assert sum(rests) == pytest.approx(len(content) / BYTES_PER_SECOND)
    assert max(rests) <= 0.2


def test_slow_line_closes_the_body():
    class Body(list):
        closed = 0

        def close(self):
            self.closed += 1

    body = Body([b"abc"])
    slow = SlowLine(lambda *_: body)
    assert slow({"QUERY_STRING": ""}, None) is body
    slow({"QUERY_STRING": "slow"}, None).close()
    assert body.closed == 1


# --- The inspector ----------------------------------------------------------------------------------------------------

QUESTION = {"file": "lines.txt", "method": "GET", "fields": {"Range": "bytes=0-9"}}
BAD_QUESTIONS = [
    pytest.param([], "must be a JSON object", id="no object"),
    pytest.param({**QUESTION, "file": "../../etc/passwd"}, "no such file", id="unknown file"),
    pytest.param({**QUESTION, "file": ["lines.txt"]}, "no such file", id="file is no text"),
    pytest.param({**QUESTION, "file": "http://example.org/"}, "no such file", id="another host"),
    pytest.param({**QUESTION, "method": "DELETE"}, "GET or HEAD", id="another method"),
    pytest.param({**QUESTION, "method": ["GET"]}, "GET or HEAD", id="method is no text"),
    pytest.param({**QUESTION, "fields": "Range: x"}, "headers must be", id="fields are no object"),
    pytest.param({**QUESTION, "fields": {"Cookie": "a=b"}}, "headers to try", id="another field"),
    pytest.param({**QUESTION, "fields": {"Range": 7}}, "must be text", id="a number"),
    pytest.param({**QUESTION, "fields": {"Range": "bytes=0-1\r\nHost: x"}}, "line break", id="CR LF"),
    pytest.param({**QUESTION, "fields": {"If-Match": "a\nb"}}, "line break", id="LF"),
    pytest.param({**QUESTION, "fields": {"If-Match": "a\rb"}}, "line break", id="CR"),
    pytest.param({**QUESTION, "fields": {"If-Range": "a\0b"}}, "control character", id="NUL"),
    pytest.param({**QUESTION, "fields": {"If-Range": "a\x7fb"}}, "control character", id="DEL"),
    pytest.param({**QUESTION, "fields": {"Range": "bytes=٠-٩"}}, "Latin-1", id="beyond Latin-1"),
    pytest.param({**QUESTION, "fields": {"Range": "x" * (MAX_FIELD_LENGTH + 1)}}, "4097 characters", id="too long"),
]


@pytest.mark.parametrize(("data", "words"), BAD_QUESTIONS)
def test_bad_question_gets_a_clear_message(client, data, words):
    answer = client.post("/inspect", json=data)
    assert answer.status_code == 400
    assert words in answer.json["error"]


def test_question_that_is_no_json_gets_a_clear_message(client):
    answer = client.post("/inspect", data=b"{", content_type="application/json")
    assert (answer.status_code, answer.json) == (400, {"error": "The request must be a JSON object."})


def test_question_beyond_bounds_gets_a_clear_message(client):
    answer = client.post("/inspect", json={**QUESTION, "more": "x" * 100_000})
    assert (answer.status_code, answer.json) == (413, {"error": "The request is too long."})


def test_the_inspector_refuses_json_that_is_nested_too_deeply(client):
    answer = client.post("/inspect", data="[" * 60_000, content_type="application/json")
    assert answer.status_code == 400
    assert "error" in answer.json


def test_inspector_says_when_the_demo_does_not_answer(made, directory):
    client = Client(create_site(("127.0.0.1", free_port()), made, directory))
    answer = client.post("/inspect", json=QUESTION)
    assert answer.status_code == 502
    assert "did not respond" in answer.json["error"]


def test_parts_are_read_as_they_stand_on_the_wire(client):
    answer = client.get("/files/archive.zip", headers={"Range": "bytes=0-3,100-139,1000-1999"})
    boundary = preview.boundary_of(list(answer.headers))
    parts, more = preview.read_parts(answer.data, boundary)
    assert [dict(part.fields)["Content-Range"] for part in parts] == [
        "bytes 0-3/482374", "bytes 100-139/482374", "bytes 1000-1999/482374"]
    assert [part.preview.length for part in parts] == [4, 40, 1000]
    assert (parts[0].preview.text.split()[1:5], parts[1].preview.kind) == (["50", "4b", "03", "04"], "text")
    assert (parts[2].preview.cut, more) == (True, 0)


def test_many_parts_are_counted_and_not_all_shown():
    parts = (b"\r\n--B\r\nContent-Range: bytes %d-%d/99\r\n\r\nx" % (n, n) for n in range(30))
    parts, more = preview.read_parts(b"".join(parts) + b"\r\n--B--\r\n", "B")
    assert (len(parts), more) == (20, 10)


@pytest.mark.parametrize(("content_type", "boundary"), [
    pytest.param("multipart/byteranges; boundary=abc", "abc", id="token"),
    pytest.param('Multipart/Byteranges; charset=x; boundary="abc"', "abc", id="quoted"),
    pytest.param("multipart/mixed; boundary=abc", None, id="another multipart"),
    pytest.param("text/plain", None, id="no multipart"),
])
def test_boundary(content_type, boundary):
    assert preview.boundary_of([("Server", "x"), ("content-type", content_type)]) == boundary


@pytest.mark.parametrize(("length", "words"), [
    (5, "5 bytes"), (1536, "1.5 KiB"), (3 << 20, "3.0 MiB"), (1 << 30, "1.0 GiB"),
])
def test_in_words(length, words):
    assert in_words(length) == words


# --- The command ------------------------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def demo():
    with running_demo() as demo:
        yield demo


def ask(demo, method, path, headers=(), body=None):
    with contextlib.closing(demo.connect()) as connection:
        connection.request(method, path, body, dict(headers))
        answer = connection.getresponse()
        return answer, answer.read()


def test_command_serves_a_range(demo):
    answer, content = ask(demo, "GET", "/files/lines.txt", {"Range": "bytes=320-351"})
    assert (answer.status, answer.headers["Content-Range"]) == (206, "bytes 320-351/640000")
    assert content.split() == [b"line", b"11,", b"byte", b"320"]


def test_command_serves_the_end_of_the_big_file(demo):
    answer, content = ask(demo, "GET", "/files/big.bin", {"Range": "bytes=1006632960-1006632975"})
    assert (answer.status, content) == (206, b"--- mark at byte")


def test_command_serves_416(demo):
    answer, content = ask(demo, "GET", "/files/generated.txt", {"Range": f"bytes={GENERATED_LENGTH}-"})
    assert (answer.status, answer.headers["Content-Range"]) == (416, f"bytes */{GENERATED_LENGTH}")
    assert len(content) == int(answer.headers["Content-Length"])


def test_command_on_the_page_downloads_the_file(demo, tmp_path):
    _, page = ask(demo, "GET", "/")
    wanted = [words for words in commands(page.decode(), "rangeware") if not words[-1].endswith("/big.bin")]
    assert len(wanted) == len(NAMES) - 1  # 1 GiB would be too long
    for _, *words in wanted:
        done = subprocess.run([sys.executable, "-m", "rangeware", *words, "-d", tmp_path], cwd=ROOT, timeout=60,
                              capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    for name in (words[-1].rpartition("/")[2] for words in wanted):
        _, content = ask(demo, "GET", f"/files/{name}")
        assert hashlib.sha256((tmp_path / name).read_bytes()).digest() == hashlib.sha256(content).digest()
    assert len(list(tmp_path.iterdir())) == len(wanted)


def test_command_ignores_range_on_head(demo):
    answer, content = ask(demo, "HEAD", "/files/big.bin", {"Range": "bytes=0-1"})
    assert (answer.status, content) == (200, b"")
    assert (answer.headers["Content-Length"], answer.headers["Accept-Ranges"]) == (str(1 << 30), "bytes")


def inspect(demo, **question):
    body = json.dumps({**QUESTION, **question})
    answer, content = ask(demo, "POST", "/inspect", {"Content-Type": "application/json"}, body)
    assert answer.status == 200
    return json.loads(content)


def test_inspector_shows_both_sides_and_the_reason(demo):
    result = inspect(demo, fields={"Range": "bytes=0-9,20-29", "If-Range": ""})
    assert result["rangeware"]["status_line"] == "HTTP/1.1 206 Partial Content"
    assert [part["preview"]["text"] for part in result["rangeware"]["parts"]] == ["line      ", "     0    "]
    assert result["plain"]["status_line"].startswith("HTTP/1.1 416 ")
    assert (result["plan"]["ranges"], result["plan"]["reason"]) == ([[0, 9], [20, 29]], "the ranges asked for")
    assert not any(line.startswith("If-Range") for line in result["rangeware"]["request"])


def test_inspector_reads_no_more_than_its_bound(demo):
    result = inspect(demo, file="big.bin", fields={})
    assert (result["rangeware"]["content_length"], result["rangeware"]["received"]) == (str(1 << 30), 65_536)
    assert result["rangeware"]["cut"] is True


def test_inspector_sends_a_field_as_it_is(demo):
    result = inspect(demo, fields={"Range": "bytes=9-1"})
    assert "Range: bytes=9-1" in result["rangeware"]["request"]
    assert result["plan"]["reason"] == "malformed Range header"


def test_figures_are_measured_for_both_mounts(demo):
    answer, content = ask(demo, "POST", "/measure")
    assert (answer.status, answer.headers["Cache-Control"]) == (200, "no-store")
    generated, stored = json.loads(content)["groups"]
    half = len((ROOT / "demo_flask" / "media" / "clock.mp4").read_bytes()) // 2
    assert (generated["name"], stored["name"]) == ("stream.mp4", "big.bin")
    assert [row["asked"][0] for row in generated["rows"]] == [
        "Range: bytes=0-1", f"Range: bytes={half}-", "Range: bytes=0-99,1000-1099,-100"]
    words = [(row["rangeware"]["words"], row["plain"]["words"]) for row in generated["rows"]]
    assert words[:2] == [("206, 2 bytes: Safari plays", "200, all 2.3 MiB: Safari refuses"),
                         ("206, the missing 1.1 MiB", "200, all 2.3 MiB again")]
    assert re.fullmatch(r"206, 3 parts, [0-9]+ bytes", words[2][0])
    assert words[2][1] == "200, all 2.3 MiB"
    assert [(row["rangeware"]["good"], row["plain"]["good"]) for row in generated["rows"]] == [(True, False)] * 3
    assert [row["plain"]["words"] for row in stored["rows"][:2]] == [
        "206, 2 bytes: Safari plays", "416, no bytes of the file"]
    assert [row["rangeware"]["good"] for row in stored["rows"][:2]] == [True, True]
    assert stored["rows"][2]["asked"] == ["Range: bytes=1073740800-"]
    assert all(" ms" in stored["rows"][2][mount]["words"] for mount in ("rangeware", "plain"))


def last_event(demo):
    """The version of the last event, once nothing is being sent any more for a test before this one."""
    deadline = time.monotonic() + 20
    while True:
        found = json.loads(ask(demo, "GET", "/events")[1])
        if all(event["state"] != "sending" for event in found["events"]):
            return found["last"]
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_measuring_paints_nothing(demo):
    last = last_event(demo)
    ask(demo, "POST", "/measure")
    assert json.loads(ask(demo, "GET", f"/events?after={last}")[1]) == {"last": last, "events": []}


def test_download_that_was_cut_is_recorded_so(demo):
    last = last_event(demo)
    with contextlib.closing(demo.connect()) as connection:
        connection.request("GET", "/files/big.bin", headers={"Range": "bytes=1000000-"})
        connection.getresponse().read(100_000)
    deadline = time.monotonic() + 20
    while True:
        event, = json.loads(ask(demo, "GET", f"/events?after={last}")[1])["events"]
        if event["state"] != "sending":
            break
        assert time.monotonic() < deadline
        time.sleep(0.05)
    (first, final), = event["sent"]
    assert (event["state"], first) == ("cut", 1_000_000)
    assert 1_100_000 < final < (1 << 30) - 1


def test_command_says_that_the_port_is_taken(demo):
    with start(demo.port) as second:
        said, _ = second.communicate(timeout=20)
    assert second.returncode == 1
    assert said.startswith(f"Cannot listen on 127.0.0.1:{demo.port}: Address already in use.")


def test_command_says_what_to_open_and_ends_on_ctrl_c_also_in_the_midst_of_a_download():
    with running_demo() as own, contextlib.closing(own.connect()) as connection:
        connection.request("GET", "/files/big.bin")
        assert connection.getresponse().read(1000)
        said = stop(own.process)
    assert own.url in said
    assert (said.count("curl "), said.count("rangeware get ")) == (3, 1)
    assert f"      {own_command()} get --limit-rate 50M {own.url}files/big.bin\n" in said
    assert not re.search("error|traceback|sigkill", said, re.IGNORECASE)
    assert own.process.returncode == 0


def make_program(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)


@pytest.mark.parametrize(("here", "path", "has_script", "words"), [
    pytest.param(".", "", True, ".venv/bin/rangeware", id="in a clone"),
    pytest.param("docs", "", True, "{}/.venv/bin/rangeware", id="elsewhere"),
    pytest.param(".venv/bin", "", True, "./rangeware", id="beside it"),
    pytest.param(".", ".venv/bin", True, "rangeware", id="activated"),
    pytest.param(".", "other", True, ".venv/bin/rangeware", id="another one is found by name"),
    pytest.param(".", "", False, ".venv/bin/python -m rangeware", id="without a script"),
    pytest.param(".", ".venv/bin", False, "python -m rangeware", id="without a script, activated"),
])
def test_banner_calls_rangeware_as_it_is_found_from_here(tmp_path, monkeypatch, here, path, has_script, words):
    for folder in ("docs", ".venv/bin", "other"):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
    make_program(tmp_path / "other" / "rangeware")
    make_program(tmp_path / ".venv" / "bin" / "python")
    if has_script:
        make_program(tmp_path / ".venv" / "bin" / "rangeware")
    monkeypatch.chdir(tmp_path / here)
    monkeypatch.setattr(sys, "executable", str(tmp_path / ".venv" / "bin" / "python"))
    monkeypatch.setenv("PATH", str(tmp_path / path) if path else "")
    assert own_command() == words.format(tmp_path)


def test_banner_quotes_a_path_with_a_blank(tmp_path, monkeypatch):
    make_program(tmp_path / "my env" / "bin" / "rangeware")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "my env" / "bin" / "python"))
    assert own_command() == "'my env/bin/rangeware'"


@pytest.mark.parametrize("port", ["0", "-1", "65536", "http", "80 ", "٨٠", "9" * 5000])
def test_port_is_checked(port, capsys):
    with pytest.raises(SystemExit):
        read_arguments([f"--port={port}"])
    assert "a port is a number from 1 to 65535" in capsys.readouterr().err
    assert port_number("65535") == 65535


def test_files_are_found_in_a_relative_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = read_arguments(["--data=some/folder"]).data
    client = Client(create_site(("127.0.0.1", 1), samples.prepare(folder), folder))
    assert status(client, "/files/lines.txt", "bytes=0-9") == 206
    assert (tmp_path / "some" / "folder" / "lines.txt").exists()


def test_inspector_asks_this_machine_whatever_it_listens_on():
    assert [near((host, 1))[0] for host in ("0.0.0.0", "::", "127.0.0.1")] == ["127.0.0.1", "::1", "127.0.0.1"]
    assert host_and_port(("::1", 80)) == "[::1]:80"
