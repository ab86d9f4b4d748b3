"""The recipes of docs/deploying.md, each taken from there as it stands, started, and asked for ranges.

What is replaced: the port, the directories, and for a recipe of a prefix the line of the server's configuration that it
says it stands for. The film, Django's settings and what surrounds Apache's site are ours.
"""

from __future__ import annotations

import contextlib
import gzip
import os
import random
import re
import shlex
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from paste.deploy import loadapp

from rangeware import InvalidOption, RangeMiddleware
from tests.matrix import apache, launch
from tests.matrix.checks import CLOSES
from tests.matrix.launch import RANGE_LIMIT, SERVERS, Running
from tests.matrix.test_failing_sources import STAYS_OPEN
from tests.matrix.test_hostile import REFUSAL, UNLIMITED
from tests.matrix.wire import Connection
from tests.support import get, parts

pytestmark = [
    pytest.mark.matrix,
    pytest.mark.filterwarnings("ignore:.*pkg_resources"),  # Pyramid imports it
]

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = (ROOT / "docs" / "deploying.md").read_text(encoding="utf-8")
FILM = random.Random(1922).randbytes(300_000)
SITE, VENV = "/srv/films", "/srv/films/venv"
"""The names that the document uses and the tests replace."""
FAILS, LONGEST, BEYOND, KEPT_ALIVE = 4, 5, 6, 7  # columns of the table of servers
_BLOCK = re.compile(r"^<!-- recipe: ([\w-]+)(?:, file ([\w./]+))? -->\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Recipe(NamedTuple):
    """A recipe: its files by name, and the command that is typed in, if any."""

    files: dict[str, str]
    command: str


def _recipes() -> dict[str, Recipe]:
    recipes: dict[str, Recipe] = {}
    for name, file, text in _BLOCK.findall(DOCUMENT):
        recipe = recipes.setdefault(name, Recipe({}, ""))
        if file:
            recipe.files[file] = text
        else:
            assert not recipe.command, f"{name} has two commands"
            recipes[name] = recipe._replace(command=text)
    return recipes


RECIPES = _recipes()


# --- starting ---

DJANGO = {
    "mysite/__init__.py": "",
    "mysite/settings.py": 'ROOT_URLCONF = "mysite.urls"\nALLOWED_HOSTS = ["*"]\nSECRET_KEY = "for a test"\n',
    "mysite/urls.py": f"""\
from django.http import FileResponse
from django.urls import path

urlpatterns = [path("film.mp4", lambda request: FileResponse(open("{SITE}/film.mp4", "rb")))]
""",
}
"""The rest of a Django project."""

APACHE = f"""\
ServerRoot "{SITE}"
ServerName localhost
DefaultRuntimeDir "{SITE}"
PidFile "{SITE}/apache.pid"
ErrorLog "{SITE}/apache.log"
Listen 127.0.0.1:8000
LoadModule mpm_event_module {apache.MODULES}/mod_mpm_event.so
LoadModule authz_core_module {apache.MODULES}/mod_authz_core.so
LoadModule wsgi_module {apache.MODULES}/mod_wsgi.so
WSGISocketPrefix "{SITE}/ws"
WSGIRestrictEmbedded On
Include "{SITE}/films.conf"
"""
"""What surrounds a site in Apache's configuration."""

APACHE_COMMAND = shlex.join([*apache.as_somebody(), "apache2", "-f", f"{SITE}/apache.conf", "-DFOREGROUND"])


def _instead(name: str, line: str, other: str) -> dict[str, str]:
    """The configuration of a recipe, with what another recipe says instead of one of its lines."""
    [(file, text)] = [(file, text) for file, text in RECIPES[name].files.items() if line in text]
    [new] = RECIPES[other].files.values()
    changed, count = re.subn(rf"^ *{line}.*\n", new, text, flags=re.MULTILINE)
    assert count == 1
    return {**RECIPES[name].files, file: changed}


@contextlib.contextmanager
def at_work(directory: Path, files: dict[str, str], command: str) -> Iterator[Running]:
    """The command of a recipe at work among its files and the film; it has answered one request."""
    (directory / "film.mp4").write_bytes(FILM)
    for _ in range(launch.ATTEMPTS):  # a port that was free may be taken by someone else meanwhile
        running = _started(directory, files, command)
        with contextlib.suppress(launch._PortTaken):
            launch._wait_or_end(running)
            break
    try:
        assert running.alive(), running.log()
        yield running
    finally:
        running.end()


def _here(text: str, directory: Path, port: int) -> str:
    """The text for this directory and port."""
    for written, meant in ((VENV, sys.prefix), (SITE, str(directory)), ("127.0.0.1:8000", f"127.0.0.1:{port}"),
                           ("*:80>", f"*:{port}>"), ("port 8000", f"port {port}"), ("-p 8000", f"-p {port}")):
        text = text.replace(written, meant)
    return text


def _started(directory: Path, files: dict[str, str], command: str) -> Running:
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = free.getsockname()
    for name, text in files.items():
        (directory / name).parent.mkdir(exist_ok=True)
        (directory / name).write_text(_here(text, directory, address[1]))
    path = os.pathsep.join([str(Path(sys.executable).parent), apache.PATH])
    environ = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    with open(directory / "server.log", "wb") as log:
        process = subprocess.Popen(
            [*apache.WITH_US, "bash", "-euc", _here(command, directory, address[1])], cwd=directory, env=environ,
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    return Running("recipe", address, process, directory)


# --- asking ---

def check(running: Running, path: str = "/film.mp4") -> None:
    """The film whole, ranges of it, and none that can be satisfied, on as many connections as the server wants."""
    with Connection(running.address) as client:
        whole = client.ask(path)
        assert (whole.status, whole.body, whole.get("Accept-Ranges")) == (200, FILM, "bytes"), running.log()
        first = client.ask(path, Range="bytes=0-9")
        assert (first.status, first.body, first.get("Content-Range")) == (206, FILM[:10], "bytes 0-9/300000")
        large = client.ask(path, Range="bytes=50000-249999")
        assert (large.status, large.body) == (206, FILM[50_000:250_000])
        both = client.ask(path, Range="bytes=0-9,200000-200009")
        assert both.status == 206
        assert [part.content for part in parts(both)] == [FILM[:10], FILM[200_000:200_010]]
        beyond = client.ask(path, Range="bytes=300000-")
        assert (beyond.status, beyond.get("Content-Range")) == (416, "bytes */300000")
        refused = client.ask(path, Range="bytes=9-0")
        assert (refused.status, refused.body) == (200, FILM)


# --- recipes ---

FLASK = RECIPES["flask"].files
GUNICORN = RECIPES["gunicorn"].command
FASTAPI = RECIPES["fastapi"].files
UVICORN = RECIPES["uvicorn"].command
TESTED: dict[str, tuple[dict[str, str], str]] = {  # recipe: what lies beside its own files; its command, if it has none
    "flask": ({}, GUNICORN),
    "bottle": ({}, GUNICORN),
    "django": (DJANGO, ""),
    "pyramid": ({}, ""),
    "gunicorn": (FLASK, ""),
    "uwsgi": (FLASK, ""),
    "waitress": (FLASK, ""),
    "waitress-serve": (FLASK, ""),
    "mod_wsgi": ({**FLASK, "apache.conf": APACHE}, APACHE_COMMAND),
    "middlewares": ({}, GUNICORN),
    "fastapi": ({}, UVICORN),
    "litestar": ({}, UVICORN),
    "quart": ({}, UVICORN),
    "django-asgi": (DJANGO, ""),
    "blacksheep": ({}, UVICORN),
    "uvicorn": (FASTAPI, ""),
    "hypercorn": (FASTAPI, ""),
    "hypercorn-trio": (FASTAPI, ""),
    "daphne": (FASTAPI, ""),
    "granian": (FASTAPI, ""),
}
UNDER_A_PREFIX: dict[str, tuple[dict[str, str], str]] = {
    "prefix": ({}, GUNICORN),
    "prefix-gunicorn": (FLASK, ""),
    "prefix-waitress": (FLASK, ""),
    "prefix-uwsgi": ({**FLASK, **_instead("uwsgi", "module = ", "prefix-uwsgi")}, RECIPES["uwsgi"].command),
    "prefix-mod_wsgi": ({**FLASK, **_instead("mod_wsgi", "WSGIScriptAlias ", "prefix-mod_wsgi"), "apache.conf": APACHE},
                        APACHE_COMMAND),
}


def _at_work(name: str, directory: Path, beside: dict[str, str],
             command: str) -> contextlib.AbstractContextManager[Running]:
    return at_work(directory, {**beside, **RECIPES[name].files}, RECIPES[name].command or command)


@pytest.mark.parametrize("name", TESTED)
def test_a_recipe_serves_ranges(name: str, tmp_path: Path) -> None:
    with _at_work(name, tmp_path, *TESTED[name]) as running:
        check(running)


@pytest.mark.parametrize("name", UNDER_A_PREFIX)
def test_a_recipe_serves_ranges_under_its_prefix(name: str, tmp_path: Path) -> None:
    with _at_work(name, tmp_path, *UNDER_A_PREFIX[name]) as running:
        check(running, "/films/film.mp4")


def test_the_view_for_django_under_asgi_is_good_for_resuming(tmp_path: Path) -> None:
    urls = """\
from django.urls import path
from mysite.films import film

urlpatterns = [path("film.mp4", film)]
"""
    project = {**DJANGO, "mysite/urls.py": urls}
    with _at_work("django-asgi", tmp_path, project, "") as running, Connection(running.address) as client:
        first = client.ask("/film.mp4", Range="bytes=0-9")
        assert (first.status, first.body) == (206, FILM[:10])
        assert first.get("Last-Modified") is not None
        rest = client.ask("/film.mp4", Range="bytes=10-19", If_Range=str(first.get("ETag")))
        assert (rest.status, rest.body) == (206, FILM[10:20])
        whole = client.ask("/film.mp4", Range="bytes=10-19", If_Range='"another"')
        assert (whole.status, whole.body) == (200, FILM)


def test_a_compressor_inside_has_its_answers_sent_whole(tmp_path: Path) -> None:
    with _at_work("middlewares", tmp_path, *TESTED["middlewares"]) as running, Connection(running.address) as client:
        answer = client.ask("/list.txt", Range="bytes=0-9", Accept_Encoding="gzip")
        assert (answer.status, answer.get("Content-Encoding")) == (200, "gzip")
        assert gzip.decompress(answer.body) == b"Nosferatu, 1922\n" * 1000
        plain = client.ask("/list.txt", Range="bytes=0-8")
        assert (plain.status, plain.body) == (206, b"Nosferatu")


def test_uwsgi_takes_long_range_fields_with_the_buffer_of_the_recipe(tmp_path: Path) -> None:
    with _at_work("uwsgi", tmp_path, *TESTED["uwsgi"]) as running, Connection(running.address) as client:
        answer = client.ask("/film.mp4", Range="bytes=" + "0" * 30_000 + "-9")
        assert (answer.status, answer.body) == (206, FILM[:10])


# --- Paste ---

def _loaded(directory: Path, monkeypatch: pytest.MonkeyPatch, old: str = "", new: str = "") -> Any:
    """The app of the Pyramid recipe as PasteDeploy makes it, with one line of the ini changed."""
    (directory / "film.mp4").write_bytes(FILM)
    for name, text in RECIPES["pyramid"].files.items():
        assert name != "production.ini" or old in text
        (directory / name).write_text(_here(text.replace(old, new) if old else text, directory, 0))
    monkeypatch.syspath_prepend(directory)
    monkeypatch.delitem(sys.modules, "films", raising=False)
    return loadapp(f"config:{directory / 'production.ini'}")


def test_paste_finds_the_filter_by_its_entry_point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = _loaded(tmp_path, monkeypatch)
    assert type(app) is RangeMiddleware
    answer = get(app, "bytes=0-9", path="/film.mp4")
    assert (answer.status, answer.body) == (206, FILM[:10])


@pytest.mark.parametrize(("line", "status"), [("max_ranges = 2", 206), ("max_ranges = 1", 200)])
def test_paste_hands_over_the_options(line: str, status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = _loaded(tmp_path, monkeypatch, "max_ranges = 50", line)
    assert get(app, "bytes=0-9,90000-90009", path="/film.mp4").status == status


@pytest.mark.parametrize("line", ["max_ranges = many", "max_range = 5", "preconditions = perhaps", "on_plan = films:x"])
def test_paste_is_told_what_is_wrong_with_an_option(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name, value = line.split(" = ")
    with pytest.raises(InvalidOption, match=rf"^{name}.*{value}"):
        _loaded(tmp_path, monkeypatch, "max_ranges = 50", line)


# --- the document ---

def test_every_recipe_is_tested() -> None:
    assert set(RECIPES) == {*TESTED, *UNDER_A_PREFIX}


def test_every_block_is_a_recipe() -> None:
    assert DOCUMENT.count("\n```") == 2 * len(_BLOCK.findall(DOCUMENT))


def _table() -> dict[str, list[str]]:
    section = DOCUMENT.partition("## What each server can\n")[2]
    rows = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("|")]
    return {row[0].strip(" `"): [cell.strip() for cell in row] for row in rows[2:]}


def test_the_table_names_every_server() -> None:
    assert tuple(_table()) == SERVERS


@pytest.mark.parametrize("server", SERVERS)
def test_the_table_says_how_long_a_range_field_may_be(server: str) -> None:
    limit = RANGE_LIMIT[server]
    assert _table()[server][LONGEST] == ("no limit" if limit >= 4_000_000 else f"{limit:,}")


@pytest.mark.parametrize("server", SERVERS)
def test_the_table_says_what_the_server_does_beyond_that(server: str) -> None:
    assert _table()[server][BEYOND].startswith("-" if server in UNLIMITED else str(REFUSAL.get(server, "closed")))


@pytest.mark.parametrize("server", SERVERS)
def test_the_table_says_what_happens_when_a_source_fails(server: str) -> None:
    assert _table()[server][FAILS].startswith("stays open" if server in STAYS_OPEN else "closed")


def test_the_table_says_who_closes_after_each_answer() -> None:
    assert {server for server, row in _table().items() if row[KEPT_ALIVE] == "no"} == set(CLOSES)
