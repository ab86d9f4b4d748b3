"""Servers at work on the hostile app, and what their clients share."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.matrix import hostile_app, launch
from tests.matrix.hostile_app import MIDDLE, SMALL, content
from tests.matrix.launch import Running
from tests.matrix.wire import Connection
from tests.support import parts

TIMEOUT = 20.0
NAPS = 16
"""Connections at once that have every thread of a server started."""


class Hosted(NamedTuple):
    """A server with all its threads started, and what its app says while it has nothing to do."""

    running: Running
    at_rest: dict[str, int]


@contextlib.contextmanager
def hosting(server: str, app: str, directory: Path) -> Iterator[Hosted]:
    """The server at work, with all its threads started."""
    files = directory / app
    files.mkdir()
    env = {hostile_app.DIRECTORY: str(files)}
    with launch.serving(server, f"tests.matrix.hostile_app:{app}", directory, env) as running:
        naps = [threading.Thread(target=_nap, args=(running,)) for _ in range(NAPS)]
        for nap in naps:
            nap.start()
        for nap in naps:
            nap.join(TIMEOUT)
        at_rest = state(running)
        assert at_rest["descriptors"] == at_rest["unclosed"] == 0
        yield Hosted(running, at_rest)


def _nap(running: Running) -> None:
    with Connection(running.address) as client:
        client.ask("/nap")


def check(running: Running) -> None:
    """A new client is answered, with the right bytes."""
    with Connection(running.address) as client:
        several = client.ask("/file", Range="bytes=0-9,70000-70009")
        assert [part.content for part in parts(several)] == [content(0, 10), content(70_000, 70_010)]
        single = client.ask("/generator", Range="bytes=-10")
        assert (single.status, single.body) == (206, content(MIDDLE - 10, MIDDLE))
        whole = client.ask("/list")
        assert (whole.status, whole.body) == (200, content(0, SMALL))


def state(running: Running) -> dict[str, int]:
    """Ask the app what is left open."""
    with Connection(running.address) as client:
        answer: dict[str, int] = json.loads(client.ask("/state").body)
    return answer


def left(hosted: Hosted) -> dict[str, int]:
    """The excess over the state at rest, once there is none, or when time is up."""
    deadline = time.monotonic() + TIMEOUT
    while True:
        more = {name: number for name, number in state(hosted.running).items() if number > hosted.at_rest[name]}
        if not more or time.monotonic() > deadline:
            return more
        time.sleep(0.05)
