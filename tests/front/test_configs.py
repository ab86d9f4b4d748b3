"""The configuration files of off-load, as users copy them: each server reads them, and they say what they must."""

from __future__ import annotations

import re
import socket
import subprocess
from pathlib import Path

import pytest

from tests.front.configs import FOLDER, LISTEN
from tests.front.front_servers import CONFIGS, FRONT_SERVERS, command, configuration

pytestmark = pytest.mark.matrix

OPTIONS = {"nginx": ("-t",), "apache": ("-t",), "lighttpd": ("-tt",)}
UPSTREAM = ("127.0.0.1", 8000)


def text_of(name: str, directory: Path) -> str:
    """The configuration with the paths and the app's address that users find in it. "nginx -t" binds the port, too."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        text = configuration(name, free.getsockname(), UPSTREAM, Path("/srv/media"), directory)
        return text.replace(f"<VirtualHost 127.0.0.1:{free.getsockname()[1]}>", "<VirtualHost *:80>")


def checked(name: str, text: str, directory: Path) -> subprocess.CompletedProcess[str]:
    """What a front server says of a configuration."""
    directory.chmod(0o755)
    file = directory / f"{name}.conf"
    file.write_text(text, encoding="utf-8")
    return subprocess.run(command(name, file, *OPTIONS[name]), capture_output=True, text=True, timeout=30, check=False)


@pytest.fixture(params=FRONT_SERVERS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_the_file_is_read_as_it_is(name: str, tmp_path: Path) -> None:
    """All of its text, with the paths that users find in it."""
    text = text_of(name, tmp_path)
    assert (FOLDER / CONFIGS[name]).read_text(encoding="utf-8") in re.sub(r" +listen 127.0.0.1:\d+;\n", LISTEN, text)
    done = checked(name, text, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "warn" not in done.stderr.lower()


def test_a_mistake_would_show(name: str, tmp_path: Path) -> None:
    text = text_of(name, tmp_path)
    mistakes = {"nginx": "internal;", "apache": "XSendFile On", "lighttpd": '"x-sendfile" => "enable",'}
    assert checked(name, text.replace(mistakes[name], "mistake on"), tmp_path).returncode != 0


def test_the_files_name_the_option(name: str) -> None:
    options = {"nginx": 'offload=XAccelRedirect({"/srv/media/": "/protected/"})', "apache":
               'offload=XSendfile(["/srv/media"])', "lighttpd": 'offload=XLighttpdSendFile(["/srv/media"])'}
    assert f"RangeMiddleware(app, {options[name]})" in (FOLDER / CONFIGS[name]).read_text(encoding="utf-8")
