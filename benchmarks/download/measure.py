"""The measures: full speed to disk and to memory, memory use for small and large files, and a slow network."""

from __future__ import annotations

import contextlib
import filecmp
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks import nginx
from benchmarks.data import ROOT
from benchmarks.download.clients import FAR, LOCAL, SYNCED, Command, Cost, Failed, run
from benchmarks.serving import serving
from benchmarks.targets import Target

MIB = 1 << 20
LARGE, SMALL = 1 << 30, 64 * MIB
DELAY = 0.05
"""Delay of the slow network in seconds, in each direction."""
RATE = 20e6 / 8
"""Bytes per second of each connection of the slow network."""
SHARED_MEMORY = Path("/dev/shm")


class Bench:
    """The served files, and the directories to download to.

    :param served: a directory with ``1g`` and ``64m``.
    :param disk: a directory on a disk.
    """

    def __init__(self, served: Path, disk: Path, rounds: int) -> None:
        self._served = served
        self._places = {"disk": disk, "tmpfs": served.parent / "to"}
        self._places["tmpfs"].mkdir()
        self._rounds = rounds

    def run(self, far_rounds: int) -> dict[str, Any]:
        """Run all measures. Return the results by measure and client, as lists of rounds."""
        with serving(Target("nginx", "nginx", "peer", self._nginx)) as server:
            origin = "http://{}:{}".format(*server.address)
            results: dict[str, Any] = {
                place: self._interleaved(LOCAL, f"{origin}/1g", directory, self._rounds)
                for place, directory in self._places.items()
            }
            results["64 MiB"] = self._interleaved(LOCAL, f"{origin}/64m", self._places["tmpfs"], min(3, self._rounds))
            with far(server.address) as distant:
                results["far"] = self._interleaved(FAR, f"{distant}/64m", self._places["tmpfs"], far_rounds)
        return results

    def _nginx(self, port: int, directory: Path) -> list[str]:
        return nginx.command(port, directory, f"root {self._served};")

    def _interleaved(self, clients: dict[str, Command], url: str, directory: Path, rounds: int) -> dict[str, Any]:
        """Run all clients in turn, in a new random order for each round."""
        found: dict[str, list[Any]] = {name: [] for name in clients}
        file = directory / "file.bin"
        self._once("curl", clients["curl"](url, file), url, file)  # not counted: the first write there is slower
        for number in range(1, rounds + 1):
            for name in random.sample(list(clients), len(clients)):
                cost = self._once(name, clients[name](url, file), url, file)
                found[name].append(cost._asdict())
                _say(f"round {number} of {rounds}, {url.rpartition('/')[2]} to {directory}, {name}: "
                     f"{cost.seconds:.2f} s, CPU {cost.cpu_seconds:.2f} s, {cost.peak_bytes / MIB:.0f} MiB")
        return found

    def _once(self, name: str, command: list[str], url: str, file: Path) -> Cost:
        os.sync()  # so that no client waits for the writes of the one before
        try:
            cost = run(command, file if name == SYNCED else None)
            if not filecmp.cmp(file, self._served / url.rpartition("/")[2], shallow=False):
                raise Failed(f"{name} made another file")
        finally:
            file.unlink(missing_ok=True)
        return cost


@contextlib.contextmanager
def bench(rounds: int, disk: Path | None) -> Iterator[Bench]:
    """Make the files in memory, and delete them at the end."""
    with tempfile.TemporaryDirectory(dir=SHARED_MEMORY, prefix="rangeware-") as memory, \
            tempfile.TemporaryDirectory(dir=disk or ROOT, prefix=".bench-") as on_disk:
        served = Path(memory, "served")
        served.mkdir()
        for name, length in (("1g", LARGE), ("64m", SMALL)):
            with open(served / name, "wb") as file:
                for _ in range(length // MIB):
                    file.write(os.urandom(MIB))
        yield Bench(served, Path(on_disk), rounds)


@contextlib.contextmanager
def far(address: tuple[str, int]) -> Iterator[str]:
    """Run the relay in front of a server. Yields the origin of the relay."""
    command = [sys.executable, "-m", "benchmarks.download.relay", address[0], str(address[1]), str(DELAY), str(RATE)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.terminate()


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
