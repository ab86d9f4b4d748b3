"""One download under one fault, and an honest look at what it left."""

from __future__ import annotations

import contextlib
import hashlib
import re
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from tests.client.fault_server import FaultServer, Version, behave
from tests.client.faulty.table import (
    DIGEST,
    FOUR,
    FOUR_RESUMED,
    NETWORK,
    RESUMED,
    RIGHT,
    RIGHT_SHA256,
    Fault,
)

Get = Callable[..., object]

WRONG = "WRONG"
HANG = "HANG"
NAME = "file.bin"
_SET_ASIDE = re.compile(re.escape(NAME) + r"\.part\.[0-9]+(\.json)?")
_BLOCK = 4096
_MOST_REQUESTS = 300  # in a run: more is an attack
_BUDGET = 250_000  # bytes on the wire before a first run breaks off
_ATTEMPTS = 5  # on a busy machine, a connection may be cut before the client has read what came over it
_PATIENCE = 30.0  # seconds after which a run hangs
_MORE_PATIENCE = (2, 4)  # times as long until a server is held to stall, or a run to hang
_EXIT_CODES = {"NetworkError": 2, "ChangedError": 3, "DigestError": 4, "DiskError": 5}
_SHORT = {"timeout": 0.6, "first_byte": 0.6, "tries": 6, "first_delay": 0.01, "longest_delay": 0.05}
_ONE_STREAM = {"segments": 1}
_FOUR_SEGMENTS = {"segments": 4, "segment_size": 16_384, "worthwhile": 0}


class Outcome(NamedTuple):
    """The outcome of a run: "right", the name of an error, `WRONG` or `HANG`."""

    end: str
    requests: int
    connections: int
    sent: int
    bites: int
    complaint: str  # what is not as it must be, "" if nothing


class Result(NamedTuple):
    """The outcome of a trial; ``well`` is that of the next run, when the server had recovered."""

    fault: Fault
    scenario: str
    outcome: Outcome
    well: str
    complaints: tuple[str, ...]


class Ended(NamedTuple):
    """The end of a call of `download`: None for each that did not happen."""

    value: object | None
    error: BaseException | None


def run_in_time(get: Get, *arguments: Any, patience: float = 1, **options: Any) -> Ended | None:
    """Calls it in a thread; None if it does not end in time. ``patience``: times as long."""
    ended: list[Ended] = []

    def run() -> None:
        try:
            ended.append(Ended(get(*arguments, **options), None))
        except BaseException as exc:  # noqa: BLE001 - whatever it is, it is what is looked at
            ended.append(Ended(None, exc))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(_PATIENCE * patience)
    return ended[0] if ended else None


def _right_blocks(path: Path, content: bytes) -> frozenset[int]:
    """The numbers of the blocks that this file has as this content has them."""
    octets = path.read_bytes()
    places = range(0, len(content), _BLOCK)
    return frozenset(
        place // _BLOCK for place in places if octets[place : place + _BLOCK] == content[place : place + _BLOCK]
    )


def kept_blocks(folder: Path, content: bytes) -> frozenset[int]:
    """The blocks of this content that any partial file in the folder has."""
    kept: frozenset[int] = frozenset()
    for path in folder.glob(f"{NAME}.part*"):
        if ".json" not in path.name:
            kept |= _right_blocks(path, content)
    return kept


class Trial:
    """One fault in one scenario, in a folder of its own."""

    def __init__(self, fault: Fault, scenario: str, folder: Path, get: Get, patience: float = 1) -> None:
        self.fault = fault
        self.scenario = scenario
        self.folder = folder
        self.get = get
        self.patience = patience
        self.complaints: list[str] = []
        self.has_refused_bytes = False  # a digest did not fit: what came is set aside for good
        has_four = scenario in (FOUR, FOUR_RESUMED)
        self.options: dict[str, Any] = {**_SHORT, **(_FOUR_SEGMENTS if has_four else _ONE_STREAM)}
        self.options |= {name: self.options[name] * patience for name in ("timeout", "first_byte")}
        self.server = FaultServer(pause=0.004 if has_four else 0)
        self.server.patience = 0.4 if has_four else 0

    def run(self) -> Result:
        """The run under the fault, and after an error another when the server is well again."""
        with self.server as server:
            if self.scenario in RESUMED:
                self._break_off()
            if self.fault.setup:
                self.fault.setup(server)
            server.path = self.fault.path
            server.behave_as(self.fault.act, self.fault.door, self.fault.is_alone)
            outcome = self._run(server.versions, **self._fault_options())
            if outcome.bites == 0 and self.scenario not in self.fault.spares:
                self.complaints.append("the fault was not met")
            if outcome.end not in self.fault.ends_of(self.scenario):
                self.complaints.append(f"ended {outcome.end}, not {' or '.join(self.fault.ends_of(self.scenario))}")
            well = self._run_when_well() if outcome.end not in (RIGHT, WRONG, HANG) else ""
        self.complaints += [f"the server: {mistake!r}" for mistake in server.mistakes]
        return Result(self.fault, self.scenario, outcome, well, tuple(self.complaints))

    def _fault_options(self) -> dict[str, Any]:
        options = dict(self.fault.options)
        if options.get("sha256") == RIGHT_SHA256:
            options["sha256"] = hashlib.sha256(self.server.version.content).hexdigest()
        if options.get("checksum", "").endswith(":right"):
            algorithm = options["checksum"].partition(":")[0]
            options["checksum"] = f"{algorithm}:{hashlib.new(algorithm, self.server.version.content).hexdigest()}"
        return options

    def _break_off(self) -> None:
        """An earlier run that leaves a partial file."""
        server = self.server
        content = server.version.content
        kept = {name: value for name, value in self.fault.options.items() if name == "decode"}
        for _ in range(_ATTEMPTS):
            server.behave_as(self.fault.before)
            server.budget = _BUDGET
            ended = self._in_time(tries=1, **kept)
            server.budget = None
            if content and not (ended and type(ended.error).__name__ == NETWORK):
                self.complaints.append(f"the earlier run ended {ended}")
            if not content or self.complaints or len(kept_blocks(self.folder, server.versions[0].content)) >= 20:
                break
        else:
            self.complaints.append("the earlier run left too little")
        if self.fault.between:
            self.fault.between(server)

    def _in_time(self, **options: Any) -> Ended | None:
        return run_in_time(
            self.get, self.server.url, self.folder / NAME, patience=self.patience, **{**self.options, **options})

    def _run_when_well(self) -> str:
        """The server is well: what is kept must not stand in the way."""
        server = self.server
        server.behave_as(behave)
        server.path = f"/{NAME}"
        options = {key: value for key, value in self.fault.options.items() if key not in ("sha256", "checksum")}
        outcome = self._run([server.version], **options)
        if outcome.end != RIGHT:
            self.complaints.append(f"ended {outcome.end} when the server was well again")
        return outcome.end

    def _run(self, versions: list[Version], **options: Any) -> Outcome:
        server, folder = self.server, self.folder
        requests, connections, sent = len(server.requests), server.connections, server.sent
        first = server.versions[0].content
        before = kept_blocks(folder, first)
        ended = self._in_time(**options)
        end, complaint = self._judge(ended, versions)
        if end not in (RIGHT, WRONG, HANG) and before - kept_blocks(folder, first):
            complaint = complaint or "bytes that were kept are lost"
        if len(server.requests) - requests > _MOST_REQUESTS:
            complaint = complaint or "asks without end"
        self.has_refused_bytes = self.has_refused_bytes or end == DIGEST
        if complaint:
            self.complaints.append(complaint)
        counts = len(server.requests) - requests, server.connections - connections, server.sent - sent
        return Outcome(end, *counts, server.bites, complaint)

    def _judge(self, ended: Ended | None, versions: list[Version]) -> tuple[str, str]:
        if ended is None:
            return HANG, "does not end"
        if ended.error is None:
            return self._judge_file(versions)
        return type(ended.error).__name__, self._judge_error(ended.error)

    def _judge_file(self, versions: list[Version]) -> tuple[str, str]:
        path = self.folder / NAME
        if not path.is_file():
            return WRONG, "no error and no file"
        came = hashlib.sha256(path.read_bytes()).digest()
        if came not in [hashlib.sha256(version.content).digest() for version in versions]:
            return WRONG, "no error and another file than the server has had"
        left = sorted(each.name for each in self.folder.iterdir() if each != path)
        if self.has_refused_bytes:
            left = [name for name in left if not _SET_ASIDE.fullmatch(name)]
        return RIGHT, f"leaves {left}" if left else ""

    def _judge_error(self, error: BaseException) -> str:
        name = type(error).__name__
        if name not in _EXIT_CODES:
            return f"an error that is none of ours: {error!r}"
        if getattr(error, "exit_code", None) != _EXIT_CODES[name]:
            return f"the exit code of {name} is {getattr(error, 'exit_code', None)}"
        if (self.folder / NAME).exists():
            return "an error, and yet a file under the final name"
        if self.scenario in RESUMED and self.server.versions[0].content and not getattr(error, "kept", ""):
            return "the error does not say what is kept"
        return ""


def one_trial(fault: Fault, scenario: str, get: Get, patience: float = 1) -> Result:
    """Runs it in a temporary folder."""
    with tempfile.TemporaryDirectory() as folder:
        return Trial(fault, scenario, Path(folder), get, patience).run()


class Trials:
    """Many trials at a time, since most of their time is waiting; each result is asked for by its own test."""

    def __init__(self, wanted: list[tuple[Fault, str]], get: Get, workers: int = 16) -> None:
        self._get = get
        self._pool = ThreadPoolExecutor(workers)
        self._results: dict[tuple[str, str], Future[Result]] = {
            (fault.name, scenario): self._pool.submit(one_trial, fault, scenario, get) for fault, scenario in wanted
        }

    def result(self, fault: Fault, scenario: str) -> Result:
        """Waits for it.

        A run that gave up may have done so because the machine was busy, and a server seemed to stall. It is tried
        again with more patience; a wrong file, or an end that should have been an error, is not.
        """
        result = self._results[fault.name, scenario].result()
        for patience in _MORE_PATIENCE:
            if not result.complaints or result.outcome.end not in (NETWORK, HANG):
                break
            result = one_trial(fault, scenario, self._get, patience)
        return result

    def close(self) -> None:
        """Waits for those under way; the others do not begin."""
        self._pool.shutdown(cancel_futures=True)


@contextlib.contextmanager
def trials(wanted: list[tuple[Fault, str]], get: Get) -> Iterator[Trials]:
    """`Trials` that are closed at the end."""
    running = Trials(wanted, get)
    try:
        yield running
    finally:
        running.close()
