"""A pair of a server and a framework: everything is asked of it."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence

from tests.matrix.apps import representation
from tests.matrix.checks import CHECKS, CLOSES, Target, equal, head_before_a_close, is_part, is_whole, two_ranges, whole
from tests.matrix.wire import Address, Connection, Silence

KINDS = ("file", "generator", "page")
TIMEOUT = 15.0  # seconds of silence
PATIENCE = 120.0  # seconds for four threads to end, as a bound
SILENCES = 3  # after so many a cell is given up, or a server that hangs would take hours


# --- checks of all representations together ---

def alternating(address: Address, targets: Sequence[Target]) -> None:
    """Four requests for different things on one connection, twice."""
    file, generator, page = targets
    with Connection(address, TIMEOUT) as connection:
        for first_pos in (100_003, 200_017):
            for target in (file, generator):
                answer = connection.ask(target.path, Range=f"bytes={first_pos}-{first_pos + 9999}")
                is_part(answer, target, first_pos, first_pos + 9999)
            is_whole(connection.ask(page.path), page)
            two_ranges(connection, file)
        equal("the number of connections", connection.opened, 8 if file.server in CLOSES else 1)
        head_before_a_close(connection, file)


def four_at_once(address: Address, targets: Sequence[Target]) -> None:
    """Four clients at the same time."""
    told: list[str] = []

    def work(number: int) -> None:
        try:
            with Connection(address, TIMEOUT) as connection:
                _ranges(connection, targets, number)
        except Exception as exc:
            told.append(f"client {number}: {_said(exc)}")
    threads = [threading.Thread(target=work, args=(number,), daemon=True) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive(), f"a client has not come to its end within {PATIENCE} s"
    assert not told, "; ".join(told)


def _ranges(connection: Connection, targets: Sequence[Target], number: int) -> None:
    for turn in range(6):
        target = targets[(turn + number) % len(targets)]
        first_pos = (3_301 * turn + 907 * number) % (target.length // 2)
        last_pos = first_pos + target.length // 10
        answer = connection.ask(target.path, Range=f"bytes={first_pos}-{last_pos}")
        is_part(answer, target, first_pos, last_pos)
    two_ranges(connection, targets[0])


# --- a cell ---

def _said(exc: Exception) -> str:
    return str(exc) if isinstance(exc, AssertionError) else repr(exc)


class Cell:
    """One pair of a server and a framework: asks everything, and keeps what failed."""

    def __init__(self, server: str, address: Address, framework: str) -> None:
        self._server = server
        self._address = address
        self._framework = framework
        self._silences = 0
        self.failures: list[str] = []

    def run(self) -> None:
        """Makes every check; gives up a server that hangs."""
        with contextlib.suppress(_GivenUp):
            targets = list(self._targets())
            for target in targets:
                self._check(target)
            for check in (alternating, four_at_once):
                with self._noting(check):
                    assert len(targets) == len(KINDS), "not asked, since not all came whole"
                    check(self._address, targets)

    def _targets(self) -> Iterator[Target]:
        for kind in KINDS:
            path = f"/{self._framework}/{kind}"
            with self._noting(whole, kind), Connection(self._address, TIMEOUT) as connection:
                content = representation(self._framework, kind)
                yield Target(self._server, kind, path, content, connection.ask(path))

    def _check(self, target: Target) -> None:
        """All on one connection, so that what follows an answer is seen with the next; after a failure on a new one."""
        with self._noting(whole, target.kind), Connection(self._address, TIMEOUT) as connection:
            for check in CHECKS:
                with self._noting(check, target.kind), contextlib.ExitStack() as failing:
                    failing.callback(connection.close)
                    check(connection, target)
                    failing.pop_all()

    @contextlib.contextmanager
    def _noting(self, check: Callable[..., None], kind: str = "") -> Iterator[None]:
        try:
            yield
        except _GivenUp:
            raise
        except Exception as exc:
            name = f"{kind} {check.__name__}".strip().replace("_", " ")
            self.failures.append(f"{name}: {_said(exc)}")
            self._silences += isinstance(exc, Silence)
            if self._silences == SILENCES:
                self.failures.append("the rest: given up")
                raise _GivenUp from exc


class _GivenUp(Exception):
    """The server hangs."""
