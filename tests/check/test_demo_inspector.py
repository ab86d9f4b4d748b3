"""The demo's inspector judges with the check's code; the whole check runs on both mounts of the demo."""

from __future__ import annotations

import json
import threading
from contextlib import closing
from http.client import HTTPConnection
from wsgiref.simple_server import make_server

import pytest
from werkzeug.test import Client

from demo_flask import create_site, inspector, preview, samples
from demo_flask.inspector import NoAnswer, check_both
from rangeware.check import multipart
from tests.check.servers import _Quiet, _Server


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """The demo on a free port; yields its address."""
    directory = tmp_path_factory.mktemp("demo")
    sites = []
    with make_server("127.0.0.1", 0, lambda *arguments: sites[0](*arguments), _Server, _Quiet) as server:
        address = ("127.0.0.1", server.server_port)
        sites.append(create_site(address, samples.prepare(directory), directory))
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield address
        server.shutdown()
        thread.join()


QUESTION = {"file": "lines.txt", "method": "GET", "fields": {}}


def inspect(address, name="lines.txt", method="GET", **fields):
    question = {"file": name, "method": method, "fields": {key.replace("_", "-"): text for key, text in fields.items()}}
    with closing(HTTPConnection(*address, timeout=20)) as connection:
        connection.request("POST", "/inspect", json.dumps(question), {"Content-Type": "application/json"})
        response = connection.getresponse()
        assert response.status == 200
        return json.loads(response.read())


def test_many_at_once_leave_threads_for_the_demo_s_own_requests(tmp_path, monkeypatch):
    """Each of them asks the demo in turn. The others are told to try again, and do not wait."""
    made = samples.prepare(tmp_path)
    client = Client(create_site(("127.0.0.1", 1), made, tmp_path))
    within = []

    def measure(*_):
        within.append(client.post("/measure", json={}).status_code if len(within) < 20 else None)
        return []

    monkeypatch.setattr("demo_flask.measure", measure)
    assert client.post("/measure", json={}).status_code == 200
    assert within.count(503) == 1  # the thirteenth
    assert within.count(200) == 11
    for path, sent in (("/check", {"file": "lines.txt"}), ("/inspect", QUESTION)):
        assert client.post(path, json=sent).status_code == 502  # nothing listens there; the turns were given back


ASKED = [  # the file, the request, and what is said first of each response
    pytest.param("lines.txt", {}, "good", "good", id="plain"),
    pytest.param("lines.txt", {"Range": "bytes=0-9"}, "good", "good", id="one range, which Flask has for files"),
    pytest.param("generated.txt", {"Range": "bytes=0-9"}, "good", "broken", id="one range of a generator"),
    pytest.param("lines.txt", {"Range": "bytes=0-9,20-29"}, "good", "limited", id="several"),
    pytest.param("archive.zip", {"Range": "bytes=0-9,-5"}, "good", "limited", id="several of a zip"),
    pytest.param("lines.txt", {"Range": "bytes=999999999-"}, "good", "good", id="unsatisfiable"),
    pytest.param("generated.txt", {"Range": "bytes=999999999-"}, "good", "limited", id="unsatisfiable, generator"),
    pytest.param("lines.txt", {"Range": "bytes=0-9", "If_Range": '"old"'}, "good", "good", id="If-Range of another"),
    pytest.param("generated.txt", {"If_None_Match": '"lines-65536"'}, "good", "limited", id="304"),
    pytest.param("generated.txt", {"If_Match": '"old"'}, "good", "limited", id="412"),
    pytest.param("big.bin", {"Range": "bytes=0-"}, "good", "good", id="more than is read"),
]


@pytest.mark.parametrize(("name", "fields", "ours", "plain"), ASKED)
def test_both_responses_are_judged(demo, name, fields, ours, plain):
    result = inspect(demo, name, **fields)
    for mount, status in (("rangeware", ours), ("plain", plain)):
        verdict = result[mount]["verdicts"][0]
        assert verdict["status"] == status, verdict
        assert {*verdict} == {"status", "detail"}


def test_head_is_judged(demo):
    result = inspect(demo, method="HEAD", Range="bytes=0-9")
    assert result["rangeware"]["verdicts"][0] == {"status": "good", "detail": "200 with the whole."}


def test_a_plain_response_says_how_long_it_is(demo):
    verdicts = inspect(demo)["rangeware"]["verdicts"]
    assert [verdict["status"] for verdict in verdicts] == ["good", "good"]
    assert verdicts[1]["detail"].startswith("640000 bytes, known before")


def test_what_the_page_needs_is_still_there(demo):
    result = inspect(demo, Range="bytes=0-9,20-29")["rangeware"]
    assert {*result} == {"request", "status_line", "fields", "content_length", "received", "cut", "content", "parts",
                         "more_parts", "verdicts"}
    assert [part["preview"]["text"] for part in result["parts"]] == ["line      ", "     0    "]


def test_the_parts_are_read_by_the_reader_of_the_check():
    assert preview.read_fields is multipart.read_fields
    assert preview.boundary_of([("Content-Type", "multipart/byteranges; boundary=x")]) == "x"


def test_what_is_no_http_is_told(demo):
    exchange = inspector.Exchange([], "HTTP/2 200", [], None, 0, False, None, [], 0, b"")
    question = inspector.Question("lines.txt", "GET", ())
    with pytest.raises(NoAnswer, match="not HTTP"):
        inspector._judged(question, {"rangeware": exchange, "plain": exchange})


@pytest.mark.parametrize(("name", "plain"), [
    ("clock.mp4", "limited"), ("tones.wav", "limited"), pytest.param("big.bin", "limited", marks=pytest.mark.grid),
    ("lines.txt", "limited"),
    ("generated.txt", "broken"), ("archive.zip", "limited"),
])
def test_the_check_of_both_mounts(demo, name, plain):
    reports = check_both(name, demo)
    assert (reports["rangeware"]["verdict"], reports["plain"]["verdict"]) == ("good", plain)
    assert reports["plain"]["url"].endswith(f"/plain/files/{name}")
    json.dumps(reports)


def test_the_strips_show_nothing_of_the_check(demo):
    def shown():  # what earlier tests asked for may still be sent
        with closing(HTTPConnection(*demo, timeout=20)) as connection:
            connection.request("GET", "/events")
            return {event["serial"] for event in json.loads(connection.getresponse().read())["events"]}

    before = shown()
    check_both("lines.txt", demo)
    assert shown() == before
    inspect(demo, Range="bytes=0-9")
    assert len(shown()) > len(before)


def test_the_check_sends_nothing_anywhere_else(demo, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("no_proxy", "")
    assert check_both("lines.txt", demo)["rangeware"]["verdict"] == "good"


def test_a_check_without_an_answer():
    with pytest.raises(NoAnswer, match="did not respond"):
        check_both("lines.txt", ("127.0.0.1", 1))


def test_a_check_without_urllib3(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "urllib3", None)
    with pytest.raises(NoAnswer, match="pip install"):
        check_both("lines.txt", ("127.0.0.1", 1))
