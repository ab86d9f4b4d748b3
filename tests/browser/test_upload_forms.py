"""Unmodified WebUploader and Resumable.js in a browser, against the app behind gunicorn, with errors in between."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from .conftest import Browser, start_chromium
from .demo import ROOT, free_port

pytestmark = pytest.mark.browser

NODE = Path(__file__).parent / "node"
NPM = ("npm", "install", "--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts")
CHUNK = 256 * 1024


@pytest.fixture(scope="session")
def node(pytestconfig: pytest.Config) -> Path:
    """A folder with the packages; kept for the next run."""
    folder = Path(str(pytestconfig.cache.mkdir("upload-forms")))
    wanted, installed = NODE / "package.json", folder / "node_modules" / "package.json"
    if not installed.exists() or installed.read_bytes() != wanted.read_bytes():
        shutil.copy(wanted, folder)
        subprocess.run(NPM, cwd=folder, check=True, timeout=300)
        shutil.copy(wanted, installed)
    return folder


class Site:
    """The app behind gunicorn, and a browser."""

    def __init__(self, browser: Browser, data: Path) -> None:
        self.browser, self.data = browser, data

    def show(self, page: str) -> None:
        self.browser.driver.get(f"{self.browser.url}{page}")
        self.browser.wait_for("document.querySelector('input[type=file]')")

    def choose(self, *files: Path) -> None:
        element = self.browser.driver.find_element("css selector", "input[type=file]")
        element.send_keys("\n".join(map(str, files)))

    def log(self) -> Any:
        return self.browser.script("return log")

    def wait_for(self, entry: str, count: int = 1) -> None:
        self.browser.wait_for(f"log.filter((entry) => {entry}).length >= {count}", seconds=40)

    def finished(self) -> list[str]:
        """The SHA-256 and the name of each file that the hook got."""
        return sorted((self.data / "finished").read_text().splitlines())

    def uploads(self) -> int:
        """The number of uploads that were sent, chunk by chunk."""
        return len([*self.data.glob("upload-*")])


@pytest.fixture
def open_site(node: Path, tmp_path: Path) -> Iterator[Callable[..., Site]]:
    """Start the app, with errors for some of its uploads."""
    with contextlib.ExitStack() as stack:

        def open_site(page: str, faults: dict[int, int]) -> Site:
            url = stack.enter_context(served(tmp_path, node, faults))
            driver = start_chromium(tmp_path / "profile", 1280, 900)
            stack.callback(driver.quit)
            site = Site(Browser(driver, url), tmp_path)
            site.show(page)
            return site

        yield open_site


@contextlib.contextmanager
def served(data: Path, node: Path, faults: dict[int, int]) -> Iterator[str]:
    url = f"http://127.0.0.1:{free_port()}/"
    environ = {**os.environ, "FORMS_DATA": str(data), "FORMS_NODE": str(node), "FORMS_FAULTS": json.dumps(faults)}
    command = [sys.executable, "-m", "gunicorn", "--workers", "2", "--threads", "4", "--no-control-socket",
               "--bind", url.removeprefix("http://").rstrip("/"), "tests.browser.forms_app:application"]
    process = subprocess.Popen(command, cwd=ROOT, env=environ, stderr=subprocess.PIPE, text=True)
    try:
        wait_until_it_answers(url, process)
        yield url
    finally:
        process.terminate()
        process.communicate(timeout=30)


def wait_until_it_answers(url: str, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{url}webuploader", timeout=5):
            return
        time.sleep(0.05)
    process.kill()
    raise AssertionError(f"gunicorn did not start: {process.communicate()[1]}")


def file(folder: Path, name: str, length: int) -> Path:
    path = folder / name
    path.write_bytes(random.Random(name).randbytes(length))
    return path


def noted(path: Path) -> str:
    return f"{hashlib.sha256(path.read_bytes()).hexdigest()} {path.name}"


@pytest.mark.parametrize("page", ["webuploader", "webuploader?binary"])
def test_web_uploader_with_a_503_in_between(open_site: Callable[..., Site], tmp_path: Path, page: str) -> None:
    """The page gives the file up; the user tries again, and only the chunks that are missing are sent."""
    site = open_site(page, {4: 503})
    film = file(tmp_path, "ファイル 1.mp4", 10 * CHUNK + 77)
    site.choose(film)
    site.wait_for("entry === 'error'")
    site.browser.script("uploader.retry()")
    site.wait_for("entry.upload === true")
    assert site.log()[-1] == {"upload": True, "fileName": film.name, "fileId": "WU_FILE_0"}
    assert "skipped" in site.log()
    assert site.finished() == [noted(film)]
    assert site.uploads() < 2 * 11


@pytest.mark.parametrize("status", [400, 409, 423, 429])
def test_web_uploader_sends_a_chunk_again_after_4xx(
        open_site: Callable[..., Site], tmp_path: Path, status: int) -> None:
    site = open_site("webuploader", {1: status, 3: status})
    film = file(tmp_path, "film.mp4", 5 * CHUNK)
    site.choose(film)
    site.wait_for("entry.upload === true")
    assert "error" not in site.log()
    assert site.finished() == [noted(film)]
    assert site.uploads() == 5 + 2


@pytest.mark.parametrize("page", ["webuploader", "webuploader?binary"])
@pytest.mark.parametrize("length", [1, CHUNK - 1, CHUNK])
def test_web_uploader_with_a_single_chunk(
        open_site: Callable[..., Site], tmp_path: Path, page: str, length: int) -> None:
    site = open_site(page, {})
    film = file(tmp_path, "film.mp4", length)
    site.choose(film)
    site.wait_for("entry.upload === true")
    assert site.finished() == [noted(film)]
    assert site.uploads() == 1


def test_web_uploader_with_two_files_at_once_and_one_again(open_site: Callable[..., Site], tmp_path: Path) -> None:
    """Both begin with the same bytes, which is all that the page takes the MD5 of."""
    site = open_site("webuploader", {6: 429})
    first, second = file(tmp_path, "a.mp4", 6 * CHUNK + 1), file(tmp_path, "b.mp4", 5 * CHUNK - 1)
    second.write_bytes(first.read_bytes()[:CHUNK] + second.read_bytes()[CHUNK:])
    site.choose(first, second)
    site.wait_for("entry.upload === true", 2)
    site.choose(first)
    site.wait_for("entry.upload === true", 3)
    assert "error" not in site.log()
    assert site.finished() == [*sorted([noted(first), noted(second)])]


@pytest.mark.parametrize("page", ["resumable", "resumable?binary"])
def test_resumable_js_with_errors_in_between(open_site: Callable[..., Site], tmp_path: Path, page: str) -> None:
    site = open_site(page, {1: 503, 4: 429})
    film = file(tmp_path, "ファイル 1.mp4", 7 * CHUNK + 77)
    site.choose(film)
    site.wait_for("entry === 'success'")
    assert site.log() == ["retry", "retry", "success"]
    assert site.finished() == [noted(film)]
    assert site.uploads() == 7 + 2


def test_resumable_js_resumes_after_the_page_was_closed(open_site: Callable[..., Site], tmp_path: Path) -> None:
    site = open_site("resumable", dict.fromkeys(range(3, 100), 500))
    film = file(tmp_path, "film.mp4", 7 * CHUNK + 77)
    site.choose(film)
    site.wait_for("entry === 'error'")
    sent = site.uploads()
    for number in range(1000):
        if not (site.data / f"upload-{number}").exists():
            break
    for more in range(number, 100):
        (site.data / f"upload-{more}").touch()  # the errors end here
    site.show("resumable")
    site.choose(film)
    site.wait_for("entry === 'success'")
    assert sent >= 4
    assert site.uploads() == 100 + 7 - 3
    assert site.finished() == [noted(film)]


@pytest.mark.parametrize("length", [1, CHUNK, 2 * CHUNK - 1])
def test_resumable_js_with_a_single_chunk(open_site: Callable[..., Site], tmp_path: Path, length: int) -> None:
    site = open_site("resumable", {})
    film = file(tmp_path, "film.mp4", length)
    site.choose(film)
    site.wait_for("entry === 'success'")
    assert site.finished() == [noted(film)]
    assert site.uploads() == 1
