"""Stops of a process or a machine after each step on disk, for tests: record the steps, then list what may be left.

Each change of a directory is recorded, and each sync. After any of them the machine may stop. What the disk has then is
the worst that POSIX allows: of a file that was not synced since, old bytes, new ones or zeros, block by block, with the
old size or the new one; of a directory that was not synced since, any of its states from then on.
"""

from __future__ import annotations

import itertools
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import pytest

BLOCK = 4096
"""Bytes that a disk writes at once."""
LONGEST = 1 << 20
"""Bytes of the longest file that is recorded."""
SLOW_SYNC = 0.01
"""Seconds in which other threads may write while one syncs."""
CALLS = ("open", "pwrite", "pwritev", "write", "writev", "ftruncate", "truncate", "posix_fallocate", "rename",
         "replace", "link", "unlink", "remove", "fsync", "fdatasync")

Disk = dict[str, bytes]
"""Files and what is in them."""


class Step(NamedTuple):
    """The directory after a call.

    :param names: the file of each name, by a number.
    :param contents: of each file, by its number.
    :param synced: the file that the call has synced; 0 for the directory, None for neither.
    """

    call: str
    names: dict[str, int]
    contents: dict[int, bytes]
    synced: int | None


# --- recording -------------------------------------------------------------------------------------------------------

class Recorder:
    """Watches what is done to a directory by way of ``os``."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._lock = threading.RLock()
        self._held: dict[int, int] = {}  # so that no number of a file is given to another one
        self.steps: list[Step] = []
        self._open, self._number = os.open, os.stat(directory).st_ino
        self._record("begin", None)

    def close(self) -> None:
        for descriptor in self._held.values():
            os.close(descriptor)

    def watch(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in CALLS:
            if hasattr(os, name):
                monkeypatch.setattr(os, name, self._watched(name, getattr(os, name)))

    def _watched(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def sync(descriptor: int) -> None:
            with self._lock:
                number = os.fstat(descriptor).st_ino
                self._record(name, 0 if number == self._number else number)
            time.sleep(SLOW_SYNC)

        def call(*arguments: Any, **named: Any) -> Any:
            with self._lock:
                result = real(*arguments, **named)
                self._record(name, None)
            return result

        return sync if name in ("fsync", "fdatasync") else call

    def _record(self, call: str, synced: int | None) -> None:
        names = {entry.name: entry.inode() for entry in os.scandir(self._directory)}
        for name, number in names.items():
            if number not in self._held:
                self._held[number] = self._open(self._directory / name, os.O_RDONLY)
        contents = {number: os.pread(held, LONGEST, 0) for number, held in self._held.items()}
        step = Step(call, names, contents, synced)
        if synced is not None or not self.steps or (names, contents) != self.steps[-1][1:3]:
            self.steps.append(step)


# --- what may be left ------------------------------------------------------------------------------------------------

def after_kill(steps: list[Step]) -> Iterator[Disk]:
    """The states that a killed process leaves: all that was written is there."""
    for step in steps:
        yield {name: step.contents[number] for name, number in step.names.items()}


def after_power_loss(steps: list[Step]) -> Iterator[Disk]:
    """The states that the disk may have when the machine stops."""
    return (disk for _, disk in losses(steps))


def losses(steps: list[Step]) -> Iterator[tuple[int, Disk]]:
    """The number of each step from 1, with each of the states that the disk may have if the machine stops after it."""
    random = Random(3)
    on_disk = dict(steps[0].contents)
    pending = [steps[0].names]
    for number, step in enumerate(steps, 1):
        if step.synced == 0:
            pending = [step.names]
        elif step.synced is not None:
            on_disk[step.synced] = step.contents[step.synced]
        elif step.names != pending[-1]:
            pending.append(step.names)
        variants = {inode: list(_variants(on_disk.get(inode, b""), content, random))
                    for inode, content in step.contents.items()}
        for names in _namings(pending):
            numbers = sorted(set(names.values()))
            for chosen in itertools.product(*(variants[number] for number in numbers)):
                content = dict(zip(numbers, chosen, strict=True))
                yield number, {name: content[inode] for name, inode in names.items()}


def _namings(pending: list[dict[str, int]]) -> Iterator[dict[str, int]]:
    """Each name as it was at any time since the sync of the directory, whatever has become of the others."""
    names = sorted({name for each in pending for name in each})
    for chosen in itertools.product(*({each.get(name) for each in pending} for name in names)):
        yield {name: number for name, number in zip(names, chosen, strict=True) if number is not None}


def _variants(before: bytes, after: bytes, random: Random) -> Iterator[bytes]:
    """The contents that a file may have that was ``before`` when synced, and ``after`` when the machine stopped."""
    yield before
    if before == after:
        return
    yield after
    yield _by_block(after, before, _zeros)
    yield _by_block(after, before, lambda new, old: random.choice([new, _zeros(new, old), old.ljust(len(new), b"\0")]))
    if len(before) > len(after):
        yield after + before[len(after):]
    else:
        yield before.ljust(len(after), b"\0")


def _by_block(after: bytes, before: bytes, choose: Callable[[bytes, bytes], bytes]) -> bytes:
    blocks = ((after[pos:pos + BLOCK], before[pos:pos + BLOCK]) for pos in range(0, len(after), BLOCK))
    return b"".join(new if new == old else choose(new, old)[:len(new)] for new, old in blocks)


def _zeros(new: bytes, old: bytes) -> bytes:
    """Zeros where something was written; a block keeps those of its bytes that were synced."""
    old = old[:len(new)]
    kept = old
    if not new.startswith(old):
        kept = bytes(byte if byte == was else 0 for byte, was in zip(new, old, strict=False))
    return kept.ljust(len(new), b"\0")
