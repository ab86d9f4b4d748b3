"""The files of one download: the final name, its part file, and a second part file if the download starts again.

``NAME.part`` stays until ``NAME.part.new`` is complete: what is there already may be all that the server ever gives.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path

from ..errors import DiskError
from ..planning.response_head import FileVersion
from ..planning.state import SavedState
from .part_file import PartFile, disk_errors, journal_of, read_state, temporary_whole_of

_SUFFIX = ".part"


class Output:
    """The files of one download.

    :param final: the name of the complete file.
    :param notify: called with text that a person should read.
    :param force: True replaces an existing file.
    :raises DiskError: if the file exists, unless ``force`` is True, or if another run downloads it.
    """

    def __init__(self, final: Path, notify: Callable[[str], object], *, force: bool) -> None:
        self.final = final
        self._force = force
        self._notify = notify
        self._has_adopted = False
        with disk_errors(final):
            if final.is_dir():
                raise DiskError(f"{final}: is a directory")
            self._refuse_existing(_beside(final, _SUFFIX))
            final.parent.mkdir(parents=True, exist_ok=True)
        self._opened = [PartFile(_beside(final, _SUFFIX))]
        try:
            self._check_names()
        except BaseException:
            self.current.close()
            raise

    def _refuse_existing(self, part: Path) -> None:
        """Raise if the final name is taken, unless it is a second name of the part file."""
        is_same = part.exists() and self.final.exists() and os.path.samefile(part, self.final)
        if os.path.lexists(self.final) and not self._force and not is_same:
            raise DiskError(f"{self.final} already exists (use --force to replace it)")

    def _check_names(self) -> None:
        """Look at the names again under the lock: another run may have ended, or been killed in its last step.

        A file that has both names is complete, since only a complete one gets the final name.
        """
        with disk_errors(self.final):
            with contextlib.suppress(OSError):
                temporary_whole_of(self.current.path).unlink()
            if self.current.is_same_file(self.final):
                self.current.discard()
                self.current.reopen()
            self._refuse_existing(self.current.path)
        if self.current.has_hard_link:
            self._set_aside("the partial file has a second name")

    @property
    def current(self) -> PartFile:
        """The part file that is being written."""
        return self._opened[-1]

    def left_by_earlier_run(self, url: str) -> SavedState | None:
        """Return what an earlier run for this URL has left. A part file that cannot be resumed is set aside."""
        self._prefer_longer()
        state = self.current.state
        if self.current.is_unusable or (state is not None and not _is_of_url(state, url)):
            self._set_aside("cannot resume the partial file")
        return self.current.state

    def _set_aside(self, why: str) -> None:
        self._notify(f"{why}; it is kept as {self.current.set_aside().name}")

    def _prefer_longer(self) -> None:
        """Take the second part file if it has more bytes of the same version.

        That happens if the server did not support ranges for a while.
        """
        other = _beside(self.final, f"{_SUFFIX}.new")
        ours, left = self.current.state, read_state(other)
        if ours is None or left is None or _length(left) <= _length(ours):
            return
        if _is_of_version(left, ours.url, ours.version):
            self.current.take_over(other)

    def begin(self, state: SavedState, *, again: bool) -> SavedState | None:
        """Write into an empty part file from now on; or resume one of this very version, and return its state.

        :param again: True if there is a part file that must stay until the new one is complete.
        """
        if not again:
            self.current.begin(state)
            return None
        if len(self._opened) == 1:
            self._opened.append(PartFile(_beside(self.final, f"{_SUFFIX}.new")))
        left = self.current.state
        if left is not None and not self._has_adopted and _is_of_version(left, state.url, state.version):
            self._has_adopted = True
            return left
        self._has_adopted = True
        self.current.begin(state)
        return None

    def finish(self, complete_length: int, modified: float | None) -> None:
        """Give the complete file its final name, and remove all others."""
        self.current.publish(self.final, complete_length, modified, force=self._force)
        other = _beside(self.final, f"{_SUFFIX}.new")
        for path in (journal_of(other), other):  # an earlier run may have left them
            with contextlib.suppress(OSError):
                path.unlink()
        for part_file in reversed(self._opened):
            part_file.discard()

    def describe_kept(self, length: int, complete_length: int | None) -> str:
        """Describe what is kept for a later run, and where; "" if nothing is.

        :param length: bytes in the current part file.
        """
        path, left = self.current.path, read_state(self._opened[0].path)
        if not length and left is not None:
            path, length, complete_length = self._opened[0].path, _length(left), left.version.complete_length
        of_all = "" if complete_length is None else f" of {complete_length:,}"
        return f"{length:,}{of_all} bytes kept in {path}" if length else ""

    def close(self) -> None:
        """Close all part files."""
        for part_file in self._opened:
            part_file.close()


def _beside(final: Path, suffix: str) -> Path:
    return final.with_name(final.name + suffix)


def _length(state: SavedState) -> int:
    return sum(part.length for part in state.finished)


def _is_of_url(state: SavedState, url: str) -> bool:
    """True if a part file belongs to this URL.

    Under another query (a new signature, perhaps), only a strong entity tag can tell, and later the overlap.
    """
    tag = state.version.etag
    is_strong = tag is not None and not tag.weak
    return state.url == url or (is_strong and state.url.partition("?")[0] == url.partition("?")[0])


def _is_of_version(left: SavedState, url: str, version: FileVersion) -> bool:
    return _is_of_url(left, url) and left.version.is_vouched_for_by(version) and not left.version.difference(version)


def find_final(directory: Path, url: str) -> Path | None:
    """The final name that belongs to a part file of this URL in a folder; None if there is none."""
    for journal in sorted(directory.glob(f"*{_SUFFIX}.json")):
        part = journal.with_suffix("")
        state = read_state(part)
        if state is not None and state.url == url:
            return part.with_suffix("")
    return None
