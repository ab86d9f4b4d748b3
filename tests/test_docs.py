"""The pages of ``docs`` agree with the code, their examples run, and their links lead somewhere."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import os
import re
import runpy
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import flask
import pytest

import rangeware.client
from rangeware import InvalidOption, RangeMiddleware, Reason
from rangeware.client.cli import command
from rangeware.client.cli.arguments import make_get_parser
from rangeware.client.errors import OutputClosed
from rangeware.core.options import Options
from rangeware.uploads import FileStorage, UploadApp
from tests.asgi_support import carry, scope_for
from tests.browser.demo import ROOT, Demo, running_demo
from tests.support import Answer, get

DOCS = ROOT / "docs"
PAGES = {path.name: path.read_text(encoding="utf-8") for path in sorted(DOCS.glob("*.md"))}
REPOSITORY = "https://github.com/rangeware/rangeware"
NUMBERS = "".join(f"{number:06}\n" for number in range(100_000)).encode()


def rows(page: str, heading: str) -> list[list[str]]:
    """The cells of the first table under a heading, without its first two lines."""
    section = re.split(r"^##? ", PAGES[page], flags=re.MULTILINE)
    text = next(part for part in section if part.startswith(heading + "\n"))
    table = re.search(r"(?:^\|.*\n)+", text, re.MULTILINE)
    assert table is not None
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table[0].splitlines()[2:]]


def example(page: str, mark: str) -> str:
    """The code below a comment, at the margin."""
    match = re.search(rf"^( *)<!-- {mark} -->\n *```\w+\n(.*?)^ *```$", PAGES[page], re.DOTALL | re.MULTILINE)
    assert match is not None, mark
    return re.sub(rf"^{match[1]}", "", match[2], flags=re.MULTILINE)


# --- tables -----------------------------------------------------------------------------------------------------------

def test_every_option_stands_there_with_its_default():
    said = {row[0].strip("` "): row[1] for row in rows("options.md", "Options")}
    assert list(said) == [field.name for field in dataclasses.fields(Options)]
    for field in dataclasses.fields(Options):
        assert said[field.name].replace("`", "").startswith(str(field.default)), field.name


def test_every_reason_stands_there_with_its_sentence():
    assert {row[0].strip("` "): row[1] for row in rows("options.md", "Why did I get a 200?")} == {
        reason.name: str(reason) for reason in Reason
    }


def test_exit_codes_stand_there_with_their_errors():
    said = {int(code): error.strip("`") for code, _, error in rows("downloading.md", "Exit codes")}
    errors = rangeware.client.DownloadError.__subclasses__()
    in_code = {error.exit_code: error.__name__ for error in errors if error.__module__ == "rangeware.client.errors"}
    assert len(in_code) == 4
    assert said == {
        **in_code, 0: "a `Download", command.USAGE_ERROR: InvalidOption.__name__,
        command.INTERRUPTED: "KeyboardInterrupt", OutputClosed.exit_code: OutputClosed.__name__, command.TERMINATED: "",
    }


def test_exit_codes_are_those_of_the_help(capsys: pytest.CaptureFixture[str]):
    assert command.main(["get", "--help"]) == 0
    in_help = re.findall(r"^ +([0-9]+)  \S", capsys.readouterr().out, re.MULTILINE)
    assert in_help == [code for code, _, _ in rows("downloading.md", "Exit codes")]


def test_options_of_the_command_are_there():
    known = set(make_get_parser()._option_string_actions)
    said = re.findall(r"`(-[^ `]+)", "".join(row[0] for row in rows("downloading.md", "Downloading")))
    assert len(said) >= 10
    assert set(said) <= known


def test_options_of_the_command_in_the_text_are_there():
    text = PAGES["downloading.md"]
    ours = text[text.index("## The first request"):]  # before it, options of other programs are named
    named = set(re.findall(r"`(--?[a-z][a-z0-9-]*)", ours))
    assert named
    assert named <= set(make_get_parser()._option_string_actions)


# --- links ------------------------------------------------------------------------------------------------------------

def anchors(text: str) -> set[str]:
    """The anchors that GitHub and the site make of headings."""
    return {re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-")
            for heading in re.findall(r"^#+ (.*)$", re.sub(r"```.*?```", "", text, flags=re.DOTALL), re.MULTILINE)}


def links(page: str) -> list[str]:
    text = re.sub(r"^ *```.*?^ *```$", "", PAGES[page], flags=re.DOTALL | re.MULTILINE)
    return re.findall(r"\]\(([^()\s]+)\)", text)


@pytest.mark.parametrize("page", PAGES)
def test_relative_links_lead_somewhere(page: str):
    for link in links(page):
        if "://" not in link:
            name, _, anchor = link.partition("#")
            assert name == "" or (DOCS / name).is_file(), link
            assert anchor == "" or anchor in anchors(PAGES[name or page]), link


@pytest.mark.parametrize("page", PAGES)
def test_relative_links_stay_in_the_folder(page: str):
    """The site has nothing else, but for pictures, which it copies."""
    text = re.sub(r"!\[[^\]]*\]\(\.\./[^)]+\.png\)", "", PAGES[page])
    assert "](../" not in text
    assert "](/" not in text


@pytest.mark.parametrize("page", PAGES)
def test_links_to_elsewhere_are_well_formed(page: str):
    for link in links(page):
        if "://" in link:
            parts = urlsplit(link)
            assert parts.scheme == "https", link
            assert re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)*\.[a-z]{2,}", parts.netloc), link
            assert not re.search(r"example|todo|xxx|localhost", link, re.IGNORECASE), link


@pytest.mark.parametrize("page", PAGES)
def test_links_to_the_repository_name_files_that_are_there(page: str):
    for link in links(page):
        if link.startswith(REPOSITORY):
            match = re.fullmatch(rf"{REPOSITORY}/(blob|tree)/main/([\w./-]+)", link)
            assert match is not None, link
            path = ROOT / match[2]
            assert path.is_file() if match[1] == "blob" else path.is_dir(), link


def test_every_page_is_in_the_table_of_contents():
    trees = re.findall(r"^```\{toctree\}\n(.*?)^```$", PAGES["index.md"], re.DOTALL | re.MULTILINE)
    named = [line + ".md" for tree in trees for line in tree.splitlines() if line and not line.startswith(":")]
    assert sorted(named) == sorted(PAGES.keys() - {"index.md"})


# --- code -------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("page", PAGES)
def test_python_is_run_by_a_test_or_says_why_not(page: str):
    """Each block has a mark by which a test finds it, or ``not run`` and the reason."""
    blocks = re.findall(r"^(.*)\n *```python$", PAGES[page], re.MULTILINE)
    for line in blocks:
        assert re.fullmatch(r" *<!-- (recipe: .+|quickstart: .+|runs: [\w-]+|not run: .{10,}) -->", line), line


def test_every_block_that_is_to_run_is_run():
    marks = {mark for text in PAGES.values() for mark in re.findall(r"<!-- runs: ([\w-]+) -->", text)}
    source = Path(__file__).read_text(encoding="utf-8")
    assert marks
    assert [mark for mark in marks if f'"runs: {mark}"' not in source] == []


def films(name: str, directory: Path) -> dict[str, Any]:
    """The module of a quick start, loaded in a folder with a film."""
    (directory / "film.mp4").write_bytes(NUMBERS)
    os.utime(directory / "film.mp4", (1_600_000_000, 1_600_000_000))  # no ETag is made for a file still being written
    (directory / "films.py").write_text(example("quickstart.md", f"quickstart: {name}, file films.py"))
    return runpy.run_path(str(directory / "films.py"))


def check_whole(text: Answer, film: Answer) -> None:
    """Without Range: the same two files, each with a validator by which a client resumes."""
    for answer, kind in ((text, "text/plain"), (film, "video/mp4")):
        assert (answer.status, answer.body) == (200, NUMBERS)
        assert (answer.get("Content-Type") or "").startswith(kind)
        assert re.fullmatch(r'"[^"]+"', answer.get("ETag") or "")


def check_parts(one: Answer, two: Answer) -> None:
    assert (one.status, one.body, one.get("Content-Range")) == (206, b"000100\n", "bytes 700-706/700000")
    assert two.status == 206
    assert two.get("Content-Type").startswith("multipart/byteranges")


@pytest.mark.parametrize("name", ["flask", "bottle", "wsgi"])
def test_quick_starts_of_wsgi(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    app = films(name, tmp_path)["app"]
    if name == "flask":  # it finds the file below the module's folder
        app.root_path = str(tmp_path)
    check_whole(get(app, path="/numbers.txt"), get(app, path="/film.mp4"))
    check_parts(get(app, "bytes=700-706", path="/numbers.txt"), get(app, "bytes=0-9,20-29", path="/film.mp4"))


@pytest.mark.parametrize("name", ["fastapi", "starlette", "asgi"])
def test_quick_starts_of_asgi(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    app = films(name, tmp_path)["app"]
    check_whole(carry(app, scope_for(path="/numbers.txt")).answer(), carry(app, scope_for(path="/film.mp4")).answer())
    check_parts(carry(app, scope_for(path="/numbers.txt", range="bytes=700-706")).answer(),
                carry(app, scope_for(path="/film.mp4", range="bytes=0-9,20-29")).answer())


def test_the_line_of_the_first_page():
    app = flask.Flask("films")
    app.add_url_rule("/", view_func=lambda: "0123456789")
    exec(example("index.md", "runs: first-line"), {"app": app})
    answer = app.test_client().get("/", headers={"Range": "bytes=2-5"})
    assert (answer.status_code, answer.data) == (206, b"2345")


def test_example_of_the_options(capsys: pytest.CaptureFixture[str]):
    def plain(environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        return iter([b"01234", b"56789"])  # of unknown length: spool_limit makes it known

    names: dict[str, Any] = {"app": plain}
    exec(example("options.md", "runs: options"), names)
    assert get(names["app"], "bytes=2-5").body == b"2345"
    assert capsys.readouterr().out == "206 SLICED\n"
    assert get(names["app"], "bytes=2-5", path="/internal/").status == 200
    assert capsys.readouterr().out == ""


def test_the_log_tells_the_reason():
    code = f"""
{example("options.md", "runs: log")}
from tests.support import answering, get
from rangeware import RangeMiddleware
get(RangeMiddleware(answering([b"0123456789"])), "bytes=9-2")
"""
    said = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stderr
    assert said.startswith(f"DEBUG:rangeware:200: {Reason.SYNTAX}")


# --- downloads and uploads --------------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def demo() -> Iterator[Demo]:
    with running_demo() as running:
        yield running


def session() -> list[tuple[str, list[str]]]:
    """The lines typed, each with the lines that came."""
    typed: list[tuple[str, list[str]]] = []
    for line in example("downloading.md", "runs: session").splitlines():
        if line.startswith("$ "):
            typed.append((line[2:], []))
        else:
            typed[-1][1].append(line)
    return typed


def run(line: str, demo: Demo, directory: Path, *, interrupted: bool) -> tuple[int, str]:
    """Run ``rangeware get`` as it was typed, but for the port; its exit code, and what it says."""
    words = shlex.split(line.replace("http://127.0.0.1:8000/", demo.url), comments=True)
    assert words[0] == "rangeware"
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "rangeware", *words[1:]], cwd=directory, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        said = ""
        if interrupted:
            assert process.stdout is not None
            while "%" not in said and process.poll() is None:  # the first line on its progress
                said += process.stdout.readline()
            process.send_signal(signal.SIGINT)
        said += process.communicate(timeout=60)[0]
        return process.returncode, said
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()


def in_general(line: str) -> str:
    """A line with its figures left out; the program may have been started in another way."""
    line = re.sub(r"http://[^/]*/", "http://host/", line)
    line = re.sub(r"[0-9][0-9.]* ([KMG]i)?B\b", "SIZE", line)
    line = re.sub(r"[0-9][0-9,]* of 2,403,415 bytes\b", "SIZE of all", line)
    line = re.sub(r" [0-9.]+ s\b", " SECONDS", line)
    return re.sub(r"\S*python\S* -m rangeware", "rangeware", line)


def test_session_runs_as_it_stands_there(demo: Demo, tmp_path: Path):
    (first, first_said), (second, second_said), (last, digests) = session()
    exit_code, said = run(first, demo, tmp_path, interrupted=True)
    assert exit_code == 130, said
    more = [line for line in said.splitlines() if " % of " not in line]  # instead of the bar on a terminal
    assert [in_general(line) for line in more] == [in_general(line) for line in first_said]
    assert {path.name for path in tmp_path.iterdir()} == {"clock.mp4.part", "clock.mp4.part.json"}
    exit_code, said = run(second, demo, tmp_path, interrupted=False)
    assert exit_code == 0, said
    more = [line for line in said.splitlines() if " % of " not in line]
    assert [in_general(line) for line in more] == [in_general(line) for line in second_said]
    content = (tmp_path / "clock.mp4").read_bytes()
    assert content == (ROOT / "demo_flask" / "media" / "clock.mp4").read_bytes()
    program, *names = shlex.split(last)
    assert program == "sha256sum"
    assert digests == [f"{hashlib.sha256(content).hexdigest()}  {name}" for name in names]


class Quiet(WSGIRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


@contextlib.contextmanager
def serving(app: Any) -> Iterator[str]:
    """The address of a server of an app."""
    with make_server("127.0.0.1", 0, app, WSGIServer, Quiet) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def run_code(code: str, url: str, directory: Path) -> str:
    """Run an example in a folder, with another address; what it prints."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code.replace("https://example.org", url)], cwd=directory, timeout=60,
        env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_library_example_runs(tmp_path: Path):
    paths = {"/film.mp4": "films/film.mp4", "/song.ogg": "song.ogg", "/one.zip": "one.zip", "/two.zip": "two.zip"}
    contents = {path: os.urandom(300_000 + number) for number, path in enumerate(paths)}

    def app(environ: Any, start_response: Any) -> list[bytes]:
        content = contents[environ["PATH_INFO"]]
        start_response("200 OK", [("Content-Type", "application/octet-stream"), ("ETag", f'"{len(content)}"')])
        return [content]

    with serving(RangeMiddleware(app)) as url:
        said = run_code(example("downloading.md", "runs: library"), url, tmp_path)
    assert "films/film.mp4 300000 \"300000\"" in said
    assert {path: (tmp_path / name).read_bytes() for path, name in paths.items()} == contents
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()) == sorted(
        paths.values())


def test_example_of_a_check_runs(tmp_path: Path):
    content = os.urandom(300_000)

    def app(environ: Any, start_response: Any) -> list[bytes]:
        headers = [("Content-Type", "video/mp4"), ("Content-Length", str(len(content))), ("ETag", '"one"')]
        start_response("200 OK", headers)
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [content]

    with serving(RangeMiddleware(app)) as url:
        said = run_code(example("checking.md", "runs: check"), url, tmp_path)
    assert said.startswith("good\n")
    assert "'verdict': 'good'" in said


def test_example_of_an_upload_runs(tmp_path: Path):
    content = os.urandom(300_000)
    (tmp_path / "film.mp4").write_bytes(content)
    storage = FileStorage(tmp_path / "uploads")
    with serving(UploadApp(storage, path="/files/")) as url:
        said = run_code(example("uploading-client.md", "runs: put"), url, tmp_path)
    [upload] = storage.uploads()
    assert storage.path(upload.id).read_bytes() == content
    assert upload.metadata["album"] == "Rome"
    assert said.splitlines()[-1].split()[0].endswith(f"/files/{upload.id}")


def test_example_of_upload_forms_runs(tmp_path: Path):
    names: dict[str, Any] = {}
    exec(example("upload-forms.md", "runs: forms").replace("/srv/chunked", str(tmp_path)), names)
    answer = get(names["application"], path="/UploadVideo/checkChunk", validate=False)
    assert answer.status == 403  # nobody has logged in
