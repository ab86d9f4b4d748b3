"""The packages of npm that tests need: installed once into a folder that is kept, and run by node."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NODE = Path(__file__).with_name("node")
TIMEOUT = 300.0  # seconds


def install(package: Path = NODE / "package.json") -> Path:
    """Install what a ``package.json`` names; return the folder ``node_modules``."""
    name = hashlib.sha256(package.read_bytes()).hexdigest()[:16]
    folder = Path(tempfile.gettempdir()) / f"rangeware-npm-{name}"
    folder.mkdir(exist_ok=True)
    with open(folder / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several test runs may need it at once
        if not (folder / "done").exists():
            _install(package, folder)
            (folder / "done").touch()
    return folder / "node_modules"


def _install(package: Path, folder: Path) -> None:
    npm = shutil.which("npm")
    assert npm, "npm is not installed"
    shutil.copy(package, folder)
    command = [npm, "install", "--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    assert done.returncode == 0, done.stderr[-3000:]


@contextmanager
def running(script: str, *words: str, log: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A script of ``NODE`` that prints the port that it listens on, in its own process; the process and the port."""
    env = {**os.environ, "NODE_PATH": str(install())}
    with log.open("a") as errors, subprocess.Popen(
            ["node", str(NODE / script), *words], env=env, stdout=subprocess.PIPE, stderr=errors, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.strip().isdigit(), log.read_text()[-3000:]
            yield process, int(line)
        finally:
            process.kill()
