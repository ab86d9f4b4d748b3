"""The code of docs/past-one-machine.md, each block taken from there as it stands, loaded and asked for ranges.

What is replaced: the folders, and the store. S3 is moto's server, which boto3 finds by ``AWS_ENDPOINT_URL``. What needs
nginx is run by tests/front.
"""

from __future__ import annotations

import os
import re
import runpy
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import boto3
import fsspec
import pytest

from tests.browser.demo import ROOT
from tests.support import get, parts
from tests.test_upload_recipes import BLOCK, Copying
from tests.uploads.support import ask

pytestmark = [
    pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow:DeprecationWarning:(moto|botocore)"),
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
]

DOCUMENT = (ROOT / "docs" / "past-one-machine.md").read_text(encoding="utf-8")
RECIPES = {name: text for name, _, text in BLOCK.findall(DOCUMENT)}
MEDIA, SITE = "/srv/media", "/srv/films"
"""The folders that the document names, and the tests replace."""
MIB = 1 << 20
CONTENT = os.urandom(2 * MIB + 77)


def load(name: str, directory: Path, *replaced: tuple[str, str]) -> dict[str, Any]:
    """What a recipe defines."""
    text = RECIPES[name]
    for old, new in replaced:
        assert old in text
        text = text.replace(old, new)
    (directory / "films.py").write_text(text)
    return runpy.run_path(str(directory / "films.py"))


def check(app: Any, path: str, etag: str) -> None:
    """The whole, ranges of it, none that can be satisfied, and conditions."""
    whole = ask(app, "GET", path)
    assert (whole.status, whole.body, whole.get("Accept-Ranges")) == (200, CONTENT, "bytes")
    assert whole.get("ETag") == etag
    one = ask(app, "GET", path, {"Range": f"bytes={MIB - 5}-{MIB + 4}"})
    assert (one.status, one.body) == (206, CONTENT[MIB - 5:MIB + 5])
    assert one.get("Content-Range") == f"bytes {MIB - 5}-{MIB + 4}/{len(CONTENT)}"
    both = ask(app, "GET", path, {"Range": "bytes=0-9,-10"})
    assert [part.content for part in parts(both)] == [CONTENT[:10], CONTENT[-10:]]
    assert ask(app, "GET", path, {"Range": f"bytes={len(CONTENT)}-"}).status == 416
    assert ask(app, "GET", path, {"If-None-Match": str(whole.get("ETag"))}).status == 304
    resumed = ask(app, "GET", path, {"Range": "bytes=10-19", "If-Range": str(whole.get("ETag"))})
    assert (resumed.status, resumed.body) == (206, CONTENT[10:20])


# --- off-load ---

@pytest.fixture
def media(tmp_path: Path) -> Path:
    folder = tmp_path / "media"
    folder.mkdir()
    (folder / "a film.mp4").write_bytes(CONTENT)
    return folder


def is_handed_over(answer: Any) -> bool:
    named = answer.get("X-Accel-Redirect")
    assert named in (None, "/protected/a%20film.mp4")
    return bool(named) and (answer.status, answer.body, answer.get("Content-Length")) == (200, b"", "0")


def test_offload_in_flask(tmp_path: Path, media: Path):
    app = load("offload-flask", tmp_path, (MEDIA, str(media)))["app"]
    assert is_handed_over(ask(app.wsgi_app, "GET", "/films/a film.mp4", {"Range": "bytes=0-9"}))
    assert ask(app.wsgi_app, "GET", "/films/none.mp4").status == 404


DJANGO = {
    "mysite/__init__.py": "",
    "mysite/settings.py": 'ROOT_URLCONF = "mysite.urls"\nALLOWED_HOSTS = ["*"]\nSECRET_KEY = "for a test"\n',
    "mysite/urls.py": """\
from django.http import FileResponse
from django.urls import path

urlpatterns = [path("films/<name>", lambda request, name: FileResponse(open(f"/srv/media/{name}", "rb")))]
""",
    "check.py": """\
from mysite.wsgi import application
from tests.support import get
from tests.test_past_one_machine import is_handed_over

assert is_handed_over(get(application, "bytes=0-9", path="/films/a film.mp4"))
print("checked")
""",
}
"""The rest of a Django project."""


def test_offload_in_django(tmp_path: Path, media: Path):
    for file, text in {**DJANGO, "mysite/wsgi.py": RECIPES["offload-django"]}.items():
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_text(text.replace(MEDIA, str(media)))
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)]),
           "DJANGO_SETTINGS_MODULE": "mysite.settings"}
    done = subprocess.run([sys.executable, "check.py"], cwd=tmp_path, timeout=60, env=env, capture_output=True,
                          text=True)
    assert (done.stdout, done.returncode) == ("checked\n", 0), done.stderr


def test_offload_in_fastapi(tmp_path: Path, media: Path):
    app = load("offload-fastapi", tmp_path, (MEDIA, str(media)))["app"]
    assert is_handed_over(ask(Copying(app), "GET", "/films/a film.mp4", {"Range": "bytes=0-9"}))
    assert ask(Copying(app), "HEAD", "/films/a film.mp4").status == 200
    (tmp_path / "secret").write_bytes(CONTENT)
    for name in ("none.mp4", "..", "../secret", "..%2Fsecret"):
        assert ask(Copying(app), "GET", f"/films/{name}").status == 404, name


# --- bodies that open themselves ---

def test_openable_body(tmp_path: Path):
    with sqlite3.connect(tmp_path / "films.db") as database:
        database.execute("CREATE TABLE films (name, length, version)")
        database.execute("CREATE TABLE pieces (film, number, content)")
        database.execute("INSERT INTO films VALUES (?, ?, ?)", ["nosferatu", len(CONTENT), "v1"])
        for number in range(3):
            piece = CONTENT[number * MIB:(number + 1) * MIB]
            database.execute("INSERT INTO pieces VALUES (?, ?, ?)", ["nosferatu", number, piece])
    database.close()
    app = load("openable", tmp_path, (SITE, str(tmp_path)))["app"].wsgi_app
    check(app, "/films/nosferatu", '"v1"')
    head = ask(app, "HEAD", "/films/nosferatu")
    assert (head.status, head.get("Content-Length"), head.get("ETag")) == (200, str(len(CONTENT)), '"v1"')
    assert ask(app, "GET", "/films/none").status == 404


# --- stores ---

@pytest.fixture(scope="module")
def store(moto_url: str) -> Iterator[Any]:
    """A client of moto's server, with a film in it."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {"ENDPOINT_URL": moto_url, "DEFAULT_REGION": "us-east-1",
                            "ACCESS_KEY_ID": "none", "SECRET_ACCESS_KEY": "none"}.items():
            patch.setenv(f"AWS_{name}", value)
        client = boto3.client("s3")
        client.create_bucket(Bucket="films")
        client.put_object(Bucket="films", Key="film.mp4", Body=CONTENT, ContentType="video/mp4")
        try:
            yield client
        finally:
            client.delete_object(Bucket="films", Key="film.mp4")
            client.delete_bucket(Bucket="films")
            client.close()


@pytest.mark.parametrize("name", ["s3-flask", "s3-fastapi"])
def test_object_in_s3(store: Any, tmp_path: Path, name: str):
    app = load(name, tmp_path)["app"]
    app = app.wsgi_app if name == "s3-flask" else Copying(app)
    check(app, "/films/film.mp4", store.head_object(Bucket="films", Key="film.mp4")["ETag"])
    assert ask(app, "GET", "/films/film.mp4").get("Content-Type") == "video/mp4"
    head, whole = (ask(app, method, "/films/film.mp4") for method in ("HEAD", "GET"))
    assert [head.get(name) for name in ("Content-Length", "ETag")] == [str(len(CONTENT)), whole.get("ETag")]
    assert ask(app, "GET", "/films/none.mp4").status == 404


def test_file_of_fsspec(tmp_path: Path):
    fsspec.filesystem("memory").pipe("/films/film.mp4", CONTENT)
    app = load("fsspec", tmp_path, ('filesystem("gs")', 'filesystem("memory")'))["app"].wsgi_app
    one = get(app, "bytes=5-9", path="/films/film.mp4")
    assert (one.status, one.body, one.get("Content-Type")) == (206, CONTENT[5:10], "video/mp4")
    fsspec.filesystem("memory").pipe("/films/2024/film.mp4", CONTENT)
    for name in ("none.mp4", "2024", "film.mp4::file", "film.mp4::none", ".."):
        assert get(app, path=f"/films/{name}").status == 404, name


def test_redirect(store: Any, tmp_path: Path):
    answer = get(load("redirect", tmp_path)["app"].wsgi_app, path="/films/film.mp4")
    assert answer.status == 302
    with urlopen(Request(str(answer.get("Location")), headers={"Range": "bytes=5-9"})) as response:
        assert (response.status, response.read()) == (206, CONTENT[5:10])


# --- the document ---

def test_every_block_that_can_be_run_is_a_recipe():
    assert len(BLOCK.findall(DOCUMENT)) == len(re.findall(r"^```(?:python|sh|nginx)$", DOCUMENT, re.MULTILINE))
    assert len(RECIPES) == len(BLOCK.findall(DOCUMENT))


def test_links_lead_somewhere():
    headings = {re.sub(r"[^\w -]", "", line).strip().lower().replace(" ", "-")
                for line in re.findall(r"^##+ (.*)$", DOCUMENT, re.MULTILINE)}
    links = re.findall(r"\]\(([^)]+)\)", DOCUMENT)
    assert {link[1:] for link in links if link.startswith("#")} <= headings
    for link in links:
        if not link.startswith(("#", "http")):
            assert (ROOT / "docs" / link).exists(), link


def test_every_configuration_is_named():
    named = set(re.findall(r"configs/([\w.-]+)", DOCUMENT))
    assert {path.name for path in (ROOT / "docs" / "configs").iterdir()} <= named
