"""The twins: one table of answers and requests drives both adapters, and what comes back is the same, and right.

Compared are status, header fields in their order (names in lower case), each byte of the content, and the plan.
``python -m tests.test_twins`` runs the table and prints the number of its cases.

Left out, since the protocols differ by nature:

* ``write()`` and files that do not stand at their first byte: ASGI has neither.
* a body without any chunk that is yielded by a generator: in ASGI there is always a message, and one that is the last
  is a body of known length. A stream of the table begins with a message that says that more will come.
* a file without validators or without Content-Length, under a server without ``http.response.pathsend``, when no Range
  is asked for: the app then reads the file itself, and nobody can tell that it is one.
* what the server itself makes of a body that is longer or shorter than declared: where rangeware passes such an answer
  on as it is, only the two answers are compared, and not with the oracle.
"""

from __future__ import annotations

import atexit
import os
import random
import re
import shutil
import tempfile
import zlib
from collections.abc import Awaitable, Callable, Iterable, Iterator
from functools import cache, partial
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple
from wsgiref.util import FileWrapper

import pytest

from rangeware import AsgiRangeMiddleware, RangeMiddleware, TruncatedSource
from tests.asgi_support import PATHSEND, Lines, carry, scope_for
from tests.core.test_validators import MTIME
from tests.http.test_grammar_fuzz import INVALID, mutated
from tests.oracle import Expected, Representation, check, expected, range_specs
from tests.support import CONTENT, Answer, cut, environ_for, run
from tests.test_rfc_examples import EIGHT_THOUSAND, EXAMPLES, REQUIREMENTS
from tests.test_truth_table import BESIDE, FORMS, IF_MATCH, IF_NONE_MATCH, NO_DATE, QUESTIONS

Field = tuple[str, str]
Options = dict[str, Any]

OLD = "Sun, 06 Nov 1994 08:49:37 GMT"
DATE = ("Date", "Tue, 15 Nov 1994 08:12:31 GMT")
TYPE = ("Content-Type", "application/octet-stream")
TAG = ("ETag", '"v1"')
MODIFIED = ("Last-Modified", OLD)
VALIDATORS = (DATE, TAG, MODIFIED)
REASONS = {200: "OK", 201: "Created", 204: "No Content", 206: "Partial Content", 304: "Not Modified",
           404: "Not Found", 416: "Range Not Satisfiable", 500: "Internal Server Error"}


BOUNDARY = "b" * 32  # stands for the one of each answer, which is new


# --- what the app answers --------------------------------------------------------------------------------------------

class Given(NamedTuple):
    """The response of an app to every request.

    :param kind: ``list``: all at once; ``stream``: chunk by chunk; ``file``: a file on disk that has this content.
    :param on_head: True if HEAD gets the content too, as with apps that do not know better.
    :param echo: True if a field shows what the app saw of Range and If-Range.
    """

    kind: str
    chunks: tuple[bytes, ...]
    fields: tuple[Field, ...]
    status: int = 200
    on_head: bool = True
    echo: bool = False

    @property
    def content(self) -> bytes:
        """All that the app sends."""
        return b"".join(self.chunks)

    def all(self, name: str) -> list[str]:
        """The values of the fields with this name in lower case."""
        return [value for key, value in self.fields if key.lower() == name]

    def get(self, name: str) -> str | None:
        """The first of them; None if there is none."""
        return next(iter(self.all(name)), None)

    @property
    def declared(self) -> int | None:
        """Content-Length, where it is given in one way."""
        values = set(self.all("content-length"))
        return int(values.pop()) if len(values) == 1 else None

    @property
    def lies(self) -> bool:
        """True if another length is declared than is sent."""
        return bool(self.all("content-length")) and self.declared != len(self.content)

    @property
    def is_replaced(self) -> bool:
        """True if the file is longer than the app declared."""
        return self.kind == "file" and (self.declared or 0) < len(self.content) and self.declared is not None

    @property
    def is_lawful(self) -> bool:
        """True if a server would accept this response if it passed unchanged."""
        in_lower_case = all(not name.startswith("cONTENT") for name, _ in self.fields)
        return in_lower_case and not self.lies and len(self.all("content-length")) <= 1

    def to_send(self, method: str) -> list[bytes]:
        """The chunks for this method."""
        return [b""] if method == "HEAD" and not self.on_head else list(self.chunks)


def declaring(length: int) -> Field:
    return "Content-Length", str(length)


def given(kind: str, content: bytes = CONTENT, *fields: Field, size: int = 64, length: int | None = -1,
          **more: Any) -> Given:
    """An answer with this content, cut in chunks of this size, with Content-Length unless ``length`` is None."""
    declared = () if length is None else (declaring(len(content) if length < 0 else length),)
    return Given(kind, tuple(cut(content, size)), (TYPE, *fields, *declared), **more)


def without_type(kind: str) -> Given:
    answer = given(kind, CONTENT, *VALIDATORS)
    return answer._replace(fields=answer.fields[1:])


KINDS = ("list", "stream", "file")
BESIDE_THE_CONTENT = (
    ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"), ("Vary", "Origin"), ("Vary", "Accept-Encoding"),
    ("Cache-Control", "max-age=60"), ("Expires", "Sun, 01 Feb 2026 00:01:00 GMT"), ("Content-Location", "/v1"),
    ("Access-Control-Allow-Origin", "*"), ("Access-Control-Expose-Headers", "ETag"), ("X-Own", "\xe4"),
    ("Content-Disposition", "attachment; filename=x"), ("Content-Language", "de"), ("Content-MD5", "AAAA"),
    ("Content-Digest", "sha-256=:AAAA:"), ("Repr-Digest", "sha-256=:AAAA:"), ("Digest", "sha-256=AAAA"),
)
ODD_CASE = (("cONTENT-dIGEST", "AAAA"), ("cONTENT-mD5", "AAAA"), ("cONTENT-lANGUAGE", "de"), ("eTaG", '"v1"'))
GZIP = ("Content-Encoding", "gzip")
WEAK = ("ETag", 'W/"v1"')
OWN_PARTS = ("Content-Type", "multipart/byteranges; boundary=own")


def of_every_kind() -> Iterator[tuple[str, Given]]:
    """Answers that make a difference for each kind of body."""
    for kind in KINDS:
        yield f"{kind}", given(kind, CONTENT, *VALIDATORS)
        yield f"{kind}, echo", given(kind, CONTENT, *VALIDATORS, echo=True)
        yield f"{kind}, no length", given(kind, CONTENT, *VALIDATORS, length=None)
        yield f"{kind}, no validators", given(kind, CONTENT, DATE)
        yield f"{kind}, neither", given(kind, CONTENT, length=None)
        yield f"{kind}, weak tag", given(kind, CONTENT, DATE, WEAK, MODIFIED)
        yield f"{kind}, tag without quotes", given(kind, CONTENT, DATE, ("ETag", "v1"), MODIFIED)
        yield f"{kind}, same second", given(kind, CONTENT, ("Date", OLD), MODIFIED)
        yield f"{kind}, large", given(kind, EIGHT_THOUSAND, *VALIDATORS, size=1000)
        yield f"{kind}, one byte", given(kind, b"x", *VALIDATORS)
        yield f"{kind}, empty", given(kind, b"", *VALIDATORS)
        yield f"{kind}, empty and undeclared", given(kind, b"", *VALIDATORS, length=None)
        yield f"{kind}, declared empty", given(kind, CONTENT, *VALIDATORS, length=0)
        yield f"{kind}, longer", given(kind, CONTENT, *VALIDATORS, length=900)
        yield f"{kind}, one longer", given(kind, CONTENT, *VALIDATORS, length=999)
        yield f"{kind}, shorter", given(kind, CONTENT, *VALIDATORS, length=1100)
        yield f"{kind}, far shorter", given(kind, CONTENT, *VALIDATORS, length=10**20)
        yield f"{kind}, no type", without_type(kind)
        yield f"{kind}, all fields", given(kind, CONTENT, *VALIDATORS, *BESIDE_THE_CONTENT)
        yield f"{kind}, odd case", given(kind, CONTENT, *ODD_CASE, DATE)
        yield f"{kind}, length twice", given(kind, CONTENT, declaring(1000), *VALIDATORS)
        yield f"{kind}, two lengths", given(kind, CONTENT, declaring(900), *VALIDATORS)
        yield f"{kind}, gzip", given(kind, CONTENT, *VALIDATORS, GZIP)
        yield f"{kind}, gzip, weak", given(kind, CONTENT, DATE, WEAK, GZIP)
        yield f"{kind}, gzip, no tag", given(kind, CONTENT, DATE, GZIP)
        yield f"{kind}, identity", given(kind, CONTENT, DATE, ("Content-Encoding", "identity"))
        yield f"{kind}, declines", given(kind, CONTENT, *VALIDATORS, ("Accept-Ranges", "none"))
        yield f"{kind}, advertises", given(kind, CONTENT, *VALIDATORS, ("Accept-Ranges", "bytes"))
        yield f"{kind}, no body on HEAD", given(kind, CONTENT, *VALIDATORS, on_head=False)
        yield f"{kind}, no body on HEAD, no length", given(kind, CONTENT, *VALIDATORS, on_head=False, length=None)
        yield f"{kind}, 404", given(kind, CONTENT, *VALIDATORS, status=404)
        yield f"{kind}, 201", given(kind, CONTENT, *VALIDATORS, status=201)
        yield f"{kind}, 500", given(kind, CONTENT, status=500)


def of_some_kinds() -> Iterator[tuple[str, Given]]:
    """Answers that need not be tried with each kind of body."""
    for size in (1, 7, 999, 1000):
        yield f"stream, chunks of {size}", given("stream", CONTENT, *VALIDATORS, size=size)
    yield "stream, empty chunks", Given("stream", (b"", CONTENT[:1], b"", CONTENT[1:], b""),
                                        (TYPE, *VALIDATORS, declaring(1000)))
    yield "own 206", given("list", CONTENT[:10], ("Content-Range", "bytes 0-9/1000"), *VALIDATORS, status=206)
    yield "own 206 of parts", Given("list", (b"--own--",), (OWN_PARTS, declaring(7)), 206)
    yield "own 416", given("list", b"no", ("Content-Range", "bytes */1000"), status=416)
    yield "own 304", Given("list", (), VALIDATORS, 304)
    yield "own 204", Given("list", (), (DATE,), 204)
    yield "Content-Range under 200", given("list", CONTENT, ("Content-Range", "bytes 0-999/1000"), *VALIDATORS)
    yield "parts under 200", Given("list", (b"--own--",), (OWN_PARTS, declaring(7)))
    yield "Transfer-Encoding", given("stream", CONTENT, ("Transfer-Encoding", "gzip, chunked"), length=None)
    for name in ("X-Sendfile", "X-Accel-Redirect", "X-Lighttpd-Send-File"):
        yield name, given("list", b"", (name, "/file"), *VALIDATORS, length=None)
    yield "a list of nothing", Given("list", (), (TYPE, *VALIDATORS))


ANSWERS = dict([*of_every_kind(), *of_some_kinds()])


# --- what the request asks -------------------------------------------------------------------------------------------

class Asked(NamedTuple):
    """One request. In the values, ``{etag}`` stands for the current tag and ``{modified}`` for the current date.

    :param lines: fields that stand more than once.
    """

    fields: dict[str, str]
    method: str = "GET"
    lines: Lines = ()


RANGES = (
    "bytes=0-9", "bytes=0-", "bytes=990-", "bytes=-10", "bytes=-2000", "bytes=999-999", "bytes=1000-", "bytes=-0",
    "bytes=0-999", "bytes=0-8999", "bytes=100-199", "bytes=898-902", "bytes=1050-1060", "BYTES=5-6", "bytes= 0-1 , 3-4",
    "bytes=0-0,-1", "bytes=0-9,20-29", "bytes=20-29,0-9", "bytes=0-9,10-19", "bytes=5-14,0-9", "bytes=0-9,5000-",
    "bytes=5000-,6000-", "bytes=-5,0-4", "bytes=" + ",".join(f"{n}-{n}" for n in range(0, 300, 2)),
    "bytes=" + ",".join(f"{n}-{n}" for n in range(0, 80, 4)), "bytes=0-" + "9" * 99, "bytes=" + "9" * 99 + "-",
    "items=0-9", "bytes=9-0", "bytes=x", "bytes=", "", "bytes=0-1,bytes=2-3", "bytes=1_0-20",
)
IF_RANGES = ("{etag}", "{modified}", '"v2"', 'W/"v1"', "v1", *FORMS["earlier"], *FORMS["equal"], NO_DATE, "", "*")
PRECONDITIONS = (
    *({"if_match": value} for value in (*filter(None, IF_MATCH), "{etag}", "")),
    *({"if_none_match": value} for value in (*filter(None, IF_NONE_MATCH), "{etag}", ' "x" ,W/{etag}')),
    *({name: value} for name in ("if_modified_since", "if_unmodified_since")
      for value in (FORMS["earlier"][0], FORMS["equal"][1], FORMS["later"][2], "{modified}", NO_DATE)),
    {"if_match": "{etag}", "if_none_match": "{etag}"},
    {"if_none_match": '"v2"', "if_modified_since": "{modified}"},
)
REPEATED = (
    (("Range", "bytes=0-1"), ("Range", "bytes=2-3")), (("Range", "bytes=0-1"), ("Range", "4-5")),
    (("If-None-Match", '"v0"'), ("If-None-Match", '"v1"')), (("If-Match", '"v0"'), ("If-Match", '"v1"')),
    (("Range", "bytes=0-1"), ("If-Range", '"v1"'), ("If-Range", '"v1"')),
)


def requests() -> Iterator[Asked]:
    """The requests that every answer of the table gets."""
    for method in ("GET", "HEAD"):
        yield Asked({}, method)
        yield from (Asked({"range": value}, method) for value in RANGES[:None if method == "GET" else 8])
        yield from (Asked(fields, method) for fields in PRECONDITIONS)
    for value in IF_RANGES:
        yield from (Asked({"range": ranges, "if_range": value}) for ranges in ("bytes=10-19", "bytes=5000-"))
    yield from (Asked({"range": "bytes=10-19,-5", **fields}) for fields in PRECONDITIONS)
    yield from (Asked({}, "GET", lines) for lines in REPEATED)
    for method in ("POST", "PUT", "OPTIONS"):
        yield from (Asked(fields, method) for fields in ({}, {"range": "bytes=0-1"}, {"if_match": '"v2"'}))
    yield Asked({"if_range": "{etag}"})


REQUESTS = list(requests())


def borrowed() -> Iterator[tuple[str, Given, Asked]]:
    """The tables of the other tests, for both adapters."""
    for parameters in EXAMPLES:
        content, value = parameters.values[:2]
        yield str(parameters.id), given("list", content, *VALIDATORS), Asked({"range": value})
    for kind in KINDS:
        answer = given(kind, CONTENT, *VALIDATORS)
        for parameters in (*REQUIREMENTS, *INVALID):
            if in_latin_1(parameters.values[0]):
                yield f"{kind}, {parameters.id}", answer, Asked({"range": parameters.values[0]})
        for parameters in (*QUESTIONS, *BESIDE):
            yield f"{kind}, {parameters.id}", answer, Asked({"range": "bytes=10-19", **parameters.values[0]})
    for value in mutated(4):
        if in_latin_1(value):
            yield repr(value), given("list", CONTENT, *VALIDATORS, size=1000), Asked({"range": value})


def in_latin_1(value: str) -> bool:
    """True if a field can have this value: in ASGI it is bytes, and in WSGI text that stands for bytes."""
    return max(value, default="") <= "\xff"


OPTIONS: tuple[Options, ...] = (
    {"max_ranges": 2}, {"hide_range": False}, {"preconditions": False}, {"validators": False}, {"spool_limit": 100},
    {"spool_limit": 1000}, {"spool_limit": 1 << 21}, {"block_size": 1}, {"block_size": 7, "validators": False},
    {"applies": lambda request: False}, {"applies": lambda request: True},
)
WITH_OPTIONS = tuple(name for name in ANSWERS if name in (*KINDS, *(
    f"{kind}, {what}" for kind in KINDS for what in ("echo", "no length", "no validators", "neither", "shorter"))))


# --- one case --------------------------------------------------------------------------------------------------------

def joined(lines: Iterable[Field]) -> dict[str, str]:
    """The fields by name, as in ``if_range``; lines of the same name are one (RFC 9110 5.3)."""
    fields: dict[str, str] = {}
    for name, value in lines:
        key = name.lower().replace("-", "_")
        fields[key] = f"{fields[key]}, {value}" if key in fields else value
    return fields


class Case(NamedTuple):
    """One answer of an app, one request, a deployer's options, and whether the ASGI server offers pathsend."""

    name: str
    given: Given
    asked: Asked
    options: Options = {}
    offered: bool = True

    def __str__(self) -> str:
        asked = self.asked.method, *filter(None, (self.asked.fields, self.asked.lines, self.options))
        return f"{self.name}: {asked}{'' if self.offered else ' no pathsend'}"

    @property
    def fields(self) -> dict[str, str]:
        """The fields asked, with the current validators where they are meant."""
        values = self.asked.fields
        if not any("{" in value for value in values.values()):
            return values
        etag, modified = validators(self.given)
        current = {"{etag}": etag or '"v1"', "{modified}": modified or OLD}
        return {name: re.sub("{etag}|{modified}", lambda match: current[match[0]], value)
                for name, value in values.items()}

    @property
    def joined(self) -> dict[str, str]:
        """The fields, with repeated lines joined (RFC 9110 5.3)."""
        return {**self.fields, **joined(self.asked.lines)}

    @property
    def is_left_alone(self) -> bool:
        """True if the deployer leaves the request alone."""
        applies = self.options.get("applies")
        return applies is not None and not applies({})

    @property
    def is_lawful(self) -> bool:
        """True if all that is sent must follow the protocol, also the app's own messages."""
        return self.given.is_lawful and not self.is_left_alone


class Outcome(NamedTuple):
    """The outcome of a case, in values that both protocols have."""

    raised: type[Exception] | None
    status: int = 0
    fields: tuple[Field, ...] = ()
    body: bytes = b""
    plan: object = None
    told: tuple[object, ...] = ()

    @classmethod
    def of(cls, answer: Answer, told: list[object]) -> Outcome:
        """The response that the client got, and the plans that ``on_plan`` got."""
        plan: Any = answer.environ.get("rangeware.plan")
        fields = tuple((name.lower(), value) for name, value in answer.fields)
        if plan is None or len(plan.ranges) < 2:
            return cls(None, answer.status, fields, answer.body, plan, tuple(told))
        boundary = re.findall("boundary=([0-9a-f]{32})", str(answer.get("Content-Type")))[0]
        replaced = tuple((name, value.replace(boundary, BOUNDARY)) for name, value in fields)
        body = answer.body.replace(boundary.encode(), BOUNDARY.encode())
        return cls(None, answer.status, replaced, body, plan, tuple(told))


def seen(range: object, if_range: object, hidden: object, hidden_if_range: object) -> Field:
    """The field by which an app tells what it was shown."""
    return "X-Seen", f"{range}; {if_range}; {hidden}; {hidden_if_range}"


def as_wsgi(given: Given) -> Callable[..., Iterable[bytes]]:
    """The answer as a WSGI app gives it."""
    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        keys = "HTTP_RANGE", "HTTP_IF_RANGE", "rangeware.range", "rangeware.if_range"
        echo = [seen(*map(environ.get, keys))] if given.echo else []
        start_response(f"{given.status} {REASONS[given.status]}", [*given.fields, *echo])
        chunks = given.to_send(environ["REQUEST_METHOD"])
        if given.kind == "file" and chunks != [b""]:
            return environ.get("wsgi.file_wrapper", FileWrapper)(open(file_of(given.content), "rb"))  # noqa: SIM115
        return iter(chunks) if given.kind == "stream" else chunks
    return app


def as_asgi(given: Given) -> Callable[[Any, Any, Any], Awaitable[None]]:
    """The response as an ASGI app sends it."""
    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        shown = joined((name.decode(), value.decode("latin-1")) for name, value in scope["headers"])
        hidden = scope.get("rangeware.range"), scope.get("rangeware.if_range")
        echo = [seen(shown.get("range"), shown.get("if_range"), *hidden)] if given.echo else []
        headers = [(spelled(name), value.encode("latin-1")) for name, value in (*given.fields, *echo)]
        await send({"type": "http.response.start", "status": given.status, "headers": headers})
        chunks = given.to_send(scope["method"])
        if given.kind == "list" or chunks == [b""]:
            await send({"type": "http.response.body", "body": b"".join(chunks)})
        elif given.kind == "file" and PATHSEND in scope["extensions"]:
            await send({"type": PATHSEND, "path": file_of(given.content)})
        else:
            for chunk in chunks or [b""]:
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
    return app


def spelled(name: str) -> bytes:
    """A field name for ASGI: in lower case, unless the app is one that does not keep to that."""
    return (name if name in dict(ODD_CASE) else name.lower()).encode()


@cache
def directory() -> Path:
    """The folder of the files of the table, until the process ends."""
    path = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, path)
    return Path(path)


@cache
def file_of(content: bytes) -> str:
    """The path of a file that has this content and is years old."""
    path = directory() / f"{len(content)}-{zlib.crc32(content)}"
    path.write_bytes(content)
    os.utime(path, ns=(MTIME, MTIME))
    return str(path)


def through_wsgi(case: Case) -> Outcome:
    """The case behind ``RangeMiddleware``."""
    told: list[object] = []
    app = RangeMiddleware(as_wsgi(case.given), **case.options, on_plan=lambda environ, plan: told.append(plan))
    try:
        return Outcome.of(run(app, environ_for(case.asked.method, **case.joined), validate=False), told)
    except Exception as exc:
        return Outcome(type(exc))


def through_asgi(case: Case, *, trio: bool = False) -> Outcome:
    """The case behind ``AsgiRangeMiddleware``."""
    told: list[object] = []
    app = AsgiRangeMiddleware(as_asgi(case.given), **case.options, on_plan=lambda scope, plan: told.append(plan))
    scope = scope_for(case.asked.method, extensions=(PATHSEND,) * case.offered, lines=case.asked.lines, **case.fields)
    try:
        return Outcome.of(carry(app, scope, trio=trio, lawful=case.is_lawful).answer(), told)
    except AssertionError:
        raise
    except Exception as exc:
        return Outcome(type(exc))


# --- is it right? ----------------------------------------------------------------------------------------------------

OFFLOADING = {"x-accel-redirect", "x-sendfile", "x-lighttpd-send-file"}


@cache
def validators(given: Given) -> tuple[str | None, str | None]:
    """The current ETag and Last-Modified: the app's, or those that are made for its file (tested elsewhere)."""
    if given.kind != "file" or given.status != 200:
        return given.get("etag"), given.get("last-modified")
    fields = dict(through_wsgi(Case("", given, Asked({}))).fields)
    return fields.get("etag"), fields.get("last-modified")


def current(case: Case) -> tuple[str | None, str | None]:
    """The validators under the deployer's options."""
    given = case.given
    makes = case.options.get("validators", True)
    return validators(given) if makes else (given.get("etag"), given.get("last-modified"))


def is_sliceable(case: Case) -> bool:
    """True if a Range is to be served (docs/choices.md)."""
    given, options = case.given, case.options
    refused = given.get("transfer-encoding") or given.get("content-range") or given.get("accept-ranges") == "none"
    coded = "gzip" in given.all("content-encoding") and not str(current(case)[0]).startswith('"')
    parts = str(given.get("content-type")).startswith("multipart/byteranges")
    known = given.kind != "stream" or given.declared is not None
    asks_for_all = ("0", "") in (range_specs(case.joined.get("range", "")) or ())  # nobody gains by reading ahead
    spooled = 0 < len(given.content) <= options.get("spool_limit", 0) and not asks_for_all
    return not (refused or coded or parts) and (known or spooled)


def right_answer(case: Case) -> Expected:
    """The response that the oracle expects where the app answers 200."""
    given, options = case.given, case.options
    fields = case.joined
    if not options.get("preconditions", True):
        fields = {name: value for name, value in fields.items() if name in ("range", "if_range")}
    if not is_sliceable(case):
        fields.pop("range", None)
    selected = Representation(len(given.content), *current(case), given.get("date"), given.get("content-type"))
    right = expected(case.asked.method, fields, selected, max_ranges=options.get("max_ranges", 256))
    in_one_pass = given.kind == "stream" and given.declared is not None
    return right._replace(spans=tuple(sorted(right.spans))) if in_one_pass else right


def passes_as_it_is(case: Case) -> bool:
    """True if the app's response must pass unchanged, whatever the request."""
    offloaded = any(map(case.given.all, OFFLOADING))  # the front server has the representation
    return case.given.status != 200 or case.asked.method not in ("GET", "HEAD") or case.is_left_alone or offloaded


def judge(case: Case, outcome: Outcome) -> None:
    """Status and bytes against the oracle, or against the app's own answer where that has to pass as it is."""
    given, method = case.given, case.asked.method
    if outcome.raised is not None:
        assert outcome.raised is TruncatedSource
        assert given.kind == "stream"
        assert (given.declared or 0) > len(given.content)
    elif passes_as_it_is(case) or outcome.status == 200 and given.all("content-range"):
        is_bodiless = method == "HEAD" and (not case.is_left_alone or not given.on_head)
        assert outcome.status == given.status
        assert outcome.body == (b"" if is_bodiless else given.content)
        assert [(name.lower(), value) for name, value in given.fields] == [
            field for field in outcome.fields if field[0] != "x-seen"]
    elif not given.lies and len(given.all("content-length")) < 2:
        answer = Answer(outcome.status, list(outcome.fields), outcome.body, {})
        check(answer, right_answer(case), given.content, str(case), method=method)
        assert outcome.plan is None or outcome.plan.status == outcome.status
    elif outcome.status == 206:
        assert outcome.fields.count(("content-length", str(len(outcome.body)))) == 1


def compare(case: Case, *, trio: bool = False) -> None:
    """The case behind both adapters."""
    one = through_wsgi(case)
    other = through_asgi(case, trio=trio)
    if case.given.is_replaced:  # what a path leads to is another file by now; an open file stays what it is
        assert other.status != 206, f"{case}"
        if other.status == 200 and case.asked.method == "GET" and not case.is_left_alone:
            assert len(other.body) == case.given.declared, f"{case}"
        return
    for name, of_wsgi, of_asgi in zip(Outcome._fields, one, other, strict=True):
        assert of_wsgi == of_asgi, f"{case}: {name}"
    judge(case, other)


# --- the table -------------------------------------------------------------------------------------------------------

def every_answer(name: str) -> Iterator[Case]:
    """All requests to one answer of the table, with and without a server that offers pathsend."""
    given = ANSWERS[name]
    for asked in REQUESTS:
        case = Case(name, given, asked)
        yield case
        is_ranged = asked.method == "GET" and not asked.fields.get("range", "items=").startswith("items=")
        if given.kind == "file" and (is_ranged or is_told_by_its_head(given)):
            yield case._replace(offered=False)


def is_told_by_its_head(given: Given) -> bool:
    """True if the head lacks nothing that the file could tell."""
    return bool(given.get("etag") and given.get("last-modified") and given.declared) and not given.lies


def with_options() -> Iterator[Case]:
    """Each option, with the answers on which options tell."""
    for options in OPTIONS:
        for name in WITH_OPTIONS:
            yield from (Case(name, ANSWERS[name], asked, options) for asked in REQUESTS[::3])


def of_other_tests() -> Iterator[Case]:
    """The cases of ``borrowed``."""
    yield from (Case(name, answer, asked) for name, answer, asked in borrowed())


def at_random(seed: int, count: int = 1000) -> Iterator[Case]:
    """Answers, requests and options put together by chance."""
    draw = random.Random(seed)
    for number in range(count):
        yield Case(f"{seed}/{number}", random_answer(draw), random_request(draw), random_options(draw))


def random_answer(draw: random.Random) -> Given:
    length = draw.choice((0, 1, 2, 10, 50, 300, 1000))
    declared = draw.choice((length, length, length, None, max(0, length - 1), length + 3))
    choices = ((), TYPE), ((), DATE), ((), TAG, WEAK), ((), MODIFIED), ((), (), (), GZIP), ((), (), ("Vary", "a"))
    fields = tuple(field for several in choices if (field := draw.choice(several)))
    size = draw.choice((1, 3, 64, 1000)) if length < 300 else draw.choice((64, 300))
    return Given(draw.choice(KINDS), tuple(cut(CONTENT[:length], size)),
                 fields + (() if declared is None else (declaring(declared),)), on_head=draw.random() < 0.8)


def random_request(draw: random.Random) -> Asked:
    fields: dict[str, str] = {}
    if draw.random() < 0.9:
        members = [draw.choice(("{}-{}", "{}-{}", "{}-", "-{}")).format(*sorted(draw.choices(range(60), k=2)))
                   for _ in range(draw.choice((1, 1, 2, 3, 6)))]
        fields["range"] = draw.choice(("bytes=", "bytes=", "bytes=", "bytes=", "x=")) + ",".join(members)
    if draw.random() < 0.3:
        fields["if_range"] = draw.choice(IF_RANGES)
    if draw.random() < 0.2:
        fields.update(draw.choice(PRECONDITIONS))
    return Asked(fields, draw.choice(("GET", "GET", "GET", "GET", "GET", "HEAD", "POST")))


def random_options(draw: random.Random) -> Options:
    return draw.choice(OPTIONS) if draw.random() < 0.4 else {}


GROUPS: dict[str, Callable[[], Iterator[Case]]] = {
    **{name: partial(every_answer, name) for name in ANSWERS},
    "options": with_options,
    "of other tests": of_other_tests,
    **{f"at random, seed {seed}": partial(at_random, seed) for seed in range(3)},
}


def sample(group: str, step: int = 7) -> Iterator[Case]:
    """Some of the cases of a group: all of the three plain responses, and one of so many of the rest."""
    return islice(GROUPS[group](), 0, None, 1 if group in KINDS else step)


steps = pytest.mark.parametrize("step", [
    pytest.param(29, id="some"), pytest.param(7, id="more", marks=pytest.mark.grid)])


@steps
@pytest.mark.parametrize("group", GROUPS)
def test_the_twins_answer_alike_and_right(group: str, step: int) -> None:
    for case in sample(group, step):
        compare(case)


@pytest.mark.parametrize("group", [  # the groups of a kind stand together
    pytest.param(group, marks=[] if number % 3 == 0 else pytest.mark.grid) for number, group in enumerate(GROUPS)])
def test_the_twins_answer_alike_under_trio(group: str) -> None:
    for case in islice(GROUPS[group](), 0, None, 43):
        compare(case, trio=True)


def test_the_table_has_thousands_of_cases() -> None:
    count = sum(1 for group in GROUPS for _ in sample(group))
    print(f"\n{count} cases")
    assert count > 5_000


def main() -> None:
    """Runs all of the table and prints how many cases it has."""
    count = 0
    for case in chain.from_iterable(group() for group in GROUPS.values()):
        compare(case)
        count += 1
    print(f"{count} cases, identical")


if __name__ == "__main__":
    main()
