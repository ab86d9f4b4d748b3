"""nginx as a plain reverse proxy, and gunicorn under systemd's units: the very files of ``docs/configs``, at work.

systemd itself is not started. The test does what it would do: it reads the units, opens the socket, runs ExecStart with
it, waits to be notified, and runs ExecReload.
"""

from __future__ import annotations

import ast
import configparser
import contextlib
import json
import os
import random
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.front import front_servers
from tests.front.configs import FOLDER, LISTEN, adapted
from tests.matrix import apache, nginx
from tests.matrix.launch import ROOT
from tests.matrix.wire import Address, Connection
from tests.support import parts
from tests.uploads.support import PATCH, TUS

pytestmark = pytest.mark.matrix

MIB = 1 << 20
TIMEOUT = 60.0
"""Seconds until something must have happened; a bound, not a wait."""
FILM = random.Random(1922).randbytes(3 * MIB)
SITE = "/srv/films"
"""The folder that the units name, and the tests replace."""
LARGE = 200 * MIB

APP = '''
from flask import Flask, request, send_file
from rangeware import RangeMiddleware
from rangeware.uploads import FileStorage, UploadApp
from werkzeug.middleware.proxy_fix import ProxyFix

app = Flask(__name__)

@app.get("/films/<name>")
def film(name):
    return send_file(f"{folder}/{{name}}")

@app.get("/version")
def version():
    return "{version}"

@app.get("/asked")
def asked():
    sent = request.environ["werkzeug.proxy_fix.orig"]
    return {{"url": request.url, "client": request.remote_addr, "host": sent["HTTP_HOST"],
            "fields": dict(request.headers)}}

app.wsgi_app = UploadApp(FileStorage("{folder}/uploads"), app=app.wsgi_app, path="/files/")
app.wsgi_app = RangeMiddleware(ProxyFix(app.wsgi_app, x_for=1, x_proto=1, x_host=1))
'''


# --- systemd ---

def unit(name: str) -> configparser.ConfigParser:
    """A unit, as systemd reads it."""
    parser = configparser.ConfigParser(delimiters="=", comment_prefixes="#", interpolation=None)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read(FOLDER / name)
    return parser


SERVICE = unit("gunicorn.service")["Service"]
SOCKET = unit("gunicorn.socket")["Socket"]


class Service:
    """gunicorn as systemd runs it.

    :param directory: takes the place of ``SITE``.
    """

    def __init__(self, directory: Path, *before: str) -> None:
        self.directory = directory
        self.write_app("1")
        (directory / "gunicorn.conf.py").write_text(adapted("gunicorn.conf.py", {}))
        host, port = SOCKET["ListenStream"].split(":")
        assert (host, port) == ("127.0.0.1", "8000")  # as in nginx-proxy.conf
        notified = directory / "notify"
        with socket.create_server((host, 0), backlog=int(SOCKET["Backlog"])) as listening:
            self.address: Address = listening.getsockname()
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as self._notifications:
                self._notifications.bind(str(notified))
                self._notifications.settimeout(TIMEOUT)
                self.process = self._start(listening, notified, before)
                self._wait()

    def _start(self, listening: socket.socket, notified: Path, before: tuple[str, ...]) -> subprocess.Popen[bytes]:
        # The first descriptor that systemd passes is 3, and LISTEN_PID is the pid of the process that gets it.
        script = f'exec 3<&{listening.fileno()}; export LISTEN_FDS=1 LISTEN_PID=$$; exec "$@"'
        command = shlex.split(self._here(SERVICE["ExecStart"]))
        runtime = self.directory / "run"
        runtime.mkdir()
        name, value = SERVICE["Environment"].replace(f"/run/{SERVICE['RuntimeDirectory']}", str(runtime)).split("=")
        env = {"PATH": os.defpath, "PYTHONPATH": str(ROOT), "NOTIFY_SOCKET": str(notified), name: value}
        with open(self.directory / "gunicorn.log", "ab") as log:
            return subprocess.Popen(
                [*before, *apache.WITH_US, "bash", "-c", script, "bash", *command], stdin=subprocess.DEVNULL,
                cwd=self._here(SERVICE["WorkingDirectory"]), env=env, stdout=log, stderr=log,
                pass_fds=(listening.fileno(),))

    def _wait(self) -> None:
        """Until it has notified us that it is ready: Type=notify."""
        assert SERVICE["Type"] == "notify"
        try:
            assert b"READY=1" in self._notifications.recv(4096)
        except BaseException:
            self.end()
            print(self.log())
            raise

    def _here(self, text: str) -> str:
        assert SITE in text
        return text.replace(f"{SITE}/venv/bin/", f"{Path(sys.executable).parent}/").replace(SITE, str(self.directory))

    def write_app(self, version: str) -> None:
        shutil.rmtree(self.directory / "__pycache__", ignore_errors=True)  # a .pyc knows times to the second only
        (self.directory / "films.py").write_text(APP.format(folder=self.directory, version=version))

    def reload(self) -> None:
        """As "systemctl reload" does."""
        subprocess.run(shlex.split(SERVICE["ExecReload"].replace("$MAINPID", str(self.process.pid))), check=True)

    def terminate(self) -> None:
        """As "systemctl stop" does with KillMode=mixed: only the main process gets SIGTERM."""
        assert SERVICE["KillMode"] == "mixed"
        assert SERVICE.get("KillSignal", "SIGTERM") == "SIGTERM"
        self.process.terminate()

    def log(self) -> str:
        return (self.directory / "gunicorn.log").read_text()

    def workers(self) -> list[int]:
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [int(pid) for pid in children.split()]

    def files_open(self, name: str) -> int:
        """How many descriptors the workers have of a film."""
        return sum(_is_link_to(descriptor, self.directory / name) for pid in self.workers()
                   for descriptor in Path(f"/proc/{pid}/fd").iterdir())

    def end(self) -> None:
        workers = self.workers() if self.process.poll() is None else []
        self.process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(5)
        for pid in [self.process.pid, *workers]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()


def _is_link_to(link: Path, path: Path) -> bool:
    try:
        return os.readlink(link) == str(path)
    except OSError:
        return False


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    (tmp_path / "film.mp4").write_bytes(FILM)
    with open(tmp_path / "large.mp4", "wb") as file:
        file.truncate(LARGE)
    running = Service(tmp_path)
    try:
        yield running
    finally:
        running.end()


@pytest.fixture
def site(service: Service) -> Iterator[Address]:
    """nginx in front of gunicorn: its host and port."""
    directory = service.directory / "nginx"
    directory.mkdir()
    with front_servers.plain_proxy(service.address, directory) as address:
        yield address


def wait_until(claim: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + TIMEOUT
    while not claim():
        assert time.monotonic() < deadline, f"in vain: {what}"
        time.sleep(0.05)


@contextlib.contextmanager
def downloading(address: Address, count: int) -> Iterator[list[Connection]]:
    """Clients that have got the first bytes of a large file, and take no more for now."""
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(Connection(address, TIMEOUT)) for _ in range(count)]
        for client in clients:
            client.send("/films/large.mp4")
        for client in clients:
            status, fields = client.head()
            assert (status, dict(fields)["Content-Length"]) == (200, str(LARGE))
            client.read(MIB)
        yield clients


def read_rest(client: Connection, left: int = LARGE - MIB) -> None:
    while left:
        block = client.read(min(left, 8 * MIB))
        assert not block.strip(b"\0")
        left -= len(block)


# --- nginx ---

def test_ranges_pass(site: Address):
    with Connection(site) as client:
        whole = client.ask("/films/film.mp4")
        assert (whole.status, whole.body, whole.get("Accept-Ranges")) == (200, FILM, "bytes")
        one = client.ask("/films/film.mp4", Range="bytes=1000000-2999999")
        assert (one.status, one.body) == (206, FILM[1_000_000:3_000_000])
        assert one.get("Content-Range") == f"bytes 1000000-2999999/{len(FILM)}"
        assert one.get("ETag") == whole.get("ETag")
        several = client.ask("/films/film.mp4", Range="bytes=0-9,2000000-2000009")
        assert [part.content for part in parts(several)] == [FILM[:10], FILM[2_000_000:2_000_010]]
        beyond = client.ask("/films/film.mp4", Range=f"bytes={len(FILM)}-")
        assert (beyond.status, beyond.get("Content-Range")) == (416, f"bytes */{len(FILM)}")
        assert client.opened == 1


def test_conditions_pass(site: Address):
    with Connection(site) as client:
        etag = str(client.ask("/films/film.mp4", "HEAD").get("ETag"))
        same = client.ask("/films/film.mp4", Range="bytes=10-19", If_Range=etag)
        assert (same.status, same.body) == (206, FILM[10:20])
        changed = client.ask("/films/film.mp4", Range="bytes=10-19", If_Range='"another"')
        assert (changed.status, changed.body) == (200, FILM)
        assert client.ask("/films/film.mp4", If_None_Match=etag).status == 304
        assert client.ask("/films/film.mp4", Range="bytes=10-19", If_Match='"another"').status == 412


def test_app_learns_what_the_client_asked_for_and_who_it_is(site: Address):
    with Connection(site) as client:
        answer = client.ask("/asked", Host="films.example", X_Forwarded_For="192.0.2.1", X_Forwarded_Proto="https",
                            X_Forwarded_Host="forged.example", Range="items=0-9")
    asked = json.loads(answer.body)
    assert asked["url"] == "http://films.example/asked"
    assert asked["client"] == "127.0.0.1"
    assert asked["host"] == "films.example"
    assert asked["fields"]["Range"] == "items=0-9"


def test_connections_to_gunicorn_are_kept(site: Address, service: Service):
    for _ in range(5):
        with Connection(site) as client:
            assert client.ask("/version").body == b"1"
    ours = f"{service.address[1]:04X}"
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    established = [line for line in lines if line[2].endswith(f":{ours}") and line[3] == "01"]
    assert len(established) == 1  # 5 requests of 5 clients, one after the other


def test_nginx_gives_up_idle_connections_before_gunicorn_does():
    [seconds] = re.findall(r"^ *keepalive_timeout (\d+)s;", (FOLDER / "nginx-proxy.conf").read_text(), re.MULTILINE)
    assert int(seconds) < settings()["keepalive"]


def test_slow_clients_fill_no_disk_and_block_nobody_else(site: Address, service: Service):
    downloads = 20
    with downloading(site, downloads) as clients:
        assert service.files_open("large.mp4") >= downloads  # each has a thread that waits for it
        with Connection(site) as other:
            assert other.ask("/version").body == b"1"
        for client in clients[:2]:
            read_rest(client)
        buffered = [path for path in (service.directory / "nginx" / "proxy").rglob("*") if path.is_file()]
        assert not buffered
        assert "temporary file" not in (service.directory / "nginx" / "error.log").read_text()
    wait_until(lambda: not service.files_open("large.mp4"), "the threads are free when the clients are gone")


def test_one_worker_has_threads_enough_for_as_many_downloads(service: Service):
    """What the page promises. There may be more: the kernel spreads connections over the workers as it likes."""
    with downloading(service.address, settings()["threads"] - 1), Connection(service.address, TIMEOUT) as other:
        assert other.ask("/version").body == b"1"


def test_upload_passes_while_it_arrives(site: Address, service: Service):
    content = FILM + FILM  # more than the other locations take
    with Connection(site) as client:
        created = client.ask("/files/", "POST", **{**TUS, "Upload-Length": str(len(content))})
        assert created.status == 201
        path = "/files/" + str(created.get("Location")).partition("/files/")[2]
        fields = {"Host": "localhost", **PATCH, "Upload-Offset": "0", "Content-Length": str(len(content))}
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        half = len(content) // 2
        client.send_bytes(f"PATCH {path} HTTP/1.1\r\n{head}\r\n".encode() + content[:half], method="PATCH")
        with Connection(site) as other:  # before the other half has been sent
            wait_until(lambda: int(str(other.ask(path, "HEAD", **TUS).get("Upload-Offset"))) > 0,
                       "the app has some of it")
        client._socket.sendall(content[half:])
        assert client.receive().status == 204
        assert client.ask(path, Range="bytes=1000000-4999999").body == content[1_000_000:5_000_000]
    assert not [path for path in (service.directory / "nginx" / "client_body").rglob("*") if path.is_file()]


def test_other_locations_take_small_requests_only(site: Address):
    with Connection(site) as client:
        client.send("/version", "POST", Content_Length=str(MIB + 1))
        assert client.head()[0] == 413


def test_lines_for_tls_are_right_once_they_are_uncommented(tmp_path: Path):
    key, certificate = tmp_path / "privkey.pem", tmp_path / "fullchain.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=example.org", "-keyout",
                    key, "-out", certificate], check=True, capture_output=True)
    text = adapted("nginx-proxy.conf", {
        f"{LISTEN}    server_name example.org;\n\n": "    server_name example.org;\n\n",
        "    # listen 443": "    listen 127.0.0.1:443", "    # listen [::]:443 ssl;\n": "",
        "    # ssl_": "    ssl_", "# server {": "server {", "# }": "}",
        "#     listen 80": "    listen 127.0.0.1:80", "#     listen [::]:80;\n": "",
        "#     server": "    server", "#     return": "    return",
        "/etc/ssl/example.org": str(tmp_path),
    })
    configuration = tmp_path / "nginx.conf"
    configuration.write_text(f"pid {tmp_path}/nginx.pid;\nevents {{}}\nhttp {{\n{text}\n}}\n")
    done = subprocess.run([nginx.check_installed(), "-t", "-p", tmp_path, "-e", tmp_path / "error.log", "-c",
                           configuration], capture_output=True, text=True, timeout=TIMEOUT)
    assert done.returncode == 0, done.stderr


# --- gunicorn ---

def settings() -> dict[str, object]:
    """What gunicorn.conf.py sets."""
    tree = ast.parse((FOLDER / "gunicorn.conf.py").read_text())
    return {target.id: ast.literal_eval(node.value) for node in tree.body if isinstance(node, ast.Assign)
            for target in node.targets if isinstance(target, ast.Name)}


def test_service_has_its_own_settings(service: Service):
    with Connection(service.address) as client:
        assert client.ask("/films/film.mp4", Range="bytes=5-9").body == FILM[5:10]
        assert client.ask("/films/film.mp4", Range="bytes=0-4").body == FILM[:5]
        assert client.opened == 1  # the sync worker would close after each response
    assert len(service.workers()) == settings()["workers"]


def test_reload_brings_the_new_code_and_finishes_what_is_running(service: Service):
    wait_until(lambda: len(service.workers()) == settings()["workers"], "all workers are there")
    old = set(service.workers())
    with downloading(service.address, 1) as [client]:
        service.write_app("2")
        service.reload()
        wait_until(lambda: _version(service.address) == b"2", "the new version answers")
        wait_until(lambda: len(old & set(service.workers())) == 1, "the old worker that has nothing to do has ended")
        read_rest(client)
    wait_until(lambda: not old & set(service.workers()), "the other one, too")
    assert service.process.poll() is None


def _version(address: Address) -> bytes:
    with Connection(address) as client:
        return client.ask("/version").body


def test_stop_finishes_what_is_running(service: Service):
    with downloading(service.address, 2) as clients:
        service.terminate()
        for client in clients:
            read_rest(client)
    assert service.process.wait(float(SERVICE["TimeoutStopSec"])) == 0
    assert "Traceback" not in service.log()


def test_gunicorn_has_a_place_for_its_control_socket(service: Service):
    wait_until(lambda: (service.directory / "run" / "gunicorn.ctl").is_socket(), "the control socket is there")
    assert "control socket:" not in service.log().lower()  # a failure to make it


def test_systemd_waits_longer_than_gunicorn():
    assert float(SERVICE["TimeoutStopSec"]) > settings()["graceful_timeout"]


def test_units_are_right(tmp_path: Path):
    program = shutil.which("systemd-analyze")
    assert program, "systemd-analyze is not installed: install Debian's package systemd"
    for name in ("gunicorn.socket", "gunicorn.service"):
        text = (FOLDER / name).read_text().replace(f"{SITE}/venv/bin/", f"{Path(sys.executable).parent}/")
        (tmp_path / name).write_text(text)
    for name in ("gunicorn.socket", "gunicorn.service"):
        done = subprocess.run([program, "verify", "--man=no", f"./{name}"], cwd=tmp_path, timeout=TIMEOUT,
                              capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")


def test_system_calls_are_among_those_that_the_unit_allows(tmp_path: Path):
    program, strace = shutil.which("systemd-analyze"), shutil.which("strace")
    assert program, "systemd-analyze is not installed: install Debian's package systemd"
    assert strace, "strace is not installed: install Debian's package strace"
    allowed = allowed_calls(program, SERVICE["SystemCallFilter"])
    (tmp_path / "film.mp4").write_bytes(FILM)
    running = Service(tmp_path, strace, "-f", "-qq", "-e", "signal=none", "-o", str(tmp_path / "calls"))
    try:
        with Connection(running.address, TIMEOUT) as client:
            assert client.ask("/films/film.mp4", Range="bytes=5-1000000").body == FILM[5:1_000_001]
            assert client.ask("/files/", "POST", **{**TUS, "Upload-Length": "3"}).status == 201
    finally:
        running.end()
    called = {line.split(maxsplit=1)[1].split("(")[0] for line in (tmp_path / "calls").read_text().splitlines()
              if "(" in line and "resumed>" not in line}
    assert "sendfile" in called
    assert called <= allowed


def allowed_calls(program: str, name: str) -> set[str]:
    """The system calls of a set of systemd, and of the sets in it."""
    text = subprocess.run([program, "syscall-filter", name], check=True, capture_output=True, text=True).stdout
    named = {word for word in text.split() if word.islower() or word.startswith("@")} - {name}
    return {call for word in named for call in (allowed_calls(program, word) if word.startswith("@") else {word})}
