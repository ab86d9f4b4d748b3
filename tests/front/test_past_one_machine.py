"""The recipes of off-load in docs/past-one-machine.md behind nginx, and its commands for curl, as they stand there.

What is replaced: ports and folders.
"""

from __future__ import annotations

import os
import random
import subprocess
from pathlib import Path

import pytest

from tests.front import front_servers
from tests.matrix import launch
from tests.matrix.launch import ROOT
from tests.test_past_one_machine import MEDIA, RECIPES

pytestmark = pytest.mark.matrix

FILM = random.Random(1922).randbytes(300_000)
SERVERS = {"offload-flask": "gunicorn-gthread-2", "offload-fastapi": "uvicorn-h11-2"}


@pytest.mark.parametrize("name", SERVERS)
def test_curl_shows_that_nginx_is_set_up(name: str, tmp_path: Path):
    media = tmp_path / "media"
    media.mkdir()
    (media / "film.mp4").write_bytes(FILM)
    (tmp_path / "films.py").write_text(RECIPES[name].replace(MEDIA, str(media)))
    env = {"PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])}
    with launch.serving(SERVERS[name], "films:app", tmp_path, env) as running, front_servers.serving(
            "nginx", running.address, media, tmp_path) as nginx:
        commands = RECIPES["check"].replace("127.0.0.1:8000", "{}:{}".format(*running.address))
        commands = commands.replace("example.org", "{}:{}".format(*nginx)).replace(MEDIA, str(media))
        done = subprocess.run(["bash", "-euo", "pipefail", "-c", commands], cwd=tmp_path, timeout=60,
                              capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    count, *heads = done.stdout.splitlines()
    assert count == "10"
    assert "x-accel-redirect: /protected/film.mp4" in [line.lower() for line in heads]
    assert "content-length: 0" in [line.lower() for line in heads]
    assert heads[heads.index("") + 1] == "HTTP/1.1 404 Not Found"
