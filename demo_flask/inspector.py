"""The inspector: send a raw request to both mounts of this server, and show the raw responses.

The user chooses a file from the list, GET or HEAD, and the values of six headers. Nothing else that the user sends is
written to the socket, and requests go only to this server. Both responses are judged by the code of ``rangeware
check``, and ``check_both`` runs the whole check on both mounts.
"""

from __future__ import annotations

import re
import secrets
import socket
from collections.abc import Container, Mapping
from typing import Any, NamedTuple
from urllib.parse import quote

from rangeware.check.findings import judge_length
from rangeware.check.known import known_from
from rangeware.check.responses import judge_response, make_answer
from rangeware.check.values import Answer, Known

from .feed import FILES, UNSEEN, Feed
from .preview import Field, Part, Preview, boundary_of, preview, read_fields, read_parts

FIELD_NAMES = ("Range", "If-Range", "If-None-Match", "If-Match", "If-Modified-Since", "If-Unmodified-Since")
METHODS = ("GET", "HEAD")
MOUNTS = {"rangeware": "", "plain": "/plain"}

MAX_FIELD_LENGTH = 4096
MAX_HEAD = 64 * 1024
MAX_CONTENT = 64 * 1024
_TIMEOUT = 5.0
_BLOCK = 16 * 1024
_CHECK_TIMEOUT = 20.0  # seconds for each mount
_UNSEEN = {"X-Demo-Request": f"{UNSEEN}check"}  # the strips show what the user asked for
_STATUS_LINE = re.compile(r"HTTP/1\.[01] ([0-9]{3})(?: |$)")

Address = tuple[str, int]


class BadQuestion(ValueError):
    """The request to try is invalid. The message is shown to the user."""


class NoAnswer(OSError):
    """The demo cannot be reached, or its response is not HTTP. The message is shown to the user."""


class Question(NamedTuple):
    """A request to try: validated, and safe to write to a socket."""

    name: str
    method: str
    fields: tuple[Field, ...]


class Exchange(NamedTuple):
    """A raw request and its raw response. ``content_length`` is as declared; ``received`` counts the bytes read.

    :param raw: the bytes that were read, which the page does not need.
    """

    request: list[str]
    status_line: str
    fields: list[Field]
    content_length: str | None
    received: int
    cut: bool
    content: Preview | None
    parts: list[Part]
    more_parts: int
    raw: bytes


def read_question(data: object, names: Container[str]) -> Question:
    """Validate the JSON of the form.

    :raises BadQuestion: with a message that says what is wrong.
    """
    if not isinstance(data, dict):
        raise BadQuestion("The request must be a JSON object.")
    name, method, fields = (data.get(key) for key in ("file", "method", "fields"))
    if not isinstance(name, str) or name not in names:
        raise BadQuestion("There is no such file in this demo.")
    if method not in METHODS:
        raise BadQuestion("The method must be GET or HEAD.")
    if not isinstance(fields, dict):
        raise BadQuestion("The headers must be a JSON object of names and values.")
    return Question(name, str(method), tuple(_check_field(key, value) for key, value in fields.items() if value != ""))


def _check_field(name: object, value: object) -> Field:
    """Check that the header is one of ``FIELD_NAMES``, and that its value cannot break out of its line.

    :raises BadQuestion: if not.
    """
    if name not in FIELD_NAMES:
        raise BadQuestion(f"The headers to try are {', '.join(FIELD_NAMES)}.")
    if not isinstance(value, str):
        raise BadQuestion(f"{name} must be text.")
    if len(value) > MAX_FIELD_LENGTH:
        raise BadQuestion(f"{name} has {len(value)} characters; at most {MAX_FIELD_LENGTH} are sent.")
    if any(ord(char) < 0x20 and char != "\t" or ord(char) == 0x7F for char in value):
        raise BadQuestion(f"{name} contains a line break or another control character, and is not sent.")
    if any(ord(char) > 0xFF for char in value):
        raise BadQuestion(f"{name} contains a character beyond Latin-1, which a header cannot contain.")
    return str(name), value


def inspect(question: Question, address: Address, feed: Feed) -> dict[str, Any]:
    """Send the request to both mounts, judge the responses, and add the plan that rangeware made.

    The values are ready for JSON.

    :raises NoAnswer: if the demo does not respond.
    """
    request_id = secrets.token_hex(8)
    answers = {mount: exchange(_request_lines(question, prefix, address, request_id), address)
               for mount, prefix in MOUNTS.items()}
    event = feed.find(request_id)
    return {**_judged(question, answers), "plan": event and event.public()}


def _judged(question: Question, exchanges: Mapping[str, Exchange]) -> dict[str, Any]:
    """The exchanges ready for JSON, each with its verdicts."""
    answers = {mount: _answer(question, each) for mount, each in exchanges.items()}
    known = known_from(answers.values())
    return {mount: {**_as_json(exchanges[mount]), "verdicts": judge(each, known)} for mount, each in answers.items()}


def _answer(question: Question, exchange: Exchange) -> Answer:
    """A response as the check judges it."""
    match = _STATUS_LINE.match(exchange.status_line)
    if match is None:
        raise NoAnswer("The response to the inspector is not HTTP.")
    return make_answer((question.method, question.fields), (int(match[1]), exchange.fields), exchange.raw,
                       is_complete=not exchange.cut)


def judge(answer: Answer, known: Known) -> list[dict[str, str]]:
    """Judge a response: does it fit the request, and does a plain one say how long it is?"""
    verdicts = [judge_response(answer, known)]
    if answer.status == 200 and verdicts[0].status == "good":
        verdicts.append(judge_length(answer))
    return [verdict._asdict() for verdict in verdicts]


def check_both(name: str, address: Address) -> dict[str, Any]:
    """Run ``rangeware check`` on a file in both mounts, and return the reports ready for JSON.

    :param name: of a sample. The caller has checked that there is one.
    :raises NoAnswer: if the demo does not respond, or urllib3 is missing.
    """
    try:
        import urllib3

        from rangeware.check import NetworkError, check
    except ImportError as exc:
        raise NoAnswer("The check needs urllib3: pip install 'rangeware[cli]'") from exc
    pool = urllib3.PoolManager()  # not the proxy of the environment: the requests go to this server only
    url = "http://{}{}{}{}"
    try:
        return {mount: check(url.format(host_and_port(address), prefix, FILES, quote(name, safe="")), pool=pool,
                             headers=_UNSEEN, timeout=_CHECK_TIMEOUT).as_dict() for mount, prefix in MOUNTS.items()}
    except NetworkError as exc:
        raise NoAnswer("The demo did not respond to its own check. Is it still running?") from exc
    finally:
        pool.clear()


def _request_lines(question: Question, prefix: str, address: Address, request_id: str) -> list[str]:
    fields = (("Host", host_and_port(address)), *question.fields, ("X-Demo-Request", request_id),
              ("Connection", "close"))
    return [f"{question.method} {prefix}{FILES}{question.name} HTTP/1.1", *(f"{n}: {v}" for n, v in fields)]


def host_and_port(address: Address) -> str:
    """Format ``host:port`` as in a URL, with an IPv6 address in brackets."""
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def exchange(request: list[str], address: Address) -> Exchange:
    """Send the request, read the head and at most ``MAX_CONTENT`` bytes of content, and close the connection.

    :raises NoAnswer: if there is no response, or it is not HTTP.
    """
    try:
        with socket.create_connection(address, timeout=_TIMEOUT) as connection:
            connection.sendall("\r\n".join([*request, "", ""]).encode("latin-1"))
            head, content = _read_answer(connection)
    except OSError as exc:
        raise NoAnswer("The demo did not respond to its own inspector. Is it still running?") from exc
    return _explain(request, head, content)


def _read_answer(connection: socket.socket) -> tuple[bytes, bytes]:
    """Read the head, and the content until the server closes or more than ``MAX_CONTENT`` bytes have come."""
    head, content = b"", b""
    while b"\r\n\r\n" not in head and len(head) <= MAX_HEAD and (block := connection.recv(_BLOCK)):
        head += block
    head, _, content = head.partition(b"\r\n\r\n")
    while len(content) <= MAX_CONTENT and (block := connection.recv(_BLOCK)):
        content += block
    return head, content


def _explain(request: list[str], head: bytes, content: bytes) -> Exchange:
    status_line, _, field_lines = head.partition(b"\r\n")
    if not status_line.startswith(b"HTTP/"):
        raise NoAnswer("The response to the inspector is not HTTP.")
    fields = read_fields(field_lines)
    lengths = [value for name, value in fields if name.lower() == "content-length"]
    boundary = boundary_of(fields)
    parts, more_parts = read_parts(content[:MAX_CONTENT], boundary) if boundary else ([], 0)
    return Exchange(request, status_line.decode("latin-1"), fields, lengths[0] if lengths else None,
                    min(len(content), MAX_CONTENT), len(content) > MAX_CONTENT,
                    preview(content[:MAX_CONTENT]) if content and not parts else None, parts, more_parts,
                    content[:MAX_CONTENT])


def _as_json(answer: Exchange) -> dict[str, Any]:
    shown = {name: value for name, value in answer._asdict().items() if name != "raw"}
    return {**shown, "content": answer.content and answer.content._asdict(),
            "parts": [{"fields": part.fields, "preview": part.preview._asdict()} for part in answer.parts]}
