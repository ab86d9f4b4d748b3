"""A file counts from where it stands, up to the length that is declared: for whoever asks for all of it, too."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.matrix import launch
from tests.matrix.checks import Target, equal, is_head, is_part, is_whole
from tests.matrix.launch import Running
from tests.matrix.positioned_app import FILE, PAGE, PATHS, case_of, write_file
from tests.matrix.wire import Connection

pytestmark = pytest.mark.matrix

SILENCE = 5.0  # seconds after which a server that owes bytes is given up


@pytest.fixture(scope="module", params=launch.SERVERS)
def running(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The server at work."""
    directory = tmp_path_factory.mktemp(request.param)
    env = {FILE: str(write_file(directory))}
    with launch.serving(request.param, "tests.matrix.positioned_app:application", directory, env) as running:
        yield running


def are_ranges(client: Connection, target: Target) -> None:
    """Ranges of the same bytes as those of the whole."""
    length = target.length
    for value, first_pos, last_pos in [
            ("bytes=10-1009", 10, min(1009, length - 1)), ("bytes=-50", length - 50, length - 1),
            (f"bytes={length // 2}-", length // 2, length - 1)]:
        is_part(client.ask(target.path, Range=value), target, first_pos, last_pos)


@pytest.mark.parametrize("path", PATHS)
def test_the_whole_and_a_range_are_of_the_same_bytes(running: Running, path: str) -> None:
    """On one connection, where the server keeps it: what is sent beyond the length would spoil the next answer."""
    with Connection(running.address, SILENCE) as client:
        target = Target(running.server, "file", path, case_of(path).content, client.ask(path))
        is_whole(target.whole, target)
        equal("Content-Length", target.whole.get("Content-Length"), str(target.length))
        equal("the next answer", client.ask("/").body, PAGE)
        is_whole(client.ask(path), target)
        are_ranges(client, target)
        is_head(client.ask(path, "HEAD"), target)
        equal("the next answer", client.ask("/").body, PAGE)


@pytest.mark.parametrize("path", PATHS)
def test_ranges_whatever_becomes_of_the_whole(running: Running, path: str) -> None:
    with Connection(running.address, SILENCE) as client:
        target = Target(running.server, "file", path, case_of(path).content, client.ask(path, "HEAD"))
        is_head(target.whole, target)
        are_ranges(client, target)
        equal("the next answer", client.ask("/").body, PAGE)
