"""The demo without a browser: its sample data, its feed, its inspector's checks, its two mounts, its command."""

import contextlib
import hashlib
import html
import io
import json
import re
import shlex
import subprocess
import sys
import threading
import wave
import zipfile

import pytest
from werkzeug.test import Client

from demo_flask import create_site, in_words, preview, samples
from demo_flask.__main__ import near, port_number, read_arguments
from demo_flask.feed import Feed
from demo_flask.inspector import MAX_FIELD_LENGTH, host_and_port
from demo_flask.slowline import BYTES_PER_SECOND, SlowLine, _Paced
from rangeware import ByteRange, Plan, Reason
from tests.browser.demo import ROOT, free_port, running_demo, start, stop

NAMES = ("clock.mp4", "tones.wav", "big.bin", "lines.txt", "generated.txt", "archive.zip")
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


def test_each_line_names_the_byte_it_stands_at(directory):
    content = (directory / "lines.txt").read_bytes()
    for first_pos in (0, 32, 320, 639_968):
        words = f"line {first_pos // 32 + 1}, byte {first_pos}".encode().split()
        assert content[first_pos:first_pos + 32].split() == words
        assert content[first_pos + 31:first_pos + 32] == b"\n"
    assert len(content) == 640_000


def test_big_download_costs_no_disk_and_is_not_zeros_alone(directory):
    path = directory / "big.bin"
    assert path.stat().st_size >= 1 << 30
    assert path.stat().st_blocks * 512 < 8 << 20
    with path.open("rb") as file:
        for first_pos in range(0, 1 << 30, 64 << 20):
            file.seek(first_pos)
            assert file.readline().startswith(f"--- mark at byte {first_pos} ".encode())


def test_tones_are_a_minute_of_sound(directory):
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


def environ(name="a.txt", **fields):
    return {"PATH_INFO": f"/files/{name}", "REQUEST_METHOD": "GET", **fields}


def test_feed_keeps_the_plan():
    feed = Feed({"a.txt": 100})
    feed.on_plan(environ(HTTP_RANGE="bytes=0-9,20-29", HTTP_X_DEMO_REQUEST="id1"), PLAN)
    event, = feed.after(0)
    assert event.public() == {"serial": 1, "name": "a.txt", "method": "GET", "asked": "bytes=0-9,20-29", "status": 206,
                              "ranges": ((0, 9), (20, 29)), "reason": "the ranges asked for", "request_id": "id1",
                              "handed_over": False}
    assert feed.find("id1") == event
    assert feed.find("id2") is None


def test_feed_is_bounded():
    feed = Feed({"a.txt": 100}, limit=10)
    for _ in range(25):
        feed.on_plan(environ(HTTP_RANGE="x" * 5000), PLAN)
    assert [event.serial for event in feed.after(0)] == list(range(16, 26))
    assert [event.serial for event in feed.after(0, at_most=3)] == [16, 17, 18]
    assert all(len(event.asked) == 300 for event in feed.after(0))


@pytest.mark.parametrize(("after", "serials"), [
    pytest.param(0, [1, 2, 3], id="all"),
    pytest.param(2, [3], id="later than"),
    pytest.param(3, [], id="nothing new"),
    pytest.param(99, [1, 2, 3], id="a serial from before a restart"),
])
def test_feed_after(after, serials):
    feed = Feed({"a.txt": 100})
    for _ in range(3):
        feed.on_plan(environ(), PLAN)
    assert [event.serial for event in feed.after(after)] == serials
    assert feed.last() == 3


@pytest.mark.parametrize("path", ["/", "/events", "/static/page.css", "/files/other.txt", "/files/a.txt/x", ""])
def test_feed_notes_the_files_only(path):
    feed = Feed({"a.txt": 100})
    feed.on_plan({"PATH_INFO": path, "REQUEST_METHOD": "GET"}, PLAN)
    assert feed.after(0) == []


def test_feed_serves_many_threads():
    feed = Feed({"a.txt": 100}, limit=2000)
    threads = [threading.Thread(target=lambda: [feed.on_plan(environ(), PLAN) for _ in range(100)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert [event.serial for event in feed.after(0, at_most=2000)] == list(range(1, 801))


# --- Two mounts -------------------------------------------------------------------------------------------------------

MOUNTS = [  # file            Range                 with rangeware  Flask alone
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


def test_range_and_whole_are_painted_and_the_plain_mount_and_the_page_are_not(client):
    client.get("/files/lines.txt", headers={"Range": "bytes=32-63"}).close()
    client.get("/files/lines.txt").close()
    client.head("/files/lines.txt").close()
    for path in ("/", "/events", "/static/page.css", "/plain/files/lines.txt"):
        client.get(path, headers={"Range": "bytes=0-0", "If-None-Match": "*"}).close()
    assert [(event["name"], event["status"], event["ranges"]) for event in events(client)] == [
        ("lines.txt", 206, [[32, 63]]), ("lines.txt", 200, [])]


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


def commands(page, program):
    """The command lines on the page for this program, as the words that a shell makes of them."""
    lines = (html.unescape(code) for code in re.findall("<code>(.*?)</code>", page))
    return [shlex.split(line) for line in lines if line.startswith(f"{program} ")]


@pytest.mark.parametrize(("host", "prefix"), [
    pytest.param("127.0.0.1:8000", "", id="address"),
    pytest.param("films.example", "", id="name"),
    pytest.param("films.example:8080", "/demo", id="under a prefix"),
    pytest.param("[::1]:8000", "", id="IPv6"),
])
def test_page_has_the_commands_that_download_each_file_from_where_it_was_asked(client, host, prefix):
    page = client.get("/", headers={"Host": host}, environ_overrides={"SCRIPT_NAME": prefix}).text
    urls = [f"http://{host}{prefix}/files/{name}" for name in NAMES]
    assert commands(page, "rangeware") == [["rangeware", "get", url] for url in urls]
    assert commands(page, "curl") == [["curl", "-C", "-", "-O", url] for url in urls]


def test_brackets_are_kept_from_the_shell(client):
    page = client.get("/", headers={"Host": "[::1]:8000"}).text
    assert html.unescape(page).count("rangeware get 'http://[::1]:8000/files/") == len(NAMES)


def test_plain_mount_sends_to_the_one_page(client):
    assert client.get("/plain/").headers["Location"] == "../"


def test_unknown_file_is_not_found(client):
    assert client.get("/files/__main__.py").status_code == 404


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
    assert len(wanted) == len(NAMES) - 1
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
    assert not re.search("error|traceback|sigkill", said, re.IGNORECASE)
    assert own.process.returncode == 0


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
