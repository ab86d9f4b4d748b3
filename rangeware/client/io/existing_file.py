"""A file that has the final name already: the download is done if it is complete, and it is never replaced unasked.

Driven by ``api``, before the download or when the server has told the name. Usually one request for one byte tells.
"""

from __future__ import annotations

import contextlib
import os
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from ..digests import Digest, declared_digest
from ..errors import DiskError
from ..filenames import file_name
from ..options import DownloadOptions
from ..planning.existing import DECODED, Comparison, LocalFile, Verdict, compare, samples
from ..planning.response_head import ResponseHead
from ..planning.trust import proves
from ..progress import Download
from .filesystem import NOFOLLOW, OPEN_TO_READ, digest_of, disk_errors, read_at
from .questions import Answer, Questions

_CONTINUE = "use --continue-from to go on with it"
_FORCE = "use --force to replace it"


class ExistingFiles:
    """Looks at files that have the final name already.

    :param url: the URL asked for, without what is secret in it.
    :param warn: called with text that a person should read.
    """

    def __init__(
        self, url: str, options: DownloadOptions, questions: Questions, warn: Callable[[str], object]
    ) -> None:
        self._url = url
        self._options = options
        self._digest = options.digest
        self._questions = questions
        self._warn = warn
        self._started = time.monotonic()

    def look_by_url(self, directory: Path) -> Download | None:
        """Look at the file that has the name in the URL, before the server tells the name.

        Returns the end of the download if that is the file, and it is complete.

        :raises DiskError: if it is the file, and must not be replaced.
        """
        final = directory / file_name(None, self._url)
        if self._options.force or not _is_file(final):
            return None
        if self._options.skip_existing:
            return self._done(final)
        if self._digest is not None:
            is_same = self._compare_digest(final, self._digest).verdict is Verdict.SAME
            return self._done(final) if is_same else None
        answer = self._questions.which_file(self._url)
        if file_name(answer.head.fields.get("content-disposition"), answer.address) != final.name:
            return None
        return self._judge(final, answer)

    def look_at(self, final: Path) -> Download | None:
        """Look at a file that has the final name. Returns the end of the download if it is complete.

        None to replace it.

        :raises DiskError: if it must not be replaced.
        """
        if self._options.skip_existing:
            return self._done(final)
        return self._judge(final, None)

    def _judge(self, final: Path, answer: Answer | None) -> Download | None:
        is_partial = os.path.lexists(f"{final}.aria2")
        if self._digest is not None:
            comparison = self._compare_digest(final, self._digest)
        else:
            answer = answer or self._questions.which_file(self._url)
            comparison = self._compare(final, answer, is_partial)
        if comparison.verdict is Verdict.SAME:
            return self._done(final, answer)
        if is_partial:
            raise DiskError(f"{final} is a partial file of aria2, as {final.name}.aria2 shows ({_CONTINUE}; {_FORCE})")
        if self._options.if_newer:
            return None
        if comparison.verdict is Verdict.DIFFERS:
            hint = f"{_CONTINUE}; {_FORCE}" if answer is not None and _is_shorter(final, answer) else _FORCE
            raise DiskError(f"{final} already exists and differs: {comparison.reason} ({hint})")
        raise DiskError(f"{final} already exists, and may be another file: {comparison.reason} ({_FORCE})")

    def _compare(self, final: Path, answer: Answer, is_partial: bool) -> Comparison:
        """Compare a file with what the server says.

        :param is_partial: True if aria2 has not completed it: it may have its full length and holes.
        """
        with disk_errors(final):
            found = os.stat(final)
        local = LocalFile(found.st_size, found.st_mtime)
        if_newer = self._options.if_newer and not is_partial
        length = answer.version.complete_length
        is_decoded = bool(self._options.decode and answer.head.codings and length is None)
        comparison = compare(local, answer.head, length, if_newer=if_newer, is_decoded=is_decoded)
        declared = declared_digest(answer.head.fields)
        if declared is not None and not is_decoded and length in (None, local.length):
            return self._compare_digest(final, declared)
        if is_decoded and comparison.verdict is Verdict.SAME:
            self._warn(f"{final.name} was compared by its time only, since {DECODED}")
        if not is_partial and comparison.verdict is Verdict.UNKNOWN and local.length == length:
            return self._compare_samples(final, local.length, answer, comparison)
        return comparison

    def _compare_digest(self, final: Path, digest: Digest) -> Comparison:
        with disk_errors(final), _opened(final) as file:
            found = digest_of(file, digest.algorithm, self._questions.check)
        if found == digest.value:
            return Comparison(Verdict.SAME)
        reason = f"its {digest.algorithm} is {found.hex()} instead of {digest.value.hex()}"
        return Comparison(Verdict.DIFFERS, reason)

    def _compare_samples(self, final: Path, length: int, answer: Answer, comparison: Comparison) -> Comparison:
        parts = samples(length)
        is_told = not length
        for part in parts if length else ():
            theirs = self._questions.bytes_in(answer, part)
            if theirs is None:
                return comparison
            with disk_errors(final), _opened(final) as file:
                ours = read_at(file, part.length, part.first_pos)
            if ours != theirs:
                return Comparison(Verdict.DIFFERS, f"bytes {part.first_pos} to {part.last_pos} are not the same")
            is_told = is_told or proves(ours) or part.length == length
        if not is_told:
            return comparison
        if len(parts) > 1:
            self._warn(f"{comparison.reason}; {final.name} was compared in {len(parts)} places only")
        return Comparison(Verdict.SAME)

    def _done(self, final: Path, answer: Answer | None = None) -> Download:
        with disk_errors(final):
            length = os.stat(final).st_size
        version = ResponseHead(200, {}).version() if answer is None else answer.version
        checked = None if self._options.skip_existing else self._digest
        return Download(
            final, self._url, self._url if answer is None else answer.address, length,
            None if version.etag is None else str(version.etag), version.last_modified,
            checked.value.hex() if checked is not None and checked.algorithm == "sha256" else None,
            0, 0, 0, time.monotonic() - self._started, None if checked is None else str(checked), already_complete=True)


def _is_shorter(path: Path, answer: Answer) -> bool:
    """True if a file may be the beginning of the one at the server, as curl and wget leave it."""
    with contextlib.suppress(OSError):
        return 0 < os.stat(path).st_size < (answer.version.complete_length or 0)
    return False


def _is_file(path: Path) -> bool:
    """True if the path is that of a regular file, and not of a link to one."""
    with contextlib.suppress(OSError, ValueError):
        return stat.S_ISREG(os.lstat(path).st_mode)
    return False


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[int]:
    descriptor = os.open(path, OPEN_TO_READ | NOFOLLOW)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
