"""``rangeware check`` is right about the servers that people use: nginx, Apache, Go, frameworks, and ours.

``python -m tests.front.test_check`` prints the table that stands in the docs: server, verdict, and what is not good.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rangeware import RangeMiddleware
from rangeware.check import Report, check
from tests.check import servers
from tests.matrix import apache, download_hosts, nginx
from tests.matrix.relays import Address

pytestmark = pytest.mark.matrix

CONTENT = random.Random(18).randbytes(2_000_000)
TEXT = b"line of a text that compresses well\n" * 60_000
NAMES = ("file.bin", "1m.bin", "1g.bin", "8g.bin")  # the last ones for the server in Go
ROOT = Path(__file__).resolve().parents[2]
LONG_AGO = 1_700_000_000
GO = shutil.which("go", path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/lib/go/bin", "/usr/local/go/bin"]))

_SLICE = """\
    proxy_cache_path "{directory}/cache" keys_zone=slices:1m;
    server {{
        listen 127.0.0.1:{port};
        location / {{
            slice 1m;
            proxy_cache slices;
            proxy_cache_key $uri$slice_range;
            proxy_cache_valid 200 206 1h;
            proxy_set_header Range $slice_range;
            proxy_http_version 1.1;
            proxy_pass {upstream};
        }}
        location /forced/ {{
            proxy_force_ranges on;
            proxy_pass {upstream}/;
        }}
    }}
"""


@pytest.fixture(scope="module")
def files() -> Iterator[Path]:
    with _files() as folder:
        yield folder


@contextlib.contextmanager
def _files() -> Iterator[Path]:
    """A folder that every user may enter, with the files to serve."""
    folder = Path(tempfile.mkdtemp(prefix="rangeware-check-"))
    folder.chmod(0o755)
    try:
        for name in (*NAMES, "text.txt"):
            (folder / name).write_bytes(TEXT if name == "text.txt" else CONTENT)
            os.utime(folder / name, (LONG_AGO, LONG_AGO))
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


# --- servers: each yields a URL ---

@contextlib.contextmanager
def _host(name: str, files: Path) -> Iterator[str]:
    host = download_hosts.HOSTS[name]
    with _place() as directory, host.serving(files, directory) as address:
        yield _url(address, host.path)


@contextlib.contextmanager
def _place() -> Iterator[Path]:
    directory = Path(tempfile.mkdtemp(prefix="rangeware-check-"))
    directory.chmod(0o777)
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _url(address: Address, path: str) -> str:
    return f"http://{address[0]}:{address[1]}{path}"


def _go(port: int, files: Path, directory: Path) -> list[str]:
    assert GO is not None
    env = {**os.environ, "GOCACHE": str(directory / "cache"), "GOFLAGS": "-mod=mod", "GO111MODULE": "on"}
    subprocess.run([GO, "build", "-o", str(directory / "goserver"), "."], cwd=ROOT / "benchmarks" / "goserver", env=env,
                   check=True, timeout=300)
    return [*apache.WITH_US, str(directory / "goserver"), f"127.0.0.1:{port}", str(files)]


def _deflating(port: int, files: Path, directory: Path) -> list[str]:
    """Apache that compresses text on the way."""
    command = download_hosts._apache(port, files, directory)
    more = f"""
LoadModule filter_module {apache.MODULES}/mod_filter.so
LoadModule deflate_module {apache.MODULES}/mod_deflate.so
AddType text/plain .txt
AddOutputFilterByType DEFLATE text/plain
"""
    with open(directory / "apache.conf", "a") as site:
        site.write(more)
    return command


@contextlib.contextmanager
def _command(make: Any, files: Path, path: str) -> Iterator[str]:
    with _place() as directory, download_hosts._started(make)(files, directory) as address:
        yield _url(address, path)


@contextlib.contextmanager
def _behind_nginx(app: Any, path: str) -> Iterator[str]:
    with _place() as directory, servers.wsgi(app) as upstream:
        def site(port: int) -> str:
            return _SLICE.format(directory=directory, port=port, upstream=upstream)

        with nginx.with_site(site, directory) as address:
            yield _url(address, path)


@contextlib.contextmanager
def _wsgi(app: Any) -> Iterator[str]:
    with servers.wsgi(app) as url:
        yield f"{url}/file.bin"


def _whitenoise(files: Path) -> Any:
    whitenoise = pytest.importorskip("whitenoise")

    def missing(environ: Any, start_response: Any) -> list[bytes]:
        start_response("404 Not Found", [])
        return [b""]

    return whitenoise.WhiteNoise(missing, root=str(files))


def _django(files: Path) -> Any:
    django = pytest.importorskip("django")
    from django.conf import settings
    from django.core.handlers.wsgi import WSGIHandler
    from django.http import FileResponse
    from django.urls import path

    if not settings.configured:
        settings.configure(ALLOWED_HOSTS=["*"], SECRET_KEY="x", ROOT_URLCONF=__name__)
        django.setup()
    globals()["urlpatterns"] = [path("file.bin", lambda _: FileResponse((files / "file.bin").open("rb")))]
    return WSGIHandler()


def _generator(environ: Any, start_response: Any) -> Iterator[bytes]:
    start_response("200 OK", [("Content-Type", "video/mp4"), ("Content-Length", str(len(CONTENT))), ("ETag", '"v1"')])
    return (CONTENT[first:first + 65_536] for first in range(0, len(CONTENT), 65_536))


NO_RANGES = {"accept_ranges": "limited", "first_two": "broken", "from_start": "broken", "one_range": "broken"}
SEVERAL = {"several": "limited", "many": "limited"}
NO_LENGTH_IN_416 = {"unsatisfiable": "limited"}
CASES = {  # a server: how to start it, what is not good, the verdict
    "nginx": (lambda files: _host("nginx", files), {}, "good"),
    "nginx, max_ranges 0": (lambda files: _host("nginx without ranges", files), NO_RANGES, "broken"),
    "nginx, gzip on": (lambda files: _host("nginx with gzip", files), {"coding": "limited"}, "limited"),
    "Apache": (lambda files: _host("Apache", files), NO_LENGTH_IN_416, "limited"),
    "Apache, mod_deflate": (lambda files: _command(_deflating, files, "/text.txt"),
                            NO_LENGTH_IN_416 | {"coding": "limited"}, "limited"),
    "Go, http.ServeContent": (lambda files: _command(_go, files, "/1m"), {"zsync": "limited"}, "good"),
    "python -m http.server": (lambda files: _host("http.server", files), NO_RANGES, "broken"),
    "Flask, send_file": (lambda files: _host("Flask's own ranges", files), SEVERAL, "limited"),
    "Flask, generator": (lambda files: _host("Flask without ranges", files), NO_RANGES | {"revalidated": "limited"},
                         "broken"),
    "rangeware, Flask send_file": (lambda files: _host("rangeware on gunicorn, send_file", files), {}, "good"),
    "rangeware, Flask generator": (lambda files: _host("rangeware on gunicorn, generator", files), {}, "good"),
    "rangeware, Starlette": (lambda files: _host("rangeware on uvicorn, FileResponse", files), {}, "good"),
    "Django, FileResponse": (lambda files: _wsgi(_django(files)), NO_RANGES | {"validators": "limited"}, "broken"),
    "rangeware, Django": (lambda files: _wsgi(RangeMiddleware(_django(files))), {}, "good"),
    "WhiteNoise": (lambda files: _wsgi(_whitenoise(files)),
                   {"accept_ranges": "limited", **SEVERAL, "if_range_changed": "broken"}, "broken"),
    "rangeware, WhiteNoise": (lambda files: _wsgi(RangeMiddleware(_whitenoise(files))), {}, "good"),
    "nginx slice, rangeware": (lambda files: _behind_nginx(RangeMiddleware(_generator), "/"), SEVERAL, "limited"),
    "nginx, proxy_force_ranges": (lambda files: _behind_nginx(_generator, "/forced/"),
                                  SEVERAL | {"revalidated": "limited"}, "limited"),
}


def _found(report: Report) -> dict[str, str]:
    return {finding.name: finding.status for finding in report.findings if finding.status != "good"}


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # frameworks leave files open
@pytest.mark.parametrize("name", CASES)
def test_the_check_is_right(name: str, files: Path) -> None:
    start, expected, verdict = CASES[name]
    if name.startswith("Go") and GO is None:
        pytest.skip("Go is not installed")
    with start(files) as url:
        report = check(url)
    assert (_found(report), report.verdict) == (expected, verdict)


def main() -> None:
    """Print the table, and the details with -v."""
    with _files() as files:
        for name, (start, _, _) in CASES.items():
            with start(files) as url:
                report = check(url)
            found = ", ".join(f"{finding} {status}" for finding, status in _found(report).items())
            print(f"{name:<28} {report.verdict:<8} {found}", flush=True)
            for finding in report.findings if "-v" in sys.argv else ():
                if finding.status != "good":
                    print(f"    {finding.name}: {finding.detail}")


if __name__ == "__main__":
    main()
