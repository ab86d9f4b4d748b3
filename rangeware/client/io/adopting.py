"""Adopt the partial file of another program: compare some of its bytes with the server, then copy it.

A wrong file is an error before anything is written; the file itself stays as it is until the download is complete.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from ..digests import Digest, declared_digest
from ..errors import DiskError
from ..filenames import file_name
from ..planning.adoption import places
from ..planning.rangeset import RangeSet
from ..planning.state import SavedState
from ..planning.trust import proves
from .filesystem import disk_errors
from .journal_file import read_state
from .output import find_final, is_of_url
from .part_names import PART, beside
from .partial_source import PartialSource
from .questions import Answer, Questions


class Adopted(NamedTuple):
    """A partial file that fits the file at the server.

    :param source: the file.
    :param final: the name of the complete file.
    :param state: the state of a part file that has its bytes.
    :param check: called now and then while it is copied; it raises to end that.
    """

    source: PartialSource
    final: Path
    state: SavedState
    check: Callable[[], object]

    def blocks(self) -> Iterator[tuple[int, memoryview]]:
        """Yield all bytes that are in the file, in blocks with their positions."""
        for pos, block in self.source.blocks():
            self.check()
            yield pos, block


def begun(path: Path | None, directory: Path, urls: Sequence[str]) -> Path | None:
    """The final name of which there is a part file of one of these URLs already: it is resumed, and nothing adopted."""
    if path is None:
        return find_final(directory, urls)
    with disk_errors(path):
        state = read_state(beside(path, PART))
    return path if state is not None and any(is_of_url(state, url) for url in urls) else None


def adopt(
    source: PartialSource, url: str, path: Path | None, directory: Path, questions: Questions, digest: Digest | None
) -> Adopted:
    """Compare a partial file with the file at the server.

    :param path: the name of the complete file; None for one by the server, in ``directory``.
    :param digest: the expected digest of the complete file; None if the caller knows none.
    :raises DiskError: if the file is none of its parts, or nobody can tell.
    """
    answer = questions.which_file(url)
    digest = digest or declared_digest(answer.head.fields)
    length = answer.version.complete_length
    if answer.head.status != 206 or length is None:
        raise DiskError(f"cannot continue from {source.path}: the server does not send parts of the file")
    if source.finished and source.finished[-1].last_pos >= length:
        raise DiskError(f"cannot continue from {source.path}: the file at the server has {length:,} bytes only")
    _compare(source, answer, questions, has_digest=digest is not None)
    final = path or directory / file_name(answer.head.fields.get("content-disposition"), answer.address)
    state = SavedState(url, answer.address, answer.version, tuple(source.finished), (), digest)
    return Adopted(source, final, state, questions.check)


def _compare(source: PartialSource, answer: Answer, questions: Questions, *, has_digest: bool) -> None:
    compared = places(source.finished, has_digest=has_digest)
    is_told = has_digest or RangeSet(compared).length == RangeSet(source.finished).length
    for place in compared:
        ours, theirs = source.read(place), questions.bytes_in(answer, place)
        if theirs is None:
            raise DiskError(f"cannot continue from {source.path}: the server does not send parts of the file")
        if ours != theirs:
            raise DiskError(f"cannot continue from {source.path}: bytes {place.first_pos} to {place.last_pos} are not "
                            "those of the file at the server")
        is_told = is_told or proves(ours)
    if not is_told:
        raise DiskError(f"cannot continue from {source.path}: all bytes that were compared are alike, which proves "
                        "nothing; a digest would")
