"""What a result says of the machine, the programs and the code that it is from."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from pathlib import Path

from benchmarks.data import GIB, ROOT


def processor() -> str:
    """Return the name of the processor."""
    model = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return model[1].strip() if model else platform.machine()


def memory_gib() -> int:
    """Return the memory of the machine, rounded to GiB."""
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / GIB)


def version_of(*command: str) -> str:
    """Run a program and return the version number in its output; "unknown" if there is none."""
    said = subprocess.run(command, capture_output=True, text=True, check=True)
    version = re.search(r"\d+\.\d+(\.\d+)?", said.stdout + said.stderr)
    return version[0] if version else "unknown"


def commit() -> str:
    """Return the commit, with a plus if the package has uncommitted changes; "unknown" outside of a clone."""
    try:
        head = _git("rev-parse", "--short", "HEAD")
        return head + "+" if _git("status", "--porcelain", "--", "rangeware") else head
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.strip()
