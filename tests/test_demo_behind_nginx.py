"""The demo behind nginx, without nginx: its configuration, its command, and what the app hands over.

``tests/browser/test_behind_nginx.py`` starts the real one.
"""

import contextlib
import os
import re
import socket
import subprocess
import sys

import pytest
from werkzeug.test import Client

from demo_flask import behind_nginx, create_site, samples
from demo_flask.__main__ import main, read_arguments
from demo_flask.behind_nginx import CannotRun, configuration, quoted, write_configuration
from tests.browser.demo import ROOT, free_port

GUNICORN = ("127.0.0.1", 40_001)


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    return tmp_path_factory.mktemp("instance")


@pytest.fixture(scope="module")
def made(directory):
    return samples.prepare(directory)


@pytest.fixture
def client(made, directory):
    return Client(create_site(("127.0.0.1", 1), made, directory, behind_nginx.offload(directory)))


@pytest.fixture
def client_without(made, directory):
    return Client(create_site(("127.0.0.1", 1), made, directory))


# --- The configuration ------------------------------------------------------------------------------------------------

def directives(text, name):
    """The values of a directive, without the comment behind it."""
    return re.findall(rf"^\s*{name} ([^;{{]*);", text, re.MULTILINE)


def test_configuration_names_both_addresses_and_the_folders(tmp_path):
    text = configuration(("127.0.0.1", 8000), GUNICORN, tmp_path)
    assert directives(text, "listen") == ["127.0.0.1:8000"]
    assert directives(text, "server") == ["127.0.0.1:40001"]
    assert directives(text, "alias") == [f'"{ROOT}/demo_flask/media/"', f'"{tmp_path}/"']
    assert text.count("internal;") == text.count("add_header X-Sent-By") == 2


def test_configuration_keeps_the_key_of_the_cookies(made, client, directory):
    assert (directory / "cookie.key").is_file()
    location = behind_nginx.folders(directory)[directory.resolve()] + "cookie.key"
    text = configuration(("127.0.0.1", 8000), GUNICORN, directory)
    assert re.search(rf"location = {location} {{\s*return 404;", text)


@pytest.mark.parametrize(("name", "value"), [
    ("proxy_http_version", "1.1"), ("proxy_request_buffering", "off"), ("client_max_body_size", "0"),
    ("proxy_max_temp_file_size", "0")])
def test_configuration_is_fit_for_uploads_and_long_downloads(tmp_path, name, value):
    assert directives(configuration(("127.0.0.1", 8000), GUNICORN, tmp_path), name) == [value]


@pytest.mark.parametrize(("host", "listen"), [
    pytest.param("127.0.0.1", "127.0.0.1:8000", id="IPv4"),
    pytest.param("::1", "[::1]:8000", id="IPv6"),
    pytest.param("0.0.0.0", "0.0.0.0:8000", id="everywhere"),
    pytest.param("::", "[::]:8000 ipv6only=off", id="everywhere, both"),
])
def test_listen(tmp_path, host, listen):
    assert directives(configuration((host, 8000), GUNICORN, tmp_path), "listen") == [listen]


def test_host_that_is_none_does_not_get_into_the_configuration(tmp_path):
    with pytest.raises(socket.gaierror):
        configuration(("127.0.0.1:80; include /etc/passwd", 8000), GUNICORN, tmp_path)


@pytest.mark.parametrize(("path", "shown"), [
    pytest.param("/srv/a", '"/srv/a"', id="plain"),
    pytest.param("/srv/Ärger im Büro; {x}", '"/srv/Ärger im Büro; {x}"', id="blanks and letters"),
    pytest.param('/srv/"a"', r'"/srv/\"a\""', id="quotes"),
    pytest.param("/srv/a\\n", r'"/srv/a\\n"', id="backslash"),
])
def test_path_is_quoted(path, shown):
    assert quoted(path) == shown


@pytest.mark.parametrize("path", ["/srv/$host", "/srv/a\nb", "/srv/\x7f"])
def test_path_that_nginx_cannot_be_told_is_refused(path):
    with pytest.raises(CannotRun, match=r"nginx cannot be told of the folder .*: its path has a \$ or a control"):
        quoted(path)


@pytest.mark.parametrize(("user", "lines"), [(0, 1), (1000, 0)], ids=["root", "an ordinary user"])
def test_nginx_reads_files_as_the_one_who_starts_it(tmp_path, monkeypatch, user, lines):
    monkeypatch.setattr(os, "geteuid", lambda: user)
    users = directives(configuration(("127.0.0.1", 8000), GUNICORN, tmp_path), "user")
    assert [name.split()[0] for name in users] == ["root"] * lines


def test_each_address_has_a_file_of_its_own(tmp_path):
    data = tmp_path / "Daten für nginx"
    paths = [write_configuration((host, port), GUNICORN, data)
             for host, port in (("127.0.0.1", 8000), ("127.0.0.1", 8001), ("::1", 8000))]
    assert len({*paths}) == 3
    assert all(f'alias "{data}/"' in path.read_text(encoding="utf-8") for path in paths)
    assert all((path.parent / "temp").is_dir() for path in paths)


# --- What the app hands over ------------------------------------------------------------------------------------------

FILES = [  # file             X-Accel-Redirect
    pytest.param("clock.mp4", "/protected/media/clock.mp4", id="film"),
    pytest.param("tones.wav", "/protected/data/tones.wav", id="tones"),
    pytest.param("big.bin", "/protected/data/big.bin", id="large file"),
    pytest.param("lines.txt", "/protected/data/lines.txt", id="text"),
    pytest.param("generated.txt", None, id="generator"),
    pytest.param("archive.zip", None, id="BytesIO"),
]


@pytest.mark.parametrize(("name", "location"), FILES)
def test_files_on_the_disk_are_handed_over(client, name, location):
    with client.get(f"/files/{name}", headers={"Range": "bytes=0-9"}) as answer:
        assert answer.headers.get("X-Accel-Redirect") == location
        assert (answer.status_code, len(answer.data)) == ((206, 10) if location is None else (200, 0))


def test_nothing_is_handed_over_without_nginx(client_without):
    with client_without.get("/files/lines.txt", headers={"X-Accel-Redirect": "/x"}) as answer:
        assert "X-Accel-Redirect" not in answer.headers
        assert len(answer.data) == 640_000


def test_flask_alone_hands_nothing_over(client):
    with client.get("/plain/files/lines.txt") as answer:
        assert "X-Accel-Redirect" not in answer.headers
        assert len(answer.data) == 640_000


@pytest.mark.parametrize(("asked", "ranges"), [
    pytest.param("bytes=32-63", [[32, 63]], id="one"),
    pytest.param("bytes=0-9,-10", [[0, 9], [639_990, 639_999]], id="two"),
    pytest.param("bytes=9-1", [[0, 639_999]], id="malformed"),
    pytest.param("", [[0, 639_999]], id="whole"),
])
def test_feed_has_what_was_asked_of_nginx(client, asked, ranges):
    client.get("/files/lines.txt", headers={"Range": asked} if asked else {}).close()
    event, = client.get("/events").json["events"]
    assert (event["handed_over"], event["asked"], event["asked_ranges"]) == (True, asked, ranges)
    assert event["sent"] == []  # nginx does, and nobody here counts


def test_feed_has_what_python_sent(client):
    client.get("/files/lines.txt", headers={"Range": "bytes=640000-"}).close()
    client.get("/files/generated.txt", headers={"Range": "bytes=32-63"}).close()
    client.get("/files/archive.zip").close()
    events = client.get("/events").json["events"]
    assert [(event["handed_over"], event["status"]) for event in events] == [(False, 416), (False, 206), (False, 200)]


@pytest.mark.parametrize(("path", "rate"), [
    ("/files/clock.mp4?slow", "131072"), ("/files/clock.mp4", None), ("/files/generated.txt?slow", None)])
def test_nginx_is_told_to_be_slow(client, path, rate):
    with client.get(path) as answer:
        assert answer.headers.get("X-Accel-Limit-Rate") == rate


def test_page_explains_the_marks_behind_nginx_only(client, client_without):
    page, page_without = (c.get("/").text for c in (client, client_without))
    assert "data-behind-nginx" in page
    assert all(words in page for words in ("sent by nginx", "handed to nginx", "sent by Python"))
    assert "nginx" not in page_without


# --- The command ------------------------------------------------------------------------------------------------------

def test_option():
    assert read_arguments(["--behind-nginx"]).behind_nginx is True
    assert read_arguments([]).behind_nginx is False


def test_help_explains_the_option_and_not_the_inner_one(capsys):
    with pytest.raises(SystemExit):
        read_arguments(["--help"])
    said = " ".join(capsys.readouterr().out.split())
    assert "--behind-nginx start nginx in front of the demo" in said
    assert "--socket" not in said


def test_missing_nginx_is_named_with_what_to_install(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(behind_nginx, "_PATH", str(tmp_path))
    with pytest.raises(SystemExit) as ended:
        main(["--behind-nginx", f"--port={free_port()}", f"--data={tmp_path}"])
    said = capsys.readouterr().err
    assert ended.value.code == 2
    assert said.count("\n") == 1
    assert "apt install nginx-light" in said
    assert not (tmp_path / "nginx").exists()


def run(tmp_path, nginx):
    """The command with a program in the place of nginx, ended: its exit code, and what it said."""
    program = tmp_path / "nginx"
    program.write_text(f"#!/bin/sh\n{nginx}\n")
    program.chmod(0o755)
    env = {**os.environ, "PATH": f"{tmp_path}{os.pathsep}{os.environ.get('PATH', os.defpath)}"}
    done = subprocess.run([sys.executable, "-m", "demo_flask", "--behind-nginx", "--port", str(free_port()),
                           "--data", str(tmp_path / "data")], cwd=ROOT, env=env, capture_output=True, text=True,
                          timeout=60)
    return done.returncode, done.stdout + done.stderr


def test_failing_start_shows_the_last_lines_of_the_log(tmp_path):
    code, said = run(tmp_path, "seq 100 >&2; echo 'nginx: [emerg] no such thing' >&2; exit 3")
    assert code == 1
    assert "nginx ended with exit code 3, and so the demo ends." in said
    assert said.rstrip().endswith("nginx: [emerg] no such thing")
    assert "  100\n" in said
    assert "  90\n" not in said
    assert "is running" not in said


def test_taken_port_is_named_as_without_the_option(tmp_path):
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SystemExit) as ended:
            main(["--behind-nginx", f"--port={port}", f"--data={tmp_path}"])
    assert ended.value.code == (
        f"Cannot listen on 127.0.0.1:{port}: Address already in use. Choose another with --port or --host.")
