"""The recipes of off-load in docs/past-one-machine.md behind nginx, and its commands, as they stand there.

What is replaced: ports and folders.
"""

from __future__ import annotations

import contextlib
import os
import random
import re
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.front.configs import FOLDER, LISTEN, adapted, listen
from tests.matrix import apache, launch, nginx
from tests.matrix.launch import ROOT
from tests.matrix.wire import Address, Connection
from tests.test_past_one_machine import DOCUMENT, MEDIA, RECIPES

pytestmark = pytest.mark.matrix

FILM = random.Random(1922).randbytes(300_000)
SERVERS = {"offload-flask": "gunicorn-gthread-2", "offload-fastapi": "uvicorn-h11-2"}
NO_CONTENT_CODING = '        proxy_set_header Accept-Encoding "";\n'
OF_NGINX = re.compile(r'"[0-9a-f]+-[0-9a-f]+"')
"""The ETag that nginx makes."""

Site = Callable[[Address, int], str]


def own_site(app: Address, port: int) -> str:
    """nginx-x-accel.conf."""
    return adapted("nginx-x-accel.conf", {
        LISTEN: listen(f"127.0.0.1:{port}"), "http://127.0.0.1:8000": "http://{}:{}".format(*app)})


def site_that_was_there(app: Address, port: int) -> str:
    """nginx-proxy.conf, with what the page tells to take from nginx-x-accel.conf."""
    location = re.search(r"^    location \^~ /protected/ {\n.*?^    }\n", (FOLDER / "nginx-x-accel.conf").read_text(),
                         re.MULTILINE | re.DOTALL)
    assert location
    above = "    # A location that sets a header"
    return adapted("nginx-proxy.conf", {
        LISTEN: listen(f"127.0.0.1:{port}"), "server 127.0.0.1:8000;": "server {}:{};".format(*app),
        above: f"{location[0]}\n{NO_CONTENT_CODING}{above}"})


def careless_site(app: Address, port: int) -> str:
    """nginx-x-accel.conf without the line for ASGI."""
    text = own_site(app, port)
    assert NO_CONTENT_CODING in text
    return text.replace(NO_CONTENT_CODING, "")


@contextlib.contextmanager
def at_work(name: str, make_site: Site, directory: Path) -> Iterator[tuple[Address, Address]]:
    """A recipe behind nginx: the addresses of nginx and of the app."""
    media = directory / "media"
    media.mkdir()
    (media / "film.mp4").write_bytes(FILM)
    (directory / "films.py").write_text(RECIPES[name].replace(MEDIA, str(media)))
    env = {"PYTHONPATH": os.pathsep.join([str(directory), str(ROOT)])}
    with launch.serving(SERVERS[name], "films:app", directory, env) as running, nginx.with_site(
            lambda port: make_site(running.address, port).replace(MEDIA, str(media)), directory) as address:
        yield address, running.address


def lines_of_check(addresses: tuple[Address, Address], directory: Path) -> list[str]:
    """What the commands for curl print; none of them may fail."""
    commands = RECIPES["check"].replace("127.0.0.1:8000", "{}:{}".format(*addresses[1]))
    commands = commands.replace("example.org", "{}:{}".format(*addresses[0])).replace(MEDIA, str(directory / "media"))
    done = subprocess.run(["bash", "-euo", "pipefail", "-c", commands], cwd=directory, timeout=60,
                          capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


@pytest.mark.parametrize("make_site", [own_site, site_that_was_there])
@pytest.mark.parametrize("name", SERVERS)
def test_curl_shows_that_nginx_is_set_up(name: str, make_site: Site, tmp_path: Path):
    with at_work(name, make_site, tmp_path) as addresses:
        count, status, *_, field, etag = lines_of_check(addresses, tmp_path)
    assert (count, status) == ("10", "HTTP/1.1 404 Not Found")
    assert field.lower() == "x-accel-redirect: /protected/film.mp4"
    assert OF_NGINX.fullmatch(etag.partition(": ")[2])


def test_curl_shows_that_browsers_get_the_file_from_python(tmp_path: Path):
    with at_work("offload-fastapi", careless_site, tmp_path) as addresses:
        *_, field, etag = lines_of_check(addresses, tmp_path)
    assert field.lower() == "x-accel-redirect: /protected/film.mp4"  # all but the last line looks right
    assert not OF_NGINX.fullmatch(etag.partition(": ")[2])


# --- uvicorn ---

def exec_start(port: int) -> list[str]:
    """The command of the page."""
    [line] = re.findall(r"^ *ExecStart=(.*)$", DOCUMENT, re.MULTILINE)
    assert "/srv/films/venv/bin/uvicorn " in line
    assert " --port 8000 " in line
    return shlex.split(line.replace("/srv/films/venv/bin/uvicorn", f"{sys.executable} -m uvicorn")
                       .replace("--port 8000", f"--port {port}"))


def test_uvicorn_under_systemd(tmp_path: Path):
    (tmp_path / "film.mp4").write_bytes(FILM)
    (tmp_path / "films.py").write_text(RECIPES["offload-fastapi"].replace(MEDIA, str(tmp_path)))
    with socket.create_server(("127.0.0.1", 0)) as free:
        address: Address = free.getsockname()
    with open(tmp_path / "uvicorn.log", "wb") as log:
        process = subprocess.Popen([*apache.WITH_US, *exec_start(address[1])], cwd=tmp_path, stdout=log, stderr=log,
                                   stdin=subprocess.DEVNULL, env={**os.environ, "PYTHONPATH": str(ROOT)})
    try:
        wait_for(address, process)
        with Connection(address) as client:
            assert client.ask("/films/film.mp4", "HEAD").status == 200
            assert client.ask("/films/film.mp4").get("X-Accel-Redirect") == "/protected/film.mp4"
    finally:
        process.terminate()  # as KillMode=mixed does; it ends its workers
        process.wait(60)


def wait_for(address: Address, process: subprocess.Popen[bytes]) -> None:
    """Until somebody accepts connections."""
    deadline = time.monotonic() + launch.TIMEOUT
    while True:
        with contextlib.suppress(OSError), socket.create_connection(address, 1):
            return
        assert process.poll() is None, "uvicorn ended at once"
        assert time.monotonic() < deadline, "uvicorn does not listen"
        time.sleep(0.02)
