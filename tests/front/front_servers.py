"""nginx, Apache and lighttpd in front of an app, each with the file of ``docs/configs`` that users copy.

Around it stands what concerns the whole machine, and is the distribution's: modules, logs, temporary folders. The three
run as www-data, with one capability more, so that they can read the files of root's temporary folders.
"""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.front.configs import LISTEN, adapted, listen
from tests.matrix import apache, nginx
from tests.matrix.launch import ATTEMPTS
from tests.matrix.wire import Address

TIMEOUT = 30.0
"""Seconds in which a front server must accept a connection; a bound, not a wait."""
GRACE = 5.0
"""Seconds that it is given to end by itself."""

CONFIGS = {
    "nginx": "nginx-x-accel.conf",
    "apache": "apache-xsendfile.conf",
    "lighttpd": "lighttpd-send-file.conf",
}
FRONT_SERVERS = tuple(CONFIGS)

_PACKAGES = {"nginx": "nginx-light", "apache2": "apache2-bin", "lighttpd": "lighttpd"}
_NGINX = """\
daemon off;
worker_processes 1;
pid "{directory}/nginx.pid";
error_log "{directory}/error.log" warn;
events {{ worker_connections 256; }}
http {{
    client_body_temp_path "{directory}/client_body";
    proxy_temp_path "{directory}/proxy";
    fastcgi_temp_path "{directory}/fastcgi";
    uwsgi_temp_path "{directory}/uwsgi";
    scgi_temp_path "{directory}/scgi";
    access_log "{directory}/access.log";
    default_type application/octet-stream;
{text}
}}
"""

_APACHE = """\
ServerRoot "{directory}"
DefaultRuntimeDir "{directory}"
PidFile "{directory}/apache.pid"
ErrorLog "{directory}/error.log"
LogLevel warn
Listen 127.0.0.1:{port}
{modules}
StartServers 1
ServerLimit 1
ThreadLimit 16
ThreadsPerChild 16
MaxRequestWorkers 16
{text}
"""
_APACHE_MODULES = ("mpm_event", "authz_core", "headers", "proxy", "proxy_http", "xsendfile")

_LIGHTTPD = """\
server.modules = ()
server.bind = "127.0.0.1"
server.port = {port}
server.document-root = "{directory}"
server.errorlog = "{directory}/error.log"
server.upload-dirs = ( "{directory}" )
{text}
"""


def configuration(name: str, address: Address, upstream: Address, media: Path, directory: Path) -> str:
    """The configuration with which a front server runs in a test.

    :param name: one of ``FRONT_SERVERS``.
    :param address: where it listens.
    :param upstream: where the app listens.
    :param media: the folder whose files it sends.
    :param directory: where it may write.
    """
    text = adapted(CONFIGS[name], {"/srv/media": str(media), **_addresses(name, address, upstream)})
    values = {"text": text, "directory": directory, "port": address[1]}
    if name == "apache":
        loaded = (f"LoadModule {module}_module {apache.MODULES}/mod_{module}.so" for module in _APACHE_MODULES)
        return _APACHE.format(modules="\n".join(loaded), **values)
    return (_NGINX if name == "nginx" else _LIGHTTPD).format(**values)


def _addresses(name: str, address: Address, upstream: Address) -> Mapping[str, str]:
    """What has to be replaced in a file of ``docs/configs``, and by what."""
    host, port = upstream
    if name == "lighttpd":
        return {'"host" => "127.0.0.1"': f'"host" => "{host}"', '"port" => 8000': f'"port" => {port}'}
    bound = f"127.0.0.1:{address[1]}"
    listens = {LISTEN: listen(bound)} if name == "nginx" else {"<VirtualHost *:80>": f"<VirtualHost {bound}>"}
    return {**listens, "http://127.0.0.1:8000": f"http://{host}:{port}"}


@contextlib.contextmanager
def plain_proxy(upstream: Address, directory: Path) -> Iterator[Address]:
    """nginx under ``nginx-proxy.conf``: its host and port; ended at the end.

    :param upstream: where the app listens.
    :param directory: where it may write; its complaints are in ``error.log``.
    """
    def site(port: int) -> str:
        return adapted("nginx-proxy.conf", {
            f"{LISTEN}    server_name example.org;\n\n": f"{listen(f'127.0.0.1:{port}')}    server_name localhost;\n\n",
            "server 127.0.0.1:8000;": "server {}:{};".format(*upstream),
        })
    with nginx.with_site(site, directory) as address:
        yield address


@contextlib.contextmanager
def serving(name: str, upstream: Address, media: Path, directory: Path) -> Iterator[Address]:
    """A front server at work: its host and port; ended at the end.

    :param name: one of ``FRONT_SERVERS``.
    :param upstream: where the app listens.
    :param media: the folder whose files it sends.
    :param directory: where it may write; its complaints are in ``error.log``.
    """
    for _ in range(ATTEMPTS):  # somebody else may take the port that was free
        with socket.create_server(("127.0.0.1", 0)) as free:
            address: Address = free.getsockname()
        file = directory / f"{name}.conf"
        file.write_text(configuration(name, address, upstream, media, directory), encoding="utf-8")
        process = _start(command(name, file), directory)
        try:
            if _listens(process, address, directory):
                yield address
                return
        finally:
            _end(process)
    raise AssertionError(f"{name} got no port\n{_log(directory)}")


def command(name: str, file: Path, *options: str) -> list[str]:
    """The command that runs a front server in the foreground with this configuration.

    :param options: of the server's own command, before those that name the file.
    """
    if name == "nginx":
        return [*apache.as_somebody(), _executable("nginx"), *options, "-p", str(file.parent), "-e",
                str(file.parent / "error.log"), "-c", str(file)]
    if name == "apache":
        return [*apache.as_somebody(), _executable("apache2"), *options, "-f", str(file), "-DFOREGROUND"]
    return [*apache.as_somebody(), _executable("lighttpd"), *(options or ("-D",)), "-f", str(file)]


def _executable(name: str) -> str:
    path = shutil.which(name, path=apache.PATH)
    assert path, f"{name} is not installed: install Debian's package {_PACKAGES[name]}"
    return path


def _start(command: list[str], directory: Path) -> subprocess.Popen[bytes]:
    with open(directory / "output.log", "ab") as output:
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)


def _listens(process: subprocess.Popen[bytes], address: Address, directory: Path) -> bool:
    """Wait until the server accepts connections; False if somebody else has its port.

    :raises AssertionError: if it ends for another reason, or does not listen within ``TIMEOUT`` seconds.
    """
    deadline = time.monotonic() + TIMEOUT
    while process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(address, 1):
            return True
        assert time.monotonic() < deadline, f"it does not listen\n{_log(directory)}"
        time.sleep(0.02)
    log = _log(directory)
    assert "in use" in log, f"it ended at once\n{log}"
    return False


def _log(directory: Path) -> str:
    return "\n".join(path.read_text(errors="replace") for path in sorted(directory.glob("*.log")))


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(GRACE)
    if process.poll() is None:
        process.kill()
        process.wait()
