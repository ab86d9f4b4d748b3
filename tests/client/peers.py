"""curl, wget and aria2 under the faults of the table, as people run them: to resume, and to try again.

``python -m tests.client.peers [--workers N] [PART OF A FAULT'S NAME ...]`` prints, for each program and scenario, how
many downloads were right, ended with an error, were wrong with exit code 0, or did not end; and which were wrong.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from rangeware.client import download
from tests.client.faulty import FAULTS
from tests.client.faulty.table import ONE, ONE_RESUMED, RIGHT, Fault
from tests.client.faulty.trials import HANG, WRONG, Get, one_trial

_LONGEST = 25.0  # seconds for one run of a program


class NetworkError(Exception):
    """The program ended with an error."""

    exit_code = 2
    kept = "what came so far"


def _curl(part: Path, url: str, tries: int) -> list[str]:
    return ["curl", "-q", "-sSfL", "-C", "-", "--retry", str(tries - 1), "--retry-all-errors", "--retry-delay", "1",
            "--speed-limit", "1", "--speed-time", "1", "--connect-timeout", "2", "-o", str(part), url]


def _wget(part: Path, url: str, tries: int) -> list[str]:
    return ["wget", "--no-config", "-q", "-c", "-t", str(tries), "--waitretry=1", "-T", "1", "-O", str(part), url]


def _aria2(part: Path, url: str, tries: int) -> list[str]:
    return ["aria2c", "--no-conf", "-q", "-c", f"--max-tries={tries}", "--retry-wait=0", "--timeout=1",
            "--connect-timeout=1", "-d", str(part.parent), "-o", part.name, url]


def running(command: Callable[[Path, str, int], list[str]]) -> Get:
    """A program in the place of ``download``: it fills NAME.part, which is renamed after exit code 0."""

    def get(url: str, path: Path, *, tries: int = 6, **_: object) -> None:
        part = path.with_name(f"{path.name}.part")
        environment = {"PATH": os.environ["PATH"], "HOME": str(path.parent / "nobody")}
        try:
            done = subprocess.run(command(part, url, tries), env=environment, stdin=subprocess.DEVNULL,
                                  capture_output=True, timeout=_LONGEST)
        except subprocess.TimeoutExpired as exc:
            raise TimeoutError("does not end") from exc
        if done.returncode or not part.exists():
            raise NetworkError(done.stderr.decode("utf-8", "replace"))
        os.replace(part, path)

    return get


GETS: dict[str, Get] = {
    "rangeware": download, "curl": running(_curl), "wget": running(_wget), "aria2c": running(_aria2)}
_ENDS = (RIGHT, "error", WRONG, HANG)


def end_of(program: str, fault: Fault, scenario: str) -> str:
    """The end of a program's run under a fault: one of ``_ENDS``."""
    end = one_trial(fault, scenario, GETS[program]).outcome.end
    if end == "TimeoutError":
        return HANG
    return end if end in _ENDS else "error"


def _print_counts(scenario: str, ends: dict[str, list[str]]) -> None:
    for program, found in ends.items():
        counts = Counter(found)
        print(f"{program:<10} {scenario:<13}", *(f"{counts[end]:>4} {end:<6}" for end in _ENDS))


def _print_differences(faults: list[Fault], ends: dict[str, list[str]]) -> None:
    """Print what is wrong or hangs, and where others finish and rangeware does not."""
    for fault, *found in zip(faults, *ends.values(), strict=True):
        by_program = dict(zip(ends, found, strict=True))
        bad = [f"{program} {end}" for program, end in by_program.items() if end in (WRONG, HANG)]
        others = [program for program, end in by_program.items() if end == RIGHT]
        if by_program.get("rangeware") != RIGHT and others:
            bad.append(f"right only: {', '.join(others)}")
        if bad:
            print(f"    {fault.name}: {'; '.join(bad)}")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--workers", type=int, default=16)
    parser.add_argument("names", nargs="*")
    given = parser.parse_args()
    faults = [fault for fault in FAULTS if not fault.options and all(name in fault.name for name in given.names)]
    programs = [program for program in GETS if program == "rangeware" or shutil.which(program)]
    print(f"{len(faults)} faults")
    with ThreadPoolExecutor(given.workers) as pool:
        for scenario in (ONE, ONE_RESUMED):
            ends = {program: list(pool.map(partial(end_of, program, scenario=scenario), faults))
                    for program in programs}
            _print_counts(scenario, ends)
            _print_differences(faults, ends)


if __name__ == "__main__":
    main()
