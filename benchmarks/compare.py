"""Ask servers and frameworks for ranges, each as it comes, and print what they answer: the tables of the comparison.

``python -m benchmarks.compare`` prints them; with ``--write`` they replace those in ``docs/comparison.md``. Each app is
started on a real server. A cell tells what was seen, never what a manual says.
"""

from __future__ import annotations

import argparse
import contextlib
import email
import email.message
import http.client
import platform
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from benchmarks import data, nginx
from benchmarks.figures import duration, table, unbroken
from benchmarks.report import splice
from benchmarks.serving import NotServing, Running, serving
from benchmarks.targets import GO_SERVER, TARGETS, Start, Target, gthread

PAGE = data.ROOT / "docs" / "comparison.md"
MARKS = ("<!-- compared -->", "<!-- /compared -->")
TIMEOUT = 60.0
"""Maximum seconds that a server may be silent."""
TIMES = 7
"""How often a time is taken; the best counts."""
_SLOW = 1.0
"""Seconds after which it is taken no more than ``_LEAST`` times."""
_LEAST = 3
"""Before the first one, the file may not be in the page cache."""
_OLD = "Mon, 01 Jan 2001 00:00:00 GMT"
_FILE = "/1m"
_LENGTH = data.LENGTHS[_FILE]
_ENOUGH = 2 << 20
"""Bytes that are read of a response at most."""


class Row(NamedTuple):
    """A row of the tables.

    :param words: the first cell.
    :param target: how it is started.
    :param packages: distributions whose versions are named, or a command that prints a version.
    :param generator: path of a generator of known length; ``None`` where the server cannot have one.
    """

    words: str
    target: Target
    packages: tuple[str, ...]
    generator: str | None = "/gen"


class Seen(NamedTuple):
    """A response: status, header fields, and its content up to ``_ENOUGH`` bytes."""

    status: int
    fields: http.client.HTTPMessage
    content: bytes

    def holds(self, first_pos: int, last_pos: int) -> bool:
        """Tell if this is a plain 206 with exactly these bytes of the file."""
        return (self.status == 206
                and self.fields["Content-Range"] == f"bytes {first_pos}-{last_pos}/{_LENGTH}"
                and self.content == data.content(first_pos, last_pos))

    def is_whole(self) -> bool:
        """Tell if this is the whole file."""
        return self.status == 200 and len(self.content) == _LENGTH


# --- servers that are not among the targets of the benchmark ---

_APACHE = """
ServerRoot "{directory}"
ServerName localhost
DefaultRuntimeDir "{directory}"
PidFile "{directory}/apache.pid"
ErrorLog "{directory}/error.log"
Listen 127.0.0.1:{port}
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
{user}
DocumentRoot "{served}"
<Directory "{served}">
    Options FollowSymLinks
    Require all granted
</Directory>
"""

_PROXY = """
location / {{
    proxy_pass http://{0}:{1};
    proxy_set_header Range "";
    proxy_set_header If-Range "";
    proxy_force_ranges on;
    proxy_max_temp_file_size 0;
}}
"""


def _apache(port: int, directory: Path) -> list[str]:
    user = "User www-data\nGroup www-data" if directory.owner() == "root" else ""
    directory.chmod(0o755)
    file = directory / "apache.conf"
    file.write_text(_APACHE.format(directory=directory, port=port, user=user, served=data.SERVED))
    return [shutil.which("apache2") or "/usr/sbin/apache2", "-DFOREGROUND", "-f", str(file)]


def _nginx_before(upstream: tuple[str, int]) -> Start:
    """Start nginx as a proxy that makes the ranges itself, before an app that knows none."""
    return lambda port, directory: nginx.command(port, directory, _PROXY.format(*upstream))


_BY_NAME = {target.name: target for target in TARGETS}
_PLAIN = Target("plain", "gthread", "peer", gthread("plain:dated"))
"""An app without range support, for nginx to make the ranges."""
_VERSIONS = {"nginx": (nginx.PROGRAM, "-v"), "apache": ("/usr/sbin/apache2", "-v"), "go": ("go", "version")}


def _gthread(name: str, app: str) -> Target:
    return Target(name, "gthread", "peer", gthread(app))


def _rows(proxied: tuple[str, int]) -> Iterator[Row]:
    """Yield all rows. ``proxied`` is the address of ``_PLAIN``."""
    yield Row("Flask, gunicorn", _BY_NAME["flask-gthread"], ("flask", "werkzeug", "gunicorn"), "/plain")
    yield Row("Flask, waitress", _BY_NAME["flask-waitress"], ("flask", "werkzeug", "waitress"), "/plain")
    yield Row("Flask with `make_conditional`, gunicorn", _BY_NAME["flask-gthread"], ("flask", "gunicorn"))
    yield Row("Django, gunicorn", _gthread("django", "django_alone:alone"), ("django", "gunicorn"))
    yield Row("Starlette and FastAPI, uvicorn", _BY_NAME["starlette-uvicorn"], ("starlette", "uvicorn"))
    yield Row("Bottle, gunicorn", _BY_NAME["bottle-gthread"], ("bottle", "gunicorn"))
    yield Row("WhiteNoise, gunicorn", _BY_NAME["whitenoise-gthread"], ("whitenoise", "gunicorn"), None)
    yield Row("baize, gunicorn", _BY_NAME["baize-gthread"], ("baize", "gunicorn"))
    yield Row("aiohttp", _BY_NAME["aiohttp"], ("aiohttp",))
    yield Row("nginx, files", _BY_NAME["nginx"], ("nginx",), None)
    yield Row("nginx, `proxy_force_ranges`", Target("proxy", "nginx", "peer", _nginx_before(proxied)), ("nginx",))
    yield Row("Apache, files", Target("apache", "apache", "peer", _apache), ("apache",), None)
    yield Row("Go, `http.ServeContent`", _BY_NAME["go"], ("go",), None)
    yield Row("**Flask with rangeware**, gunicorn", _gthread("flask-with", "flask:with_rangeware"), (), "/plain")
    yield Row("**Django with rangeware**, gunicorn", _gthread("django-with", "django_alone:with_rangeware"), ())
    yield Row("**Starlette with rangeware**, uvicorn", _BY_NAME["rangeware-starlette-uvicorn"], ())


# --- asking ---

class Peer:
    """A running server that is asked."""

    def __init__(self, row: Row, running: Running) -> None:
        self._row = row
        self._running = running

    def ask(self, path: str = _FILE, method: str = "GET", /, **fields: str) -> Seen:
        """Send one request. Words in the names of fields are separated by underscores."""
        connection = http.client.HTTPConnection(*self._running.address, timeout=TIMEOUT)
        try:
            connection.request(method, path, headers={name.replace("_", "-"): value for name, value in fields.items()})
            answer = connection.getresponse()
            return Seen(answer.status, answer.headers, answer.read(_ENOUGH))
        finally:
            connection.close()

    # each of these is a cell

    def one(self) -> str:
        """One range, as a player asks for it."""
        seen = self.ask(Range="bytes=1000-1999")
        return "yes" if seen.holds(1000, 1999) else _other(seen)

    def suffix(self) -> str:
        """The last bytes."""
        seen = self.ask(Range="bytes=-500")
        return "yes" if seen.holds(_LENGTH - 500, _LENGTH - 1) else _other(seen)

    def several(self) -> str:
        """Two ranges."""
        seen = self.ask(Range="bytes=0-9,1000-1009")
        if _parts(seen) == [("bytes 0-9", data.content(0, 9)), ("bytes 1000-1009", data.content(1000, 1009))]:
            return "yes"
        return "only the first" if seen.holds(0, 9) else _other(seen)

    def unsatisfiable(self) -> str:
        """A range beyond the end: 416, which tells the complete length (RFC 9110 15.5.17)."""
        seen = self.ask(Range=f"bytes={_LENGTH}-")
        if seen.status != 416:
            return _other(seen)
        return "416" if seen.fields["Content-Range"] == f"bytes */{_LENGTH}" else "416, no length"

    def malformed(self) -> str:
        """A range with its ends swapped is no range: the header has to be ignored (RFC 9110 14.1.1, 14.2)."""
        seen = self.ask(Range="bytes=9-2")
        return "ignored" if seen.is_whole() else str(seen.status)

    def head(self) -> str:
        """Range is defined for GET only (RFC 9110 14.2)."""
        return str(self.ask(_FILE, "HEAD", Range="bytes=0-9").status)

    def validators(self) -> str:
        """The validators of a file."""
        fields = self.ask(_FILE, "HEAD").fields
        sent = [name for name in ("ETag", "Last-Modified") if fields[name] is not None]
        return " and ".join(sent) or "none"

    def if_range(self) -> str:
        """A range of the version that the client has, or else the whole file (RFC 9110 13.1.5)."""
        fields = self.ask(_FILE, "HEAD").fields
        if not self.ask(Range="bytes=0-9").holds(0, 9):
            return "no ranges"
        others = {"another ETag": '"another"', "another date": _OLD}
        joined = [name for name, value in others.items() if self.ask(Range="bytes=0-9", If_Range=value).status == 206]
        if joined:
            return f"sends the range for {' and '.join(joined)}"
        values = {name: fields[name] for name in ("ETag", "Last-Modified") if fields[name] is not None}
        unmet = [name for name, value in values.items() if self.ask(Range="bytes=0-9", If_Range=value).status != 206]
        return f"whole file for its own {' and '.join(unmet)}" if unmet else "yes" if values else "no validator"

    def conditions(self) -> str:
        """What the other preconditions lead to (RFC 9110 13.1.1 to 13.1.4)."""
        fields = self.ask(_FILE, "HEAD").fields
        asked = {"If-None-Match": (fields["ETag"], 304), "If-Modified-Since": (fields["Last-Modified"], 304),
                 "If-Match": ('"another"', 412), "If-Unmodified-Since": (_OLD, 412)}
        kept = [name for name, (value, status) in asked.items()
                if value and self.ask(**{name.replace("-", "_"): value}).status == status]
        return "all" if len(kept) == len(asked) else ", ".join(kept) or "none"

    def generator(self) -> str:
        """A range of a generator of known length."""
        path = self._row.generator
        if path is None:
            return "-"
        first_pos, last_pos = data.GIB // 2, data.GIB // 2 + 9
        seen = self.ask(path, Range=f"bytes={first_pos}-{last_pos}")
        right = seen.status == 206 and seen.content == data.expected("/gen", first_pos, last_pos)
        return "yes" if right else _other(seen)

    def at_the_start(self) -> str:
        """The time that the first KiB of a file of 8 GiB takes."""
        return self._taken("/8g", 0)

    def at_the_end(self) -> str:
        """The time that the last KiB of a file of 8 GiB takes."""
        return self._taken("/8g", data.EIGHT_GIB - data.EDGE)

    def generated_last(self) -> str:
        """The time that the last KiB of a generator of 1 GiB takes."""
        return self._taken(self._row.generator or "", data.GIB - data.EDGE)

    def _taken(self, path: str, first_pos: int) -> str:
        with contextlib.suppress(TimeoutError, http.client.HTTPException, ConnectionError):
            taken: list[float] = []
            while len(taken) < (TIMES if sum(taken) < _SLOW else _LEAST):
                taken.append(self._seconds(path, first_pos))
            return duration(min(taken))
        return "-"

    def _seconds(self, path: str, first_pos: int) -> float:
        start = time.perf_counter()
        seen = self.ask(path, Range=f"bytes={first_pos}-{first_pos + data.EDGE - 1}")
        seconds = time.perf_counter() - start
        known = "/8g" if path == "/8g" else "/gen"
        if seen.status != 206 or seen.content != data.expected(known, first_pos, first_pos + data.EDGE - 1):
            raise http.client.HTTPException("not the range")
        return seconds


def _other(seen: Seen) -> str:
    """Name a response that is not what was asked for."""
    return "200, the whole" if seen.status == 200 else str(seen.status)


def _parts(seen: Seen) -> list[tuple[str, bytes]]:
    """Return the parts of a multipart response, as ``email`` reads them; the complete length is left out."""
    head = f"Content-Type: {seen.fields['Content-Type']}\r\n\r\n".encode()
    parts = list(email.message_from_bytes(head + seen.content).walk())[1:]
    return [(part["Content-Range"].rpartition("/")[0], _content(part)) for part in parts]


def _content(part: email.message.Message) -> bytes:
    content = part.get_payload(decode=True)
    return content if isinstance(content, bytes) else b""


# --- tables ---

Cell = Callable[[Peer], str]
TABLES: tuple[tuple[str, dict[str, Cell]], ...] = (
    ("Ranges of a file", {
        "one range": Peer.one, "the last bytes": Peer.suffix, "several ranges": Peer.several,
        "beyond the end": Peer.unsatisfiable, "malformed": Peer.malformed, "HEAD with Range": Peer.head}),
    ("Resuming safely", {
        "validators of a file": Peer.validators, "If-Range": Peer.if_range, "other preconditions": Peer.conditions}),
    ("Generators, and what a late offset costs", {
        "generator with Content-Length": Peer.generator,
        "first 1 KiB of a file of 8 GiB": Peer.at_the_start, "last 1 KiB of it": Peer.at_the_end,
        "last 1 KiB of a generator of 1 GiB": Peer.generated_last}),
)


def compare(only: str = "") -> str:
    """Ask all servers, or those whose words match, and return the tables and the versions."""
    data.make((_FILE, "/8g"))
    lines: list[list[list[str]]] = [[] for _ in TABLES]
    versions: dict[str, str] = {}
    with serving(_PLAIN) as plain:
        for row in _rows(plain.address):
            if re.search(only, row.words):
                print(row.words, file=sys.stderr, flush=True)
                for rows, cells in zip(lines, _cells(row), strict=True):
                    rows.append([row.words, *cells])
                versions.update((package, _version(package)) for package in row.packages)
    return "\n".join(_text(lines, versions))


def _cells(row: Row) -> list[list[str]]:
    """Return the cells of a row, table by table."""
    with serving(row.target) as running:
        peer = Peer(row, running)
        return [[cell(peer) for cell in columns.values()] for _, columns in TABLES]


def _text(lines: list[list[list[str]]], versions: dict[str, str]) -> Iterator[str]:
    for (title, columns), rows in zip(TABLES, lines, strict=True):
        words = [not re.match(r"[\d.]+ \w?s$", cell) for cell in rows[-1]]
        yield f"## {title}\n\n{unbroken(table(('', *columns), rows, sum(words)))}"
    named = ", ".join(f"{name} {version}" for name, version in sorted(versions.items()))
    yield f"Seen with Python {platform.python_version()}, {named}."


def _version(name: str) -> str:
    if name not in _VERSIONS:
        return metadata.version(name)
    done = subprocess.run(_VERSIONS[name], capture_output=True, text=True, check=True)
    found = re.search(r"\d+\.\d+(\.\d+)?", done.stdout + done.stderr)
    return found[0] if found else "unknown"


def main() -> int:
    """Print the tables, or write them into the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", metavar="REGEX", help="ask only the servers whose first cell matches")
    parser.add_argument("--write", action="store_true", help=f"replace the tables in {PAGE.relative_to(data.ROOT)}")
    arguments = parser.parse_args()
    if not GO_SERVER.exists():
        print("run benchmarks/run --quick once: it builds the server in Go", file=sys.stderr)
        return 1
    try:
        text = compare(arguments.only)
    except NotServing as exc:
        print(exc, file=sys.stderr)
        return 1
    if arguments.write:
        PAGE.write_text(splice(PAGE.read_text(encoding="utf-8"), text, MARKS), encoding="utf-8")
    else:
        print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
