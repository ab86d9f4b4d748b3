"""What is sent in place of a file that a front server may send: the field as that server reads it, or our response.

The real front servers are in ``tests/front``.
"""

from __future__ import annotations

import os
import tempfile
from wsgiref.util import FileWrapper

import pytest
from starlette.responses import FileResponse

from rangeware import AsgiRangeMiddleware, RangeMiddleware
from rangeware.offload import XAccelRedirect, XLighttpdSendFile, XSendfile
from tests.asgi_support import ask as ask_asgi
from tests.support import answering, get

SERVERS = {
    "nginx": lambda folder: XAccelRedirect({folder: "/protected/"}),
    "apache": lambda folder: XSendfile([folder]),
    "lighttpd": lambda folder: XLighttpdSendFile([folder]),
}
FIELDS = {"nginx": "X-Accel-Redirect", "apache": "X-Sendfile", "lighttpd": "X-Sendfile"}
TAG = '"v1"'

NAMES = [  # name                     nginx             mod_xsendfile    lighttpd
    pytest.param(b"file",             "file",           "file",          "file",            id="plain"),
    pytest.param(b"a b",              "a%20b",          "a b",           "a%20b",           id="blank"),
    pytest.param("é.txt".encode(),    "%C3%A9.txt",     "\xc3\xa9.txt",  "%C3%A9.txt",      id="UTF-8"),
    pytest.param(b"\xe9.txt",         "%E9.txt",        "\xe9.txt",      None,              id="Latin-1"),
    pytest.param(b"100%",             "100%25",         None,            "100%25",          id="percent"),
    pytest.param(b"a\nb",             "a%0Ab",          None,            None,              id="newline"),
    pytest.param(b"a\x7fb",           "a%7Fb",          None,            None,              id="DEL"),
    pytest.param(b"a ",               "a%20",           None,            "a%20",            id="blank at the end"),
    pytest.param("à".encode(),        "%C3%A0",         None,            "%C3%A0",          id="ends like a blank"),
]


@pytest.mark.parametrize(("name", "nginx", "apache", "lighttpd"), NAMES)
def test_names(tmp_path, name, nginx, apache, lighttpd):
    (tmp_path / os.fsdecode(name)).write_bytes(b"content")
    for server, expected in (("nginx", nginx), ("apache", apache), ("lighttpd", lighttpd)):
        with open(tmp_path / os.fsdecode(name), "rb") as file:
            field = SERVERS[server](tmp_path).field_for(file.name, file.fileno())
        folder = "/protected" if server == "nginx" else tmp_path
        assert field == (None if expected is None else (FIELDS[server], f"{folder}/{expected}"))


@pytest.fixture(params=SERVERS)
def front(request):
    return request.param


@pytest.fixture
def ask(front, tmp_path):
    """Asks for a file of ten bytes, sent by an app with these fields."""
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    os.utime(path, (1_700_000_000, 1_700_000_000))

    def ask(*fields, **request):
        app = answering(lambda: open(path, "rb"), *fields)  # noqa: SIM115 - closed with the body
        return get(RangeMiddleware(app, offload=SERVERS[front](tmp_path)), **request)
    return ask


def is_handed_over(answer):
    return any(answer.get(name) is not None for name in FIELDS.values())


def test_whole_and_part_are_handed_over(ask):
    for value in (None, "bytes=0-1", "bytes=0-1,5-6"):
        answer = ask(range=value)
        assert (answer.status, answer.body, answer.get("Content-Length")) == (200, b"", "0")
        assert is_handed_over(answer)


def test_unsatisfiable_range_is_answered_here(ask):
    """Apache and lighttpd leave Content-Range out of their 416."""
    answer = ask(range="bytes=10-")
    assert (answer.status, answer.get("Content-Range")) == (416, "bytes */10")
    assert not is_handed_over(answer)


@pytest.mark.each
@pytest.mark.parametrize(("field", "status"), [("if_match", 412), ("if_none_match", 304)])
def test_tag_of_the_app(ask, front, field, status):
    """lighttpd knows no If-Match. nginx makes the tag by itself, so that it must compare it."""
    values = {412: '"other"', 304: TAG}
    answer = ask(("ETag", TAG), **{field: values[status]})
    assert answer.status == (200 if front == "nginx" else status)
    assert is_handed_over(answer) is (front == "nginx")


def test_file_without_tag_gets_ours(ask):
    """mod_xsendfile 0.12 sends ETag: "0" with every file that comes without one."""
    with_tag, without = ask(("ETag", TAG)), ask()
    assert with_tag.get("ETag") == TAG
    assert without.get("ETag") not in (None, TAG)
    assert without.get("Last-Modified") == "Tue, 14 Nov 2023 22:13:20 GMT"


def test_tag_that_is_none_is_replaced(ask):
    """Bottle's ETag has no quotes: front servers would compare it with nothing."""
    assert ask(("ETag", "v1")).get("ETag") == ask().get("ETag")


def test_path_of_an_asgi_app(front, tmp_path):
    (tmp_path / "file").write_bytes(b"0123456789")
    app = AsgiRangeMiddleware(FileResponse(tmp_path / "file"), offload=SERVERS[front](tmp_path))
    for value in (None, "bytes=0-1"):
        answer = ask_asgi(app, value)
        assert (answer.status, answer.body, answer.get("Content-Length")) == (200, b"", "0")
        assert is_handed_over(answer)
    answer = ask_asgi(app, "bytes=10-")
    assert (answer.status, answer.get("Content-Range")) == (416, "bytes */10")
    assert answer.body
    assert not is_handed_over(answer)


@pytest.mark.each
@pytest.mark.parametrize("wrap", [lambda file: file, FileWrapper], ids=["bare", "wrapped"])
@pytest.mark.parametrize("delete", [True, False])
def test_file_that_is_deleted_when_it_is_closed(front, tmp_path, delete, wrap):
    def body():
        file = tempfile.NamedTemporaryFile(dir=tmp_path, delete=delete)  # noqa: SIM115
        file.write(b"0123456789")
        file.seek(0)
        return wrap(file)

    answer = get(RangeMiddleware(answering(body), offload=SERVERS[front](tmp_path)))
    assert is_handed_over(answer) is not delete
    assert answer.body == (b"0123456789" if delete else b"")
