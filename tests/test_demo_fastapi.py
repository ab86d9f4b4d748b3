"""The FastAPI demo as its one command starts it: a process of its own, asked over a real socket."""

from __future__ import annotations

import contextlib
import email
import html
import http.client
import io
import re
import shlex
import signal
import subprocess
import sys
import time
import wave
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.browser.demo import ROOT, free_port

START_SECONDS = 20
END_SECONDS = 10
LINES_LENGTH = 16 << 20
TONES_LENGTH = 44 + 60 * 8_000  # a WAV head, and a byte for each sample of a minute
LENGTHS = {"/lines.txt": LINES_LENGTH, "/tones.wav": TONES_LENGTH}


class Demo(NamedTuple):
    """A demo that listens."""

    process: subprocess.Popen[str]
    port: int

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)


class Answer(NamedTuple):
    """An answer, read to its end."""

    status: int
    fields: http.client.HTTPMessage
    content: bytes


def start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "demo_fastapi.py", *arguments], cwd=ROOT, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


@contextlib.contextmanager
def running_demo() -> Iterator[Demo]:
    """A demo that answers; ended with the block."""
    port = free_port()
    process = start("--port", str(port))
    try:
        wait_until_it_answers(Demo(process, port))
        yield Demo(process, port)
    finally:
        if process.poll() is None:
            end(process)


def wait_until_it_answers(demo: Demo) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and demo.process.poll() is None:
        with contextlib.suppress(OSError):
            ask(demo, "/")
            return
        time.sleep(0.05)
    demo.process.kill()
    raise AssertionError(f"the demo did not start: {demo.process.communicate()[0]}")


def end(process: subprocess.Popen[str]) -> str:
    """Ends it as Ctrl-C does, at worst by force; what it printed."""
    process.send_signal(signal.SIGINT)
    try:
        return process.communicate(timeout=END_SECONDS)[0]
    except subprocess.TimeoutExpired:
        process.kill()
        raise


def ask(demo: Demo, path: str, fields: Mapping[str, str] | None = None, method: str = "GET") -> Answer:
    with contextlib.closing(demo.connect()) as connection:
        connection.request(method, path, headers=fields or {})
        answer = connection.getresponse()
        return Answer(answer.status, answer.headers, answer.read())


@pytest.fixture(scope="module")
def demo() -> Iterator[Demo]:
    with running_demo() as running:
        yield running


@pytest.fixture(scope="module")
def wholes(demo: Demo) -> dict[str, Answer]:
    """The response to a request without Range, by path."""
    return {path: ask(demo, path) for path in LENGTHS}


def test_page_plays_the_sound_twice_and_tells_what_to_type(demo: Demo) -> None:
    page = ask(demo, "/").content.decode()
    assert re.findall(r' (?:src|href)="([^"]+)"', page) == ["data:,", "tones.wav", "plain/tones.wav", "lines.txt"]
    lines = re.findall(r"^<div class=\"code\"><pre.*?>curl .*(http\S+?)</pre>", page, re.MULTILINE)
    assert lines == [f"http://127.0.0.1:{demo.port}/lines.txt"] * 2
    assert [words[-1] for words in commands(page)] == [
        f"http://127.0.0.1:{demo.port}/{name}" for name in ("lines.txt", "tones.wav")]
    assert '<meta name="viewport" content="width=device-width, initial-scale=1">' in page
    assert "prefers-color-scheme: dark" in page


def commands(page: str) -> list[list[str]]:
    """The lines of ``rangeware get`` on the page, as the words that follow in a shell."""
    found = re.findall(r"<pre[^>]*>[^<\n]*rangeware (get [^<\n]+)</pre>", page)
    return [shlex.split(html.unescape(line)) for line in found]


def test_command_on_the_page_downloads_the_file(demo: Demo, wholes: dict[str, Answer], tmp_path: Path) -> None:
    found = commands(ask(demo, "/").content.decode())
    assert len(found) == 2
    for words in found:
        unhurried = [word.replace("1M", "1G") for word in words]
        done = subprocess.run([sys.executable, "-m", "rangeware", *unhurried, "-d", tmp_path], cwd=ROOT, timeout=60,
                              capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    assert {f"/{file.name}": file.read_bytes() for file in tmp_path.iterdir()} == {
        path: answer.content for path, answer in wholes.items()}


@pytest.mark.parametrize("path", LENGTHS)
def test_whole_is_advertised_and_has_a_strong_tag(wholes: dict[str, Answer], path: str) -> None:
    status, fields, content = wholes[path]
    assert (status, len(content), fields["Content-Length"]) == (200, LENGTHS[path], str(LENGTHS[path]))
    assert fields.get_all("Accept-Ranges") == ["bytes"]
    assert re.fullmatch(r'"[\w-]+"', fields["ETag"])


def test_sound_is_a_minute_long(wholes: dict[str, Answer]) -> None:
    with wave.open(io.BytesIO(wholes["/tones.wav"].content)) as sound:
        assert sound.getnframes() / sound.getframerate() == 60
        assert len(set(sound.readframes(8_000))) > 50


def test_each_line_names_the_byte_it_stands_at(wholes: dict[str, Answer]) -> None:
    content = wholes["/lines.txt"].content
    assert [int(number) for number in re.findall(rb"byte +([0-9]+)\.\n", content)] == list(range(0, LINES_LENGTH, 32))


@pytest.mark.each
@pytest.mark.parametrize("path", LENGTHS)
@pytest.mark.parametrize(("value", "part"), [
    pytest.param("bytes=0-0", slice(0, 1), id="one byte"),
    pytest.param("bytes=1000-100999", slice(1_000, 101_000), id="somewhere"),
    pytest.param("bytes=300000-", slice(300_000, None), id="to the end"),
    pytest.param("bytes=-500", slice(-500, None), id="suffix"),
])
def test_range(demo: Demo, wholes: dict[str, Answer], path: str, value: str, part: slice) -> None:
    window = range(LENGTHS[path])[part]
    answer = ask(demo, path, {"Range": value})
    assert (answer.status, answer.fields["Content-Range"]) == (206, f"bytes {window[0]}-{window[-1]}/{LENGTHS[path]}")
    assert answer.content == wholes[path].content[part]
    assert answer.fields["ETag"] == wholes[path].fields["ETag"]


@pytest.mark.parametrize("path", LENGTHS)
def test_two_ranges_in_the_order_of_a_stream(demo: Demo, wholes: dict[str, Answer], path: str) -> None:
    status, fields, content = ask(demo, path, {"Range": "bytes=400000-400031,320-351"})
    message = email.message_from_bytes(f"Content-Type: {fields['Content-Type']}\r\n\r\n".encode() + content)
    parts = {part["Content-Range"]: part.get_payload(decode=True) for part in message.walk() if part is not message}
    whole = wholes[path].content
    expected = {f"bytes {first}-{first + 31}/{len(whole)}": whole[first:first + 32] for first in (400_000, 320)}
    assert (status, message.get_content_type(), parts) == (206, "multipart/byteranges", expected)
    assert list(parts) == list(reversed(expected))


@pytest.mark.parametrize("path", LENGTHS)
def test_nothing_beyond_the_end(demo: Demo, path: str) -> None:
    answer = ask(demo, path, {"Range": f"bytes={LENGTHS[path]}-"})
    assert (answer.status, answer.fields["Content-Range"]) == (416, f"bytes */{LENGTHS[path]}")


@pytest.mark.parametrize("path", LENGTHS)
def test_malformed_field_is_ignored(demo: Demo, path: str) -> None:
    answer = ask(demo, path, {"Range": "bytes = 1-2"})
    assert (answer.status, len(answer.content)) == (200, LENGTHS[path])


@pytest.mark.parametrize("path", LENGTHS)
def test_download_broken_off_is_resumed(demo: Demo, wholes: dict[str, Answer], path: str) -> None:
    connection = demo.connect()
    connection.request("GET", path)
    answer = connection.getresponse()
    had = answer.read(100_000)
    connection.close()
    rest = ask(demo, path, {"Range": f"bytes={len(had)}-", "If-Range": answer.headers["ETag"]})
    assert (rest.status, had + rest.content) == (206, wholes[path].content)


@pytest.mark.parametrize("path", LENGTHS)
def test_download_of_another_version_begins_anew(demo: Demo, wholes: dict[str, Answer], path: str) -> None:
    answer = ask(demo, path, {"Range": "bytes=100000-", "If-Range": '"another"'})
    assert (answer.status, answer.content) == (200, wholes[path].content)
    assert answer.fields["Content-Range"] is None


@pytest.mark.parametrize("path", LENGTHS)
def test_version_that_is_there_is_not_sent_again(demo: Demo, wholes: dict[str, Answer], path: str) -> None:
    answer = ask(demo, path, {"If-None-Match": wholes[path].fields["ETag"]})
    assert (answer.status, answer.content) == (304, b"")


@pytest.mark.parametrize("path", ["/tones.wav", "/lines.txt"])
def test_views_without_rangeware_are_the_same_and_have_no_ranges(demo: Demo, wholes: dict[str, Answer],
                                                                 path: str) -> None:
    answer = ask(demo, f"/plain{path}", {"Range": "bytes=0-1"})
    assert (answer.status, answer.content) == (200, wholes[path].content)
    assert answer.fields["Accept-Ranges"] is None


@pytest.mark.parametrize("path", ["/", *LENGTHS, *(f"/plain{path}" for path in LENGTHS)])
def test_head(demo: Demo, path: str) -> None:
    answer, whole = (ask(demo, path, method=method) for method in ("HEAD", "GET"))
    assert (answer.status, answer.content) == (200, b"")
    for name in ("Content-Length", "Content-Type", "ETag", "Accept-Ranges"):
        assert answer.fields[name] == whole.fields[name]


def test_taken_port_is_named(demo: Demo) -> None:
    with start("--port", str(demo.port)) as second:
        said, _ = second.communicate(timeout=START_SECONDS)
    assert second.returncode == 1
    assert said == (f"Cannot listen on 127.0.0.1:{demo.port}: Address already in use. "
                    "Choose another with --port or --host.\n")


@pytest.mark.parametrize(("arguments", "code", "words"), [
    pytest.param(["--help"], 0, "--host HOST", id="help"),
    pytest.param(["--port", "65536"], 2, "a port is a number from 1 to 65535, not 65536", id="port too large"),
    pytest.param(["--port", "http"], 2, "invalid int value: 'http'", id="no number", marks=pytest.mark.grid),
    pytest.param(["--host", "192.0.2.1"], 1, "Cannot listen on 192.0.2.1:8000: ", id="host of another machine"),
])
def test_command_line(arguments: list[str], code: int, words: str) -> None:
    with start(*arguments) as process:
        said, _ = process.communicate(timeout=START_SECONDS)
    assert (process.returncode, words in said) == (code, True), said
    assert "Traceback" not in said


def test_ends_with_a_download_under_way() -> None:
    with running_demo() as own, contextlib.closing(own.connect()) as connection:
        connection.request("GET", "/lines.txt", headers={"Range": "bytes=1-"})
        connection.getresponse().read(1_000)
        said = end(own.process)
    assert f"http://127.0.0.1:{own.port}/" in said
    assert own.process.returncode == 0
