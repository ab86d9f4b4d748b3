"""The recipes of docs/uploads.md and of the README: each app is taken from there as it stands, and gets an upload.

What is replaced: the folder of the uploads. The recipes of nginx and of clients are run by tests/matrix.
"""

from __future__ import annotations

import asyncio
import inspect
import os
import re
import runpy
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from rangeware.__main__ import main
from rangeware.uploads import AsgiUploadApp, FileStorage, UploadApp
from tests.browser.demo import ROOT
from tests.uploads.support import PATCH, TUS, ask

DOCUMENT = (ROOT / "docs" / "uploads.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^<!-- recipe: ([\w-]+)(?:, file ([\w./]+))? -->\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)
CONTENT = bytes(range(256)) * 400
NOBODY: dict[str, str] = {}
WRITTEN = "/srv/uploads"
"""The folder that the document names, and the tests replace."""


def texts(name: str) -> dict[str, str]:
    """The files of a recipe by name, and its command under ""."""
    return {file: text for recipe, file, text in BLOCK.findall(DOCUMENT) if recipe == name}


def write(name: str, directory: Path) -> None:
    """Write the files of a recipe into a folder, where its uploads go too."""
    for file, text in texts(name).items():
        if file:
            (directory / file).parent.mkdir(exist_ok=True)
            (directory / file).write_text(text.replace(WRITTEN, str(directory / "uploads")))


def load(name: str, directory: Path) -> dict[str, Any]:
    write(name, directory)
    return runpy.run_path(str(directory / "films.py"))


class Copying:
    """An ASGI app that gets a copy of the scope: Starlette writes into it."""

    is_asgi = True

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self._app(dict(scope), receive, send)


def create(app: Any, who: dict[str, str]) -> Any:
    return ask(app, "POST", "/files/", {**TUS, **who, "Upload-Length": str(len(CONTENT))})


def check(app: Any, who: dict[str, str]) -> str:
    """Upload a file in two requests, read a range of it, and return its address."""
    created = create(app, who)
    assert created.status == 201, created
    url = str(created.get("Location"))
    assert url.startswith("/files/")
    for first, end in ((0, 1000), (1000, len(CONTENT))):
        offset = ask(app, "HEAD", url, {**TUS, **who}).get("Upload-Offset")
        assert offset == str(first)
        assert ask(app, "PATCH", url, {**PATCH, **who, "Upload-Offset": offset}, CONTENT[first:end]).status == 204
    part = ask(app, "GET", url, {**who, "Range": "bytes=500-1499"})
    assert (part.status, part.body) == (206, CONTENT[500:1500])
    assert part.get("Content-Range") == f"bytes 500-1499/{len(CONTENT)}"
    return url


def check_owners(app: Any, ada: dict[str, str], grace: dict[str, str]) -> None:
    """An upload is its owner's: to others it does not exist."""
    url = check(app, ada)
    assert create(app, NOBODY).status == ask(app, "GET", url).status == 403
    assert ask(app, "GET", url, grace).status == ask(app, "DELETE", url, {**TUS, **grace}).status == 404
    assert ask(app, "DELETE", url, {**TUS, **ada}).status == 204


def test_recipe_for_wsgi(tmp_path: Path) -> None:
    check(load("wsgi", tmp_path)["application"], NOBODY)


def test_recipe_for_flask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setenv("SECRET_KEY", "for a test")
    app = load("flask", tmp_path)["app"]
    app.add_url_rule("/", "home", lambda: "home")
    sign = app.session_interface.get_signing_serializer(app).dumps
    ada, grace = ({"Cookie": f"session={sign({'user': user})}"} for user in ("ada", "grace"))
    check_owners(app.wsgi_app, ada, grace)
    assert "ada has uploaded None" in caplog.text
    assert ask(app.wsgi_app, "GET", "/").body == b"home"


DJANGO = {
    "mysite/__init__.py": "",
    "mysite/settings.py": """\
ROOT_URLCONF = "mysite.urls"
ALLOWED_HOSTS = ["*"]
SECRET_KEY = "for a test"
USE_TZ = True
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions"]
MIDDLEWARE = ["django.middleware.common.CommonMiddleware"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "db.sqlite3"}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
""",
    "mysite/urls.py": """\
from django.http import HttpResponse
from django.urls import path

urlpatterns = [path("", lambda request: HttpResponse("home"))]
""",
    "check.py": """\
import sys
from importlib import import_module

application = import_module(sys.argv[1]).application

from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.test import Client
from tests.asgi_support import carry, scope_for
from tests.test_upload_recipes import check_owners
from tests.uploads.support import ask

call_command("migrate", verbosity=0)

def log_in(name):
    client = Client()
    client.force_login(get_user_model().objects.create_user(name))
    return {"Cookie": f"sessionid={client.cookies['sessionid'].value}"}

check_owners(application, log_in("ada"), log_in("grace"))
is_asgi = sys.argv[1].endswith("asgi")
home = carry(application, scope_for(), lawful=False) if is_asgi else ask(application, "GET", "/")
assert home.body == b"home"
print("checked")
""",
}
"""The rest of a Django project."""


@pytest.mark.parametrize("module", ["mysite.wsgi", "mysite.asgi"])
def test_recipe_for_django(module: str, tmp_path: Path) -> None:
    write("django", tmp_path)
    for file, text in DJANGO.items():
        (tmp_path / file).write_text(text)
    path = os.pathsep.join([str(tmp_path), str(ROOT)])
    done = subprocess.run([sys.executable, "-W", "error", "check.py", module], cwd=tmp_path, timeout=60,
                          env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True)
    assert (done.stdout, done.returncode) == ("checked\n", 0), done.stderr


def test_recipe_for_fastapi(tmp_path: Path) -> None:
    found = load("fastapi", tmp_path)
    found["TOKENS"]["another"] = "grace"
    ada, grace = ({"Authorization": f"Bearer {token}"} for token in ("a-long-random-token", "another"))
    check_owners(Copying(found["app"]), ada, grace)

    async def start_and_stop() -> None:
        async with found["app"].router.lifespan_context(found["app"]):
            pass
    asyncio.run(start_and_stop())


def test_recipe_around_fastapi(tmp_path: Path) -> None:
    found = load("around-fastapi", tmp_path)
    found["app"].add_api_route("/", lambda: "home")
    check(found["application"], NOBODY)
    assert ask(found["application"], "GET", "/").body == b'"home"'


def test_recipe_of_nginx_makes_complete_addresses(tmp_path: Path) -> None:
    app = load("nginx", tmp_path)["application"]
    forwarded = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "example.org"}
    assert str(create(app, forwarded).get("Location")).startswith("https://example.org/files/")


def test_command_that_cleans(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    create(UploadApp(FileStorage(tmp_path), path="/files/"), NOBODY)
    for path in tmp_path.iterdir():
        os.utime(path, (0, 0))
    program, *words = shlex.split(texts("clean")[""].replace(WRITTEN, str(tmp_path)))
    assert (program, main(words)) == ("rangeware", 0)
    assert capsys.readouterr().out == "removed 1 unfinished upload\n"


def test_command_that_cleans_leaves_finished_files_in_another_folder_alone(tmp_path: Path) -> None:
    app = UploadApp(FileStorage(tmp_path / "uploads", final=tmp_path / "final"), path="/files/")
    url = check(app, NOBODY)
    for path in (tmp_path / "uploads").iterdir():
        os.utime(path, (0, 0))
    assert main(["uploads", "clean", str(tmp_path / "uploads")]) == 0
    assert ask(app, "GET", url).body == CONTENT


def test_lines_of_the_readme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    [lines] = re.findall(r"<!-- uploads -->\n```python\n(.*?)```\n", README, re.DOTALL)
    path = tmp_path / "films.py"
    path.write_text(f"from flask import Flask\n\napp = Flask(__name__)\n{lines}")
    check(runpy.run_path(str(path))["app"].wsgi_app, NOBODY)
    assert (tmp_path / "uploads").is_dir()


# --- the document -----------------------------------------------------------------------------------------------------

def options_of(heading: str) -> list[str]:
    """The first column of the table under a line that begins so, and the defaults in the second one."""
    text = DOCUMENT.partition(f"\n{heading}")[2]
    table = re.split(r"\n\n", text.lstrip("\n"))[1] if "|" not in text.split("\n\n")[0] else text.split("\n\n")[0]
    return [line.split("|")[1].strip(" `") for line in table.splitlines()[2:]]


@pytest.mark.parametrize(("heading", "of"), [("`UploadApp(", UploadApp), ("`UploadApp(", AsgiUploadApp),
                                             ("`FileStorage(directory", FileStorage)])
def test_every_option_stands_there(heading: str, of: Any) -> None:
    parameters = inspect.signature(of).parameters.values()
    assert options_of(heading) == [each.name for each in parameters if each.kind is each.KEYWORD_ONLY]


def test_hook_may_move_the_file(tmp_path: Path) -> None:
    storage = FileStorage(tmp_path / "uploads", final=tmp_path / "final", quota=len(CONTENT))
    kept = tmp_path / "film.mp4"
    app = UploadApp(storage, path="/files/", finished=lambda file: os.replace(storage.path(file.upload.id), kept))
    url = str(create(app, NOBODY).get("Location"))
    assert ask(app, "PATCH", url, {**PATCH, "Upload-Offset": "0"}, CONTENT).status == 204
    assert kept.read_bytes() == CONTENT
    assert ask(app, "GET", url).status == 404
    assert create(app, NOBODY).status == 201


def test_links_within_the_text_lead_somewhere() -> None:
    headings = {re.sub(r"[^\w -]", "", line).strip().lower().replace(" ", "-")
                for line in re.findall(r"^##+ (.*)$", DOCUMENT, re.MULTILINE)}
    assert set(re.findall(r"\(#([^)]+)\)", DOCUMENT)) <= headings


def test_every_block_that_can_be_run_is_a_recipe() -> None:
    assert len(BLOCK.findall(DOCUMENT)) == len(re.findall(r"^```(?:python|sh|nginx)$", DOCUMENT, re.MULTILINE))
