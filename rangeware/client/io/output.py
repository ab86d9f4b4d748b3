"""The files of one download: the final name, its part file, and a second part file if the download starts again.

``NAME.part`` stays until ``NAME.part.new`` is complete: what is there already may be all that the server ever gives.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from ..errors import DiskError
from ..planning.response_head import FileVersion
from ..planning.state import SavedState
from .filesystem import disk_errors, refuse_irregular
from .journal_file import read_state
from .part_file import PartFile
from .part_names import NEW, PART, all_names, beside, check_length, final_of, journal_of, temporary_whole_of


class FileExists(DiskError):
    """There is a file of the final name already. ``final``: its path."""

    def __init__(self, final: Path) -> None:
        super().__init__(f"{final} already exists (use --force to replace it)")
        self.final = final


class Output:
    """The files of one download.

    :param final: the name of the complete file.
    :param notify: called with text that a person should read.
    :param warn: called once for each thing that makes this download less safe than others.
    :param force: True replaces an existing file.
    :raises FileExists: if the file exists, unless ``force`` is True.
    :raises DiskError: if another run downloads it; or if one of the names
        stands for something else than a regular file.
    """

    def __init__(
        self, final: Path, notify: Callable[[str], object], warn: Callable[[str], object], *, force: bool
    ) -> None:
        self.final = final
        self._force = force
        self._notify = notify
        self._tell_warning = warn
        self._warnings: set[str] = set()
        self._has_adopted = False
        with disk_errors(final):
            if final.is_dir():
                raise DiskError(f"{final}: is a directory")
            check_length(final)
            self._part, self._new = beside(final, PART), beside(final, NEW)
            for path in (final, *all_names(self._part), *all_names(self._new)):
                refuse_irregular(path)
            self._refuse_existing(self._part)
            final.parent.mkdir(parents=True, exist_ok=True)
        self._opened = [PartFile(self._part, self._warn)]
        try:
            self._check_names()
        except BaseException:
            self.current.close()
            raise

    def _warn(self, text: str) -> None:
        if text not in self._warnings:
            self._warnings.add(text)
            self._tell_warning(text)

    def _refuse_existing(self, part: Path) -> None:
        """Raise if the final name is taken, unless it is a second name of the part file."""
        is_same = part.exists() and self.final.exists() and os.path.samefile(part, self.final)
        if os.path.lexists(self.final) and not self._force and not is_same:
            raise FileExists(self.final)

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

    def left_by_earlier_run(self, urls: Sequence[str]) -> SavedState | None:
        """Return what an earlier run for one of these URLs has left; set aside what cannot be resumed."""
        self._prefer_longer()
        state = self.current.state
        if self.current.is_unusable or (state is not None and not any(is_of_url(state, url) for url in urls)):
            self._set_aside("cannot resume the partial file")
        return self.current.state

    def _set_aside(self, why: str) -> None:
        self._notify(f"{why}; it is kept as {self.current.set_aside().name}")

    def _prefer_longer(self) -> None:
        """Take the second part file if it has more bytes of the same version.

        That happens if the server did not support ranges for a while.
        """
        ours, left = self.current.state, read_state(self._new)
        if ours is None or left is None or _length(left) <= _length(ours):
            return
        if _is_of_version(left, ours.url, ours.version):
            self.current.take_over(self._new)

    def adopt(self, state: SavedState, blocks: Iterable[tuple[int, memoryview]]) -> SavedState:
        """Begin the part file with bytes from elsewhere.

        :param blocks: all bytes that ``state`` names, with their positions.
        """
        self.current.begin(state._replace(finished=()))
        for pos, block in blocks:
            self.current.write(pos, block)
        return state

    def begin(self, state: SavedState, *, again: bool) -> SavedState | None:
        """Write into an empty part file from now on; or resume one of this very version, and return its state.

        :param again: True if there is a part file that must stay until the new one is complete.
        """
        if not again:
            self.current.begin(state)
            return None
        if len(self._opened) == 1:
            self._opened.append(PartFile(self._new, self._warn))
        left = self.current.state
        if left is not None and not self._has_adopted and _is_of_version(left, state.url, state.version):
            self._has_adopted = True
            return left
        self._has_adopted = True
        self.current.begin(state)
        return None

    def pass_on(self) -> bool:
        """Nothing is passed on before the file is complete."""
        return False

    def finish(self, complete_length: int, modified: float | None) -> None:
        """Give the complete file its final name, and remove all others."""
        self.current.publish(self.final, complete_length, modified, force=self._force)
        if read_state(self._new) is not None:  # an earlier run has left it; any other file is not ours
            for path in (journal_of(self._new), self._new):
                with contextlib.suppress(OSError):
                    path.unlink()
        for part_file in reversed(self._opened):
            part_file.discard()

    def describe_kept(self, length: int, complete_length: int | None) -> str:
        """Describe what is kept for a later run, and where; "" if nothing is.

        :param length: bytes in the current part file.
        """
        path, left = self.current.path, read_state(self._opened[0].path)
        with contextlib.suppress(OSError):
            length = length if self.current.is_intact else 0
        if not length and left is not None:
            path, length, complete_length = self._opened[0].path, _length(left), left.version.complete_length
        of_all = "" if complete_length is None else f" of {complete_length:,}"
        return f"{length:,}{of_all} bytes kept in {path}" if length else ""

    def close(self) -> None:
        """Close all part files."""
        for part_file in self._opened:
            part_file.close()


def _length(state: SavedState) -> int:
    return sum(part.length for part in state.finished)


def is_of_url(state: SavedState, url: str) -> bool:
    """True if a part file belongs to this URL.

    Under another query (a new signature, perhaps), only a strong entity tag can tell, and later the overlap.
    """
    tag = state.version.etag
    is_strong = tag is not None and not tag.weak
    return state.url == url or (is_strong and state.url.partition("?")[0] == url.partition("?")[0])


def _is_of_version(left: SavedState, url: str, version: FileVersion) -> bool:
    return is_of_url(left, url) and left.version.is_vouched_for_by(version) and not left.version.difference(version)


def find_final(directory: Path, urls: Sequence[str]) -> Path | None:
    """The final name that belongs to a part file of one of these URLs in a folder; None if there is none."""
    for journal in sorted(directory.glob(f"*{PART}.json")):
        state, final = read_state(journal.with_suffix("")), final_of(journal)
        if state is not None and state.url in urls and final is not None:
            return final
    return None
