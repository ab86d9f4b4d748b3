"""The README, in English and in Chinese, agrees with the code: its lines are taken as they stand there, and run."""

from __future__ import annotations

import contextlib
import http.client
import os
import pathlib
import re
import shlex
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from rangeware.client.cli import arguments
from tests.browser.demo import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
CHINESE = (ROOT / "README.zh.md").read_text(encoding="utf-8")
MOST_WORDS = 1500
SITE = "https://rangeware.readthedocs.io"
PAGES = f"{SITE}/en/latest/"
FILES = "https://github.com/rangeware/rangeware/blob/main/"
PATIENCE = 30.0  # seconds
CONTENT = bytes(range(256)) * 400

both = pytest.mark.parametrize("text", [pytest.param(README, id="English"), pytest.param(CHINESE, id="Chinese")])


def example(mark: str, text: str = README) -> str:
    """The code below a comment in the README."""
    match = re.search(rf"<!-- {mark} -->\n```\w+\n(.*?)```\n", text, re.DOTALL)
    assert match is not None, mark
    return match[1]


# --- the text ---------------------------------------------------------------------------------------------------------

def test_it_is_short():
    assert len(README.split()) <= MOST_WORDS


def test_the_order_is_that_of_a_new_users_questions():
    assert re.findall(r"^## (.*)$", README, re.MULTILINE) == [
        "Do I need it?", "Install", "One line", "Check it", "Two commands", "Download and upload", "What it costs",
        "Where to go on"]
    marks = ["flask", "django", "fastapi", "bottle", "generator", "curl", "demo", "test", "get", "put", "uploads"]
    assert re.findall(r"<!-- (\w+) -->", README) == marks


@both
def test_nothing_is_claimed_that_is_not_true_in_general(text: str):
    assert not re.search("every generator|never wrong|绝不会错", text, re.IGNORECASE)


@both
def test_links_lead_somewhere_from_anywhere(text: str):
    """PyPI shows the README too, so that no link is relative."""
    links = re.findall(r"\]\(([^)\s]+)\)", text)
    assert len(links) > 20
    for link in links:
        if link.startswith(PAGES):
            page, _, anchor = link.removeprefix(PAGES).partition("#")
            text_of_page = (ROOT / "docs" / page.replace(".html", ".md")).read_text(encoding="utf-8")
            titles = re.findall(r"^#+ (.*)$", text_of_page, re.MULTILINE)
            anchors = [re.sub(r"[^\w -]", "", title).strip().lower().replace(" ", "-") for title in titles]
            assert anchor in ("", *anchors), link
        elif link.startswith(FILES):
            assert (ROOT / link.removeprefix(FILES)).exists(), link
        else:
            assert link.startswith(("https://img.shields.io/badge/", SITE)), link


def without_comments(text: str) -> list[str]:
    """The lines of all code blocks."""
    blocks = re.findall(r"```\w+\n(.*?)```\n", text, re.DOTALL)
    return [re.split("^#|  #", line)[0].rstrip() for line in "".join(blocks).splitlines()]


def shape(text: str) -> list[str]:
    """What is no matter of language: levels of headings, addresses, code names and the figures of tables."""
    kept = re.findall(r"^#+ |\]\([^)]+\)|<!-- \w+ -->|[0-9.]+ m?s\b|^\| :--.*$", text, re.MULTILINE)
    return [each for each in kept if ".md)" not in each or "README" not in each]


def test_the_chinese_one_has_the_same_code_links_and_figures():
    assert without_comments(CHINESE) == without_comments(README)
    assert shape(CHINESE) == shape(README)
    rows = [[line.count("|") for line in text.splitlines() if line.startswith("|")] for text in (CHINESE, README)]
    assert rows[0] == rows[1]


# --- its apps, under the servers that people use ----------------------------------------------------------------------

SETTINGS = """
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "mysite.urls"
SECRET_KEY = "for a test"
MIDDLEWARE = ["django.middleware.common.CommonMiddleware"]  # as in every new project; it adds Content-Length
"""
URLS = """
from django.http import FileResponse
from django.urls import path
urlpatterns = [path("film.mp4", lambda request: FileResponse(open("film.mp4", "rb")))]
"""
ABOVE_THE_ROUTES = "app.wsgi_app = RangeMiddleware(app.wsgi_app)  # type: ignore[method-assign]\n"
BELOW_THE_ROUTES = re.sub(re.escape(ABOVE_THE_ROUTES), "", example("flask")) + ABOVE_THE_ROUTES
LATE = re.search(r"`(RangeMiddleware\(app\.wsgi_app, spool_limit=[^`]+\))`", README)
assert LATE is not None
OF_UNKNOWN_LENGTH = (example("flask") + example("generator")).replace("RangeMiddleware(app.wsgi_app)", LATE[1]).replace(
    '"Content-Length": "1000000", ', "")

GUNICORN = ("-m", "gunicorn", "--bind", "fd://{fd}", "--log-level", "error")
UVICORN = ("-m", "uvicorn", "--fd", "{fd}", "--log-level", "error")
OWN_SERVER = ("-c", "import films, werkzeug.serving as serving; "
              "serving.make_server('127.0.0.1', 0, films.app, threaded=True, fd={fd}).serve_forever()")
APPS = [  # name, module, its text, the server's words
    pytest.param("films", example("flask"), (*GUNICORN, "films:app"), id="Flask"),
    pytest.param("films", BELOW_THE_ROUTES, (*GUNICORN, "films:app"), id="Flask, below the routes"),
    pytest.param("films", example("flask"), OWN_SERVER, id="Flask, its own server"),
    pytest.param("mysite/wsgi", example("django"), (*GUNICORN, "mysite.wsgi"), id="Django"),
    pytest.param("films", example("fastapi"), (*UVICORN, "films:app"), id="FastAPI"),
    pytest.param("films", example("bottle"), (*GUNICORN, "films:app"), id="Bottle"),
]


@contextlib.contextmanager
def served(words: tuple[str, ...], directory: pathlib.Path) -> Iterator[int]:
    """Run a server in this folder, on a socket that listens already; its port."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        number = listening.fileno()
        process = subprocess.Popen(
            [sys.executable, *(word.replace("{fd}", str(number)) for word in words)], cwd=directory, pass_fds=[number],
            env={"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE)
        try:
            yield listening.getsockname()[1]
        finally:
            process.terminate()
            said = process.communicate(timeout=PATIENCE)[1]
    assert b"Error" not in said, said.decode()


def ask(port: int, path: str, value: str) -> tuple[int, bytes, str | None]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request("GET", path, headers={"Range": value})
        response = connection.getresponse()
        return response.status, response.read(), response.headers["Content-Range"]
    finally:
        connection.close()


def ask_with_curl(port: int) -> None:
    """Run the README's line: what it shows is what the README says."""
    typed, *expected = example("curl").splitlines()
    line = typed.removeprefix("$ ").replace(":8000/", f":{port}/")
    shown = subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=PATIENCE, check=True).stdout
    in_general = re.sub("boundary=.*", "boundary=...", shown).splitlines()
    assert [text.lower() for text in in_general] == [text.lower() for text in expected]


def verdict(port: int) -> list[str]:
    """What ``rangeware check`` finds wrong with the film; nothing where all is good."""
    line = [sys.executable, "-m", "rangeware", "check", f"http://127.0.0.1:{port}/film.mp4"]
    done = subprocess.run(line, capture_output=True, text=True, timeout=PATIENCE, check=False, cwd=ROOT)
    assert "What was seen" in done.stdout, done.stderr
    return [found for found in done.stdout.splitlines() if re.match("  (limited|broken|unknown) ", found)]


@pytest.mark.parametrize(("module", "text", "words"), APPS)
def test_the_line_for(module: str, text: str, words: tuple[str, ...], tmp_path: pathlib.Path):
    (tmp_path / "film.mp4").write_bytes(CONTENT)
    os.utime(tmp_path / "film.mp4", (1_600_000_000, 1_600_000_000))  # no ETag is made for a file still being written
    path = tmp_path / f"{module}.py"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    (path.parent / "settings.py").write_text(SETTINGS)
    (path.parent / "urls.py").write_text(URLS)
    with served(words, tmp_path) as port:
        ask_with_curl(port)
        assert ask(port, "/film.mp4", "bytes=300-303") == (206, CONTENT[300:304], f"bytes 300-303/{len(CONTENT)}")
        assert verdict(port) == []


@pytest.mark.parametrize("text", [
    pytest.param(example("flask") + example("generator"), id="with its length"),
    pytest.param(OF_UNKNOWN_LENGTH, id="read ahead"),
])
def test_the_lines_for_generators(text: str, tmp_path: pathlib.Path):
    (tmp_path / "films.py").write_text(text)
    numbers = b"".join(b"%9d\n" % number for number in range(100_000))
    with served((*GUNICORN, "films:app"), tmp_path) as port:
        found = ask(port, "/numbers.txt", "bytes=500000-500099")
    assert found == (206, numbers[500_000:500_100], "bytes 500000-500099/1000000")


def test_flask_finds_the_app(tmp_path: pathlib.Path):
    (tmp_path / "films.py").write_text(example("flask"))
    routes = subprocess.run([sys.executable, "-m", "flask", "--app", "films", "routes"], cwd=tmp_path, check=True,
                            capture_output=True, text=True, env={"PYTHONPATH": str(ROOT)}).stdout
    assert "/film.mp4" in routes


# --- its commands -----------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("line", [*example("get").splitlines(), *example("put").splitlines()])
def test_the_commands_are_understood(line: str, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "urls.txt").write_text("https://example.org/a\n")
    words = shlex.split(line.partition("|")[0].replace("HEX", "0" * 64), comments=True)
    assert words[0] == "rangeware"
    assert arguments.parse(words[1:]).urls or "-i" in words


# --- its figures ------------------------------------------------------------------------------------------------------

NAMES = {  # in the README -> in the table of all figures
    "Flask alone, gunicorn": "Flask alone, gunicorn",
    "**Flask with rangeware**": "**Flask with rangeware**, gunicorn",
    "Starlette alone, uvicorn": "Starlette alone, uvicorn",
    "**Starlette with rangeware**": "**Starlette with rangeware**, uvicorn",
    "a range written by hand, gunicorn": "written by hand, gunicorn",
    "**the same app with rangeware**": "**small app with rangeware**, gunicorn",
    "nginx": "nginx",
}


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def seconds(cell: str) -> tuple[float, float]:
    """A duration such as ``1.2 ms``, and by how much rounding may have changed it; -1 for text."""
    match = re.fullmatch(r"([0-9]+)(\.[0-9]+)?\s(µs|ms|s)", cell)
    if match is None:
        return -1, 0
    unit = {"µs": 1e-6, "ms": 1e-3, "s": 1}[match[3]]
    return float(match[1] + (match[2] or "")) * unit, 0.51 * unit * 10.0 ** -len((match[2] or ".")[1:])


def test_figures_are_those_of_the_benchmark():
    measured = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8").splitlines()
    shown = [line for line in README.split("## What it costs")[1].splitlines() if line.startswith("| ")]
    rows = {row[0]: row[1:] for row in map(cells, shown) if row[0] in NAMES}
    assert list(rows) == list(NAMES)
    for name, row in rows.items():
        [found] = [cells(line)[1:] for line in measured if line.startswith(f"| {NAMES[name]} |")]
        small, _, large, several, late = found  # 4 KiB, 1 MiB, 512 MiB, ten ranges, the last KiB
        for shown_cell, cell in zip(row, (small, large, several, late), strict=True):
            figure, tolerance = seconds(shown_cell)
            assert figure == pytest.approx(seconds(cell)[0], rel=0, abs=tolerance), (name, shown_cell)
