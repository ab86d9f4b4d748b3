"""What a download makes: its name, its files on disk, its digest, and what is told of it."""

from __future__ import annotations

import time
from pathlib import Path

from ..http.dates import EPOCH, parse_http_date
from .digests import Digest, declared
from .errors import DigestError
from .files import Files, find_final
from .heads import Head
from .journal import State
from .meter import Meter
from .names import file_name
from .partial import Partial, disk
from .planner import Planner
from .progress import Download, Progress
from .settings import Settings

_REPORT = 0.2  # seconds


class Target:
    """The files of one download, and what is known of them.

    :param digest: what the whole must have; None if the caller knows none.
    """

    def __init__(self, planner: Planner, settings: Settings, digest: Digest | None) -> None:
        self._planner = planner
        self._settings = settings
        self._asked = self._digest = digest
        self._meter = Meter()
        self._begun = time.monotonic()
        self._report_at = self._begun
        self._generation = 0
        self._files: Files | None = None
        self._noted = False
        self._directory = Path(settings.directory)
        self.kept = 0

    def begin(self, path: Path | None) -> None:
        """Take what an earlier run has left, where the name is known.

        :param path: the final name, or a directory; None for a name that the server gives.
        :raises DiskError: if the file cannot be written, or what is there must not be touched.
        """
        with disk(path or self._directory):
            if path is not None and path.is_dir():
                self._directory, path = path, None
            final = path or find_final(self._directory, self._planner.url)
        if final is not None:
            self._go_on_with(final)
        self.kept = self._planner.spans.length

    def _go_on_with(self, final: Path) -> None:
        """Open the files, and take what an earlier run has left."""
        self._files = Files(final, self._notice, force=self._settings.force)
        left = self._files.left_by(self._planner.url)
        if left is not None:
            self._adopt(left)

    def _adopt(self, left: State) -> None:
        self._planner.adopt(left)
        self._digest = self._asked or left.digest
        self.partial.engage(self.partial.prepare(self.state), (), ())
        self.partial.settle()
        self._generation = self._planner.generation
        self._noted = True

    @property
    def _current(self) -> bool:
        """Whether the partial file is that of what the planner has: not if it has to be begun again."""
        return self._generation == self._planner.generation

    @property
    def ready(self) -> bool:
        """Whether there is a partial file whose journal may say what the planner has."""
        return self._noted and self._current

    @property
    def partial(self) -> Partial:
        """The partial file that is being written."""
        assert self._files is not None, "no answer has been taken yet"
        return self._files.current

    @property
    def state(self) -> State:
        """What to keep for a later run."""
        return self._planner.state._replace(digest=self._digest)

    def open(self, head: Head) -> bool:
        """An answer is taken: have a partial file for its content. False if there is one to go on with instead."""
        known = self._digest if self._current else None  # the first one came with all bytes
        self._digest = self._asked or known or declared(head.fields)
        if self._files is None:
            name = file_name(head.fields.get("content-disposition"), self._planner.address)
            self._go_on_with(self._directory / name)
        if self.ready:
            return True
        left = self._files.begin(self.state, anew=self._planner.generation > 0) if self._files else None
        self._generation = self._planner.generation
        self._noted = True
        if left is not None:
            self._adopt(left)
        else:
            self._planner.notices.append(("began", ""))
        return left is None

    # telling

    def count(self, length: int) -> None:
        """So many bytes of content have come."""
        self._meter.count(length, time.monotonic())

    def report(self, *, last: bool = False) -> None:
        """Tell what has happened, and now and then how far it is; ``last``: at once."""
        while self._planner.notices:
            self._tell(*self._planner.notices.pop(0))
        if last or time.monotonic() >= self._report_at:
            self._report_at = time.monotonic() + _REPORT
            self._tell("progress", "")

    def _notice(self, text: str) -> None:
        self._planner.notices.append(("changed", text))

    def _tell(self, event: str, text: str) -> None:
        if self._settings.progress is not None:
            planner = self._planner
            self._settings.progress(Progress(
                event, "" if self._files is None else str(self._files.final), planner.spans.length,
                planner.complete_length, self._meter.received, self._meter.rate(time.monotonic()),
                tuple(segment.rest for segment in planner.segments if segment.last_pos is not None), text))

    # the end

    def finish(self) -> Download:
        """The whole is there: check it, and give it its name.

        :raises DigestError: if it is not what the digest was made of. It is set aside then.
        """
        assert self._files is not None, "no answer has been taken yet"
        planner, identity = self._planner, self._planner.state.identity
        self._check()
        date = parse_http_date(identity.last_modified or "", EPOCH.replace(year=2000))
        self._files.finish(planner.complete_length or 0, None if date is None else date.timestamp())
        self._noted = False
        self._tell("finished", "")
        asked = self._asked
        return Download(
            self._files.final, planner.url, planner.address, planner.complete_length or 0,
            None if identity.etag is None else str(identity.etag), identity.last_modified,
            asked.value.hex() if asked is not None else None,
            self._meter.received, self.kept, planner.generation, time.monotonic() - self._begun)

    def _check(self) -> None:
        if self._digest is None:
            return
        found = self.partial.digest(self._digest.algorithm)
        if found != self._digest.value:
            other = self.partial.set_aside()
            self._noted = False
            raise DigestError(
                f"{self._digest.algorithm} is {found.hex()} instead of {self._digest.value.hex()}",
                f"what came is kept as {other}")

    def close(self) -> None:
        """Let go of the files."""
        if self._files is not None:
            self._files.close()

    @property
    def kept_text(self) -> str:
        """How much is kept for a later run, and where; "" if nothing is."""
        if self._files is None:
            return ""
        return self._files.kept(self._planner.spans.length, self._planner.complete_length)
