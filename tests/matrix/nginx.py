"""nginx from Debian's packages, under a configuration of our own."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.matrix import apache

TIMEOUT = 60.0
"""Seconds in which nginx must accept a connection; a bound, not a wait."""
GRACE = 5.0
"""Seconds that it is given to end by itself."""

_SITE = """\
daemon off;
worker_processes 1;
pid "{directory}/nginx.pid";
error_log "{directory}/error.log" warn;
{identity}
events {{ worker_connections 256; }}
http {{
    client_body_temp_path "{directory}/client_body";
    proxy_temp_path "{directory}/proxy";
    fastcgi_temp_path "{directory}/fastcgi";
    uwsgi_temp_path "{directory}/uwsgi";
    scgi_temp_path "{directory}/scgi";
    log_format lines '$uri $status "$http_range" $body_bytes_sent';
    access_log "{directory}/access.log" lines;
    default_type application/octet-stream;
    sendfile on;
{site}}}
"""

_FILES = """\
    limit_conn_zone $server_port zone=one:64k;
    server {{
        {listen}
        root "{root}";
        location /gzip/ {{
            alias "{root}/";
            gzip on;
            gzip_types application/octet-stream;
            gzip_min_length 0;
        }}
        location /one/ {{
            alias "{root}/";
            limit_conn one 1;
            limit_rate 2m;
        }}
        location /never/ {{
            alias "{root}/";
            max_ranges 0;
        }}
    }}
"""

_SLICES = """\
    proxy_cache_path "{directory}/cache" keys_zone=slices:1m;
    server {{
        listen 127.0.0.1:{port};
        slice 1m;
        proxy_cache slices;
        proxy_cache_key $uri$is_args$args$slice_range;
        proxy_cache_valid 200 206 1h;
        proxy_set_header Range $slice_range;
        proxy_http_version 1.1;
        location / {{
            proxy_pass http://{upstream};
        }}
        location /slowly/ {{
            proxy_pass http://{upstream};
            limit_rate 6m;
        }}
    }}
"""


def check_installed() -> str:
    """The path of nginx.

    :raises AssertionError: if it is not installed.
    """
    executable = shutil.which("nginx", path=apache.PATH)
    assert executable, "nginx is not installed: install Debian's package nginx-light"
    return executable


@contextlib.contextmanager
def serving(root: Path, directory: Path, certificate: Path | None = None) -> Iterator[tuple[str, int]]:
    """nginx at work on the files in ``root``: its host and port; ended at the end.

    Paths: ``/NAME`` is plain, ``/gzip/NAME`` compresses, ``/one/NAME`` is slow and answers 503 to all connections but
    one, ``/never/NAME`` knows no ranges.

    :param directory: where it may write.
    :param certificate: a file with key and certificate, for HTTPS.
    """
    def site(port: int) -> str:
        lines = [f"listen 127.0.0.1:{port}{' ssl' if certificate else ''};"]
        if certificate:
            lines += [f'ssl_certificate "{certificate}";', f'ssl_certificate_key "{certificate}";']
        return _FILES.format(root=root, listen="\n        ".join(lines))
    with with_site(site, directory) as address:
        yield address


@contextlib.contextmanager
def slicing(upstream: tuple[str, int], directory: Path) -> Iterator[tuple[str, int]]:
    """nginx at work as a cache that asks another server for slices of 1 MiB: its host and port; ended at the end.

    Paths: what is below ``/slowly/`` is sent at 6 MiB a second.

    :param upstream: host and port of the other server.
    :param directory: where it may write; its complaints are in ``error.log``.
    """
    def site(port: int) -> str:
        return _SLICES.format(directory=directory, port=port, upstream="{}:{}".format(*upstream))
    with with_site(site, directory) as address:
        yield address


@contextlib.contextmanager
def with_locations(text: str, directory: Path) -> Iterator[tuple[str, int]]:
    """nginx at work with these locations, as they stand in a ``server``: its host and port; ended at the end.

    :param directory: where it may write.
    """
    with with_site(lambda port: f"server {{ listen 127.0.0.1:{port};\n{text}}}\n", directory) as address:
        yield address


@contextlib.contextmanager
def with_site(site: Callable[[int], str], directory: Path) -> Iterator[tuple[str, int]]:
    """nginx at work on a site: its host and port; ended at the end.

    :param site: makes what stands in ``http`` of the port that nginx listens on at 127.0.0.1.
    :param directory: where it may write; its complaints are in ``error.log``.
    """
    executable = check_installed()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        address: tuple[str, int] = listening.getsockname()
        configuration = directory / "nginx.conf"
        identity = "" if os.geteuid() else "user root;"  # so that it may read what only root may
        configuration.write_text(_SITE.format(directory=directory, identity=identity, site=site(address[1])))
        command = [*apache.WITH_US, executable, "-p", str(directory), "-e", str(directory / "error.log"),
                   "-c", str(configuration)]
        # As when it replaces itself, nginx takes the listening socket that is open under this number.
        env = {**os.environ, "NGINX": f"{listening.fileno()};"}
        with open(directory / "nginx.log", "ab") as log:
            process = subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                       pass_fds=(listening.fileno(),))
    try:
        _wait(process, directory)
        yield address
    finally:
        _end(process)


def _wait(process: subprocess.Popen[bytes], directory: Path) -> None:
    """Until it has said that it runs: the socket accepts connections before that."""
    deadline = time.monotonic() + TIMEOUT
    while not (directory / "nginx.pid").exists() or not (directory / "nginx.pid").read_text().strip():
        log = "\n".join(path.read_text() for path in directory.glob("*.log"))
        assert process.poll() is None, f"nginx ended at once\n{log}"
        assert time.monotonic() < deadline, f"nginx does not start\n{log}"
        time.sleep(0.02)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(GRACE)
    if process.poll() is None:
        process.kill()
        process.wait()
