"""Where the bytes of one download go: the final name, the partial file, and the one that takes its place."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path

from .errors import DiskError
from .heads import Identity
from .journal import State
from .partial import Partial, disk, journal_of, read_state, whole_of

_SUFFIX = ".part"


class Files:
    """The files of one download.

    :param final: the name that the whole file gets.
    :param say: told what a person should know.
    :raises DiskError: if there is such a file already, but for ``force``, or another run is at it.
    """

    def __init__(self, final: Path, say: Callable[[str], object], *, force: bool) -> None:
        self.final = final
        self._force = force
        self._say = say
        self._adopted = False
        with disk(final):
            if final.is_dir():
                raise DiskError(f"{final}: is a directory")
            self._refuse_existing(_beside(final, _SUFFIX))
            final.parent.mkdir(parents=True, exist_ok=True)
        self._opened = [Partial(_beside(final, _SUFFIX))]
        try:
            self._settle_names()
        except BaseException:
            self.current.close()
            raise

    def _refuse_existing(self, part: Path) -> None:
        """Where there is such a file already; not if it is ``part`` by another name."""
        same = part.exists() and self.final.exists() and os.path.samefile(part, self.final)
        if os.path.lexists(self.final) and not self._force and not same:
            raise DiskError(f"{self.final}: there is such a file already")

    def _settle_names(self) -> None:
        """Now that no other run is at it: one may have ended meanwhile, or have been killed at its very end.

        A file that has both names is whole, since only such a one gets the final name.
        """
        with disk(self.final):
            with contextlib.suppress(OSError):
                whole_of(self.current.path).unlink()
            if self.current.is_file(self.final):
                self.current.discard()
                self.current.reopen()
            self._refuse_existing(self.current.path)
        if self.current.named_elsewhere:
            self._set_aside("has another name")

    @property
    def current(self) -> Partial:
        """The one that is being written."""
        return self._opened[-1]

    def left_by(self, url: str) -> State | None:
        """What an earlier run for this address has left; what cannot be gone on with is set aside."""
        self._prefer_the_better()
        state = self.current.state
        if self.current.strange or (state is not None and not _same_file(state, url)):
            self._set_aside("cannot be gone on with")
        return self.current.state

    def _set_aside(self, why: str) -> None:
        self._say(f"the partial file {why}; it is kept as {self.current.set_aside().name}")

    def _prefer_the_better(self) -> None:
        """A server that gave no ranges for a while may have left more of the same version in the other file."""
        other = _beside(self.final, f"{_SUFFIX}.new")
        ours, left = self.current.state, read_state(other)
        if ours is None or left is None or _length(left) <= _length(ours):
            return
        if _same_version(left, ours.url, ours.identity):
            self.current.take_over(other)

    def begin(self, state: State, *, anew: bool) -> State | None:
        """Write into an empty partial file from now on; or go on with one, if there is one of this very version.

        :param anew: whether there is a partial file that must stay until the whole is there.
        """
        if not anew:
            self.current.begin(state)
            return None
        if len(self._opened) == 1:
            self._opened.append(Partial(_beside(self.final, f"{_SUFFIX}.new")))
        left = self.current.state
        if left is not None and not self._adopted and _same_version(left, state.url, state.identity):
            self._adopted = True
            return left
        self._adopted = True
        self.current.begin(state)
        return None

    def finish(self, complete_length: int, modified: float | None) -> None:
        """The whole is there: give it its final name, and take all others away."""
        self.current.publish(self.final, complete_length, modified, force=self._force)
        other = _beside(self.final, f"{_SUFFIX}.new")
        for path in (journal_of(other), other):  # perhaps of an earlier run
            with contextlib.suppress(OSError):
                path.unlink()
        for partial in reversed(self._opened):
            partial.discard()

    def kept(self, length: int, complete_length: int | None) -> str:
        """How much there is for a later run, and where; "" if there is nothing.

        :param length: bytes in the current partial file.
        """
        path, left = self.current.path, read_state(self._opened[0].path)
        if not length and left is not None:
            path, length, complete_length = self._opened[0].path, _length(left), left.identity.complete_length
        of_all = "" if complete_length is None else f" of {complete_length:,}"
        return f"{length:,}{of_all} bytes are kept in {path}" if length else ""

    def close(self) -> None:
        """Let go of all."""
        for partial in self._opened:
            partial.close()


def _beside(final: Path, suffix: str) -> Path:
    return final.with_name(final.name + suffix)


def _length(state: State) -> int:
    return sum(part.length for part in state.finished)


def _same_file(state: State, url: str) -> bool:
    """Whether a partial file of ``state.url`` is one of ``url``.

    Under another query (a new signature, perhaps) only a strong entity tag can tell, and the overlap.
    """
    tag = state.identity.etag
    strong = tag is not None and not tag.weak
    return state.url == url or (strong and state.url.partition("?")[0] == url.partition("?")[0])


def _same_version(left: State, url: str, identity: Identity) -> bool:
    return _same_file(left, url) and left.identity.vouched_by(identity) and not left.identity.difference(identity)


def find_final(directory: Path, url: str) -> Path | None:
    """The final name of a partial file of this address; None if there is none."""
    for journal in sorted(directory.glob(f"*{_SUFFIX}.json")):
        part = journal.with_suffix("")
        state = read_state(part)
        if state is not None and state.url == url:
            return part.with_suffix("")
    return None
