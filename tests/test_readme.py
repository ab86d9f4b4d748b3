"""The README agrees with the code."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import os
import pathlib
import re
import runpy
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from importlib import import_module
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import django.conf
import pytest

import rangeware
import rangeware.client
from rangeware import InvalidOption, RangeMiddleware, Reason
from rangeware.client.cli import command
from rangeware.client.cli.arguments import _parser
from rangeware.core.options import Options
from tests.asgi_support import carry, scope_for
from tests.browser.demo import ROOT, Demo, running_demo
from tests.support import get

README = (ROOT / "README.md").read_text(encoding="utf-8")
DOWNLOADING = (ROOT / "docs" / "downloading.md").read_text(encoding="utf-8")


def rows(heading: str) -> list[list[str]]:
    """The cells of the table under a heading, without its first two lines."""
    section = re.split(r"^###? ", README, flags=re.MULTILINE)
    text = next(part for part in section if part.startswith(heading))
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]


def test_every_option_stands_there_with_its_default():
    said = {row[0].strip("` "): row[1] for row in rows("Options")}
    assert list(said) == [field.name for field in dataclasses.fields(Options)]
    for field in dataclasses.fields(Options):
        assert said[field.name].replace("`", "").startswith(str(field.default)), field.name


def test_every_reason_stands_there_with_its_sentence():
    assert {row[0].strip("` "): row[1] for row in rows("Why did I get a 200?")} == {
        reason.name: str(reason) for reason in Reason
    }


def test_there_are_at_most_eight_public_names():
    assert len(rangeware.__all__) <= 8
    assert all(hasattr(rangeware, name) for name in rangeware.__all__)


# --- the first lines of code ------------------------------------------------------------------------------------------

APP = """
from {module} import {name}, Response
app = {name}({argument})
{above}
@app.get("/film")
def film():
    return Response(b"0123456789", {type}="video/mp4")
{below}
"""
FLASK = {"module": "flask", "name": "Flask", "argument": "__name__", "type": "mimetype"}
FASTAPI = {"module": "fastapi", "name": "FastAPI", "argument": "", "type": "media_type"}
DJANGO_APP = """
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse
from django.urls import path
urlpatterns = [path("", lambda request: HttpResponse(b"0123456789", content_type="video/mp4"))]
application = get_wsgi_application()
{below}
"""
PART = (206, b"2345", "bytes 2-5/10")
places = pytest.mark.parametrize("place", ["above", "below"])


def module(template: str, mark: str, place: str, tmp_path: pathlib.Path, **words: str) -> pathlib.Path:
    """A module with the lines of the README above or below the routes."""
    path = tmp_path / f"films_{mark}.py"
    path.write_text(template.format(**{"above": "", "below": "", place: example(mark), **words}))
    return path


@places
def test_the_lines_for_flask(place: str, tmp_path: pathlib.Path):
    path = module(APP, "flask", place, tmp_path, **FLASK)
    response = runpy.run_path(str(path))["app"].test_client().get("/film", headers={"Range": "bytes=2-5"})
    assert (response.status_code, response.data, response.headers["Content-Range"]) == PART
    routes = subprocess.run([sys.executable, "-m", "flask", "--app", path.stem, "routes"], cwd=tmp_path, check=True,
                            capture_output=True, text=True).stdout
    assert "/film" in routes  # flask run finds the app in the same way


@places
def test_the_lines_for_fastapi(place: str, tmp_path: pathlib.Path):
    path = module(APP, "fastapi", place, tmp_path, **FASTAPI)
    answer = carry(runpy.run_path(str(path))["app"], scope_for(path="/film", range="bytes=2-5")).answer()
    assert (answer.status, answer.body, answer.get("Content-Range")) == PART


def test_the_lines_for_django(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch):
    path = module(DJANGO_APP, "django", "below", tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    if not django.conf.settings.configured:
        django.conf.settings.configure()
    middleware = ["django.middleware.common.CommonMiddleware"]  # as in every new project; it adds Content-Length
    monkeypatch.setattr(django.conf.settings, "MIDDLEWARE", middleware, raising=False)
    monkeypatch.setattr(django.conf.settings, "ALLOWED_HOSTS", ["*"], raising=False)
    films = import_module(path.stem)
    monkeypatch.setattr(django.conf.settings, "ROOT_URLCONF", path.stem, raising=False)
    answer = get(films.application, "bytes=2-5")
    assert (answer.status, answer.body, answer.get("Content-Range")) == PART


def test_they_come_first():
    assert re.findall(r"<!-- (\w+) -->", README)[:3] == ["flask", "django", "fastapi"]
    assert "every generator" not in README


# --- Download ---------------------------------------------------------------------------------------------------------

def example(mark: str) -> str:
    """The code below a comment in the README."""
    match = re.search(rf"<!-- {mark} -->\n```\w+\n(.*?)```\n", README, re.DOTALL)
    assert match is not None, mark
    return match[1]


def test_exit_codes_stand_there_with_their_errors():
    said = {int(code): error.strip("`") for code, _, error in rows("Exit codes")}
    errors = rangeware.client.DownloadError.__subclasses__()
    in_code = {error.exit_code: error.__name__ for error in errors if error.__module__ == "rangeware.client.errors"}
    assert len(in_code) == 4
    assert said == {
        **in_code, 0: "a `Download", command.USAGE_ERROR: InvalidOption.__name__,
        command.INTERRUPTED: "KeyboardInterrupt", command.TERMINATED: "",
    }


def test_exit_codes_are_those_of_the_help(capsys: pytest.CaptureFixture[str]):
    assert command.main(["get", "--help"]) == 0
    in_help = re.findall(r"^ +([0-9]+)  \S", capsys.readouterr().out, re.MULTILINE)
    assert in_help == [code for code, _, _ in rows("Exit codes")]


def test_options_of_the_command_are_there():
    known = set(_parser()._option_string_actions)
    said = re.findall(r"`(-[^ `]+)", "".join(row[0] for row in rows("Download")))
    assert len(said) >= 10
    assert set(said) <= known


def test_options_of_the_command_in_the_text_are_there():
    known = set(_parser()._option_string_actions)
    named = set(re.findall(r"`(--?[a-z][a-z0-9-]*)", DOWNLOADING))
    assert named
    assert named <= known


def test_links_within_the_text_lead_somewhere():
    headings = {re.sub(r"[^\w -]", "", line).strip().lower().replace(" ", "-")
                for line in re.findall(r"^## (.*)$", DOWNLOADING, re.MULTILINE)}
    assert headings == set(re.findall(r"\(#([^)]+)\)", DOWNLOADING))


# What was typed and said, and the same now

@pytest.fixture(scope="module")
def demo() -> Iterator[Demo]:
    with running_demo() as running:
        yield running


def session() -> list[tuple[str, list[str]]]:
    """The lines typed, each with the lines that came."""
    typed: list[tuple[str, list[str]]] = []
    for line in example("session").splitlines():
        if line.startswith("$ "):
            typed.append((line[2:], []))
        else:
            typed[-1][1].append(line)
    return typed


def run(line: str, demo: Demo, directory: pathlib.Path, *, interrupted: bool) -> tuple[int, str]:
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
    line = re.sub(r" [0-9.]+ s\b", " SECONDS", line)
    return re.sub(r"\S*python\S* -m rangeware", "rangeware", line)


def test_session_runs_as_it_stands_there(demo: Demo, tmp_path: pathlib.Path):
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
def files_of(contents: dict[str, bytes]) -> Iterator[str]:
    """The address of a server that has these files, by their paths."""
    def app(environ: Any, start_response: Any) -> list[bytes]:
        content = contents[environ["PATH_INFO"]]
        start_response("200 OK", [("Content-Type", "application/octet-stream"), ("ETag", f'"{len(content)}"')])
        return [content]

    with make_server("127.0.0.1", 0, RangeMiddleware(app), WSGIServer, Quiet) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def test_library_example_runs(tmp_path: pathlib.Path):
    code = example("library")
    paths = {"/film.mp4": "films/film.mp4", "/song.ogg": "song.ogg", "/one.zip": "one.zip", "/two.zip": "two.zip"}
    contents = {path: os.urandom(300_000 + number) for number, path in enumerate(paths)}
    with files_of(contents) as url:
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", code.replace("https://example.org", url)], cwd=tmp_path, timeout=60,
            env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "films/film.mp4 300000 \"300000\"" in done.stdout
    assert {path: (tmp_path / name).read_bytes() for path, name in paths.items()} == contents
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()) == sorted(
        paths.values())
