"""The recipes of docs/uploads.md for nginx, curl and our own command, at work in front of gunicorn as they stand there.

What is replaced: the ports and the folder of the uploads.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import random
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rangeware.uploads import FileStorage
from tests.matrix import apache, nginx
from tests.test_upload_recipes import texts, write
from tests.uploads.support import PATCH, TUS

pytestmark = pytest.mark.matrix

ROOT = Path(__file__).resolve().parents[2]
CONTENT = random.Random(1922).randbytes(6 << 20)
PROXIED = "127.0.0.1:8000"
TIMEOUT = 30.0  # seconds; a bound, not a wait
TRIES = 10


@contextlib.contextmanager
def gunicorn(directory: Path) -> Iterator[tuple[str, int]]:
    """The app of the recipe under gunicorn, which listens on a socket of ours."""
    write("nginx", directory)
    with socket.create_server(("127.0.0.1", 0)) as listening, open(directory / "gunicorn.log", "wb") as log:
        command = [*apache.WITH_US, sys.executable, "-m", "gunicorn", "--bind", f"fd://{listening.fileno()}",
                   "--worker-class", "gthread", "--threads", "8", "films:application"]
        env = {**os.environ, "PYTHONPATH": str(ROOT)}
        process = subprocess.Popen(command, cwd=directory, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                   pass_fds=(listening.fileno(),))
        try:
            yield listening.getsockname()
        finally:
            process.terminate()
            process.wait(TIMEOUT)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[str, int]]:
    """nginx in front of gunicorn: its host and port."""
    with gunicorn(tmp_path) as (host, port):
        locations = texts("nginx")["uploads.conf"].replace(PROXIED, f"{host}:{port}")
        (tmp_path / "nginx").mkdir()
        with nginx.with_locations(locations, tmp_path / "nginx") as address:
            yield address


def ask(site: tuple[str, int], method: str, path: str, fields: dict[str, str],
        content: bytes = b"") -> tuple[http.client.HTTPResponse, bytes]:
    with contextlib.closing(http.client.HTTPConnection(*site, timeout=TIMEOUT)) as connection:
        connection.request(method, path, content, fields)
        response = connection.getresponse()
        return response, response.read()


def create(site: tuple[str, int]) -> str:
    response, _ = ask(site, "POST", "/files/", {**TUS, "Upload-Length": str(len(CONTENT))})
    host, port = site
    scheme_and_host = f"http://{host}:{port}"
    location = response.headers["Location"]
    assert location.startswith(f"{scheme_and_host}/files/")
    return str(location.removeprefix(scheme_and_host))


def wait_for_offset(storage: FileStorage, id: str, offset: int) -> None:
    deadline = time.monotonic() + TIMEOUT
    while storage.find(id).offset < offset:
        assert time.monotonic() < deadline, f"{storage.find(id).offset} bytes stored"
        time.sleep(0.05)


def offset_of(site: tuple[str, int], path: str) -> int:
    response, _ = ask(site, "HEAD", path, TUS)
    assert response.status in (200, 204)
    return int(response.headers["Upload-Offset"])


def resume(site: tuple[str, int], path: str) -> int:
    """Send the rest, as clients do: ask for the offset again after a refusal. Returns the last status.

    What was on its way when a connection broke may arrive between the two requests; nginx tells a 409 that comes while
    it still sends content as 502, or hangs up.
    """
    status = 0
    for _ in range(TRIES):
        offset = offset_of(site, path)
        with contextlib.suppress(ConnectionError):
            response, _ = ask(site, "PATCH", path, {**PATCH, "Upload-Offset": str(offset)}, CONTENT[offset:])
            status = response.status
            if status not in (409, 502):
                break
    return status


def test_app_gets_the_content_while_it_arrives_and_a_break_keeps_it(site: tuple[str, int], tmp_path: Path) -> None:
    path, half = create(site), len(CONTENT) // 2
    head = "".join(f"{name}: {value}\r\n" for name, value in {
        "Host": "{}:{}".format(*site), **PATCH, "Upload-Offset": "0", "Content-Length": str(len(CONTENT))}.items())
    with socket.create_connection(site, TIMEOUT) as client:
        client.sendall(f"PATCH {path} HTTP/1.1\r\n{head}\r\n".encode() + CONTENT[:half])
        wait_for_offset(FileStorage(tmp_path / "uploads"), path[-32:], half - (1 << 20))
    offset = offset_of(site, path)
    assert half - (1 << 20) <= offset <= half
    assert resume(site, path) == 204
    response, part = ask(site, "GET", path, {"Range": "bytes=1000000-5999999"})
    assert (response.status, part) == (206, CONTENT[1_000_000:6_000_000])


def test_our_own_command(site: tuple[str, int], tmp_path: Path) -> None:
    (tmp_path / "film.mp4").write_bytes(CONTENT)
    command = texts("put")[""].replace(PROXIED, "{}:{}".format(*site))
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(["bash", "-euc", command], cwd=tmp_path, timeout=TIMEOUT, capture_output=True, text=True,
                          env={**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)})
    assert done.returncode == 0, done.stderr
    assert ask(site, "GET", f"/files/{done.stdout.strip()[-32:]}", {})[1] == CONTENT


def test_commands_for_curl(site: tuple[str, int], tmp_path: Path) -> None:
    (tmp_path / "film.mp4").write_bytes(CONTENT)
    # behind nginx the address is complete
    commands = texts("curl")[""].replace("$site$upload", "$upload").replace(PROXIED, "{}:{}".format(*site))
    commands += "curl -fsS -r 100-299 $upload\n"
    done = subprocess.run(["bash", "-euc", commands], cwd=tmp_path, timeout=TIMEOUT, capture_output=True)
    assert (done.stdout, done.returncode) == (CONTENT[100:300], 0), done.stderr
    [upload] = FileStorage(tmp_path / "uploads").uploads()
    assert (upload.metadata["filename"], upload.is_complete) == ("film.mp4", True)
