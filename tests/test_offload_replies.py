"""What is sent in place of a file that a front server may send: the field as that server reads it, or our response.

The real front servers are in ``tests/front``.
"""

from __future__ import annotations

import os

import pytest

from rangeware.offload import XAccelRedirect, XLighttpdSendFile, XSendfile

SERVERS = {
    "nginx": lambda folder: XAccelRedirect({folder: "/protected/"}),
    "apache": lambda folder: XSendfile([folder]),
    "lighttpd": lambda folder: XLighttpdSendFile([folder]),
}
FIELDS = {"nginx": "X-Accel-Redirect", "apache": "X-Sendfile", "lighttpd": "X-Sendfile"}

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
