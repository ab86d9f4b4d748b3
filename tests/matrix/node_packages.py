"""The packages of npm that the matrix needs: installed once a session, into a folder of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

HERE = Path(__file__).parent / "node"
TIMEOUT = 300.0


@pytest.fixture(scope="session")
def node_packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with ``node_modules`` as ``tests/matrix/node/package.json`` names them, and the scripts beside it."""
    if shutil.which("npm") is None or shutil.which("node") is None:
        pytest.skip("needs node and npm")
    folder = tmp_path_factory.mktemp("node")
    for path in HERE.iterdir():
        shutil.copy(path, folder)
    words = ["npm", "install", "--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts"]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


@contextmanager
def running_node(folder: Path, script: str, *words: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A script that prints the port that it listens on, in its own process; the process and the port."""
    env = {**os.environ, "NODE_PATH": str(folder / "node_modules")}
    log = folder / f"{script}.log"
    with log.open("a") as errors, subprocess.Popen(
            ["node", script, *words], cwd=folder, env=env, stdout=subprocess.PIPE, stderr=errors, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.strip().isdigit(), log.read_text()[-3000:]
            yield process, int(line)
        finally:
            process.kill()
