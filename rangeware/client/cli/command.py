"""``main``, the entry point of the command ``rangeware``: arguments in, exit code out.

It makes tasks of the URLs, or of the file to upload, has ``Jobs`` carry them out, and turns errors into exit codes.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ..errors import TransferError
from ..progress import Progress
from .arguments import parse
from .checksums import find_checksums
from .display import Display, choose_display
from .interrupts import INTERRUPTED, TERMINATED
from .jobs import USAGE_ERROR, Jobs, Run, Task
from .output import print_line
from .parsing import Arguments, NothingToDo, UsageError
from .resume import describe_resume

if TYPE_CHECKING:
    from ..io.shared import Shared

_MOST_TO_ONE_HOST = 8  # connections, if several files come from it at once


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line and return the exit code.

    No exception is raised for anything that users, servers or disks do: each error is a line on standard error.

    :param argv: without the program's name; None for the command line of this process.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        return _transfer(words, parse(words))
    except NothingToDo as exc:
        return exc.exit_code
    except UsageError as exc:
        print_line(f"rangeware: {exc} (see: rangeware {'put' if words[:1] == ['put'] else 'get'} --help)")
        return USAGE_ERROR
    except ModuleNotFoundError as exc:
        print_line(f"rangeware: {exc.name} is missing: pip install 'rangeware[cli]'")
        return USAGE_ERROR
    except KeyboardInterrupt:  # before the transfers, or for the second time
        print_line("rangeware: interrupted")
        return INTERRUPTED


def _transfer(words: list[str], arguments: Arguments) -> int:
    """Carry out a command line."""
    if arguments.options.get("insecure") and (arguments.quiet or arguments.as_json):  # other displays show the event
        print_line("rangeware: warning: certificates are not checked: anybody on the way can change the files")
    try:
        checksums = find_checksums(arguments)
    except TransferError as exc:
        print_line(f"rangeware: --checksums {arguments.checksums}: {exc}")
        return exc.exit_code
    displays = choose_display(arguments.as_json, arguments.quiet, arguments.urls)
    with _Transfers(arguments, checksums) as transfers:
        jobs = Jobs([Task(display, transfers.begin_with(display)) for display in displays], arguments.jobs)
        exit_code = jobs.run()
    if exit_code in (INTERRUPTED, TERMINATED):
        finished = {display.url for display in jobs.finished}
        for line in describe_resume(_program(), words, arguments, finished):
            print_line(line)
    return exit_code


class _Transfers:
    """Makes the transfers of a command line, and what they share."""

    def __init__(self, arguments: Arguments, checksums: Mapping[str, str]) -> None:
        self._arguments = arguments
        self._checksums = checksums
        self._shared: Shared | None = None
        self._hosts = Counter(map(_host, arguments.urls))

    def __enter__(self) -> _Transfers:
        return self

    def __exit__(self, *_: object) -> None:
        if self._shared is not None:
            self._shared.close()

    def begin_with(self, display: Display) -> Callable[[Callable[[Progress], None], Callable[[str], None]], Run]:
        """Return a function that makes the transfer of a display, as ``Task`` needs it."""
        def begin(report: Callable[[Progress], None], trace: Callable[[str], None]) -> Run:
            arguments = self._arguments
            options = {**arguments.options, "progress": report, **({"trace": trace} if arguments.verbose else {})}
            return (self._put if arguments.command == "put" else self._get)(display.url, options)

        return begin

    def _put(self, url: str, options: dict[str, Any]) -> Run:
        from .. import upload_api

        return upload_api.prepare(self._arguments.path or "", url, **options)

    def _get(self, url: str, options: dict[str, Any]) -> Run:
        from .. import api
        from ..io.shared import Shared

        at_once = min(self._arguments.jobs, self._hosts[_host(url)])
        if at_once > 1:
            options["connections"] = max(1, min(options.get("connections", 4), _MOST_TO_ONE_HOST // at_once))
        if url in self._checksums:
            options["checksum"] = self._checksums[url]
        if self._shared is None and len(self._arguments.urls) > 1:
            self._shared = Shared()
        return api.prepare(url, self._arguments.path, self._shared, **options)


def _host(url: str) -> str:
    return urlsplit(url).netloc.rpartition("@")[2].lower()


def _program() -> list[str]:
    """The words that this program was called by."""
    called = sys.argv[0]
    if os.path.basename(called) == "__main__.py":
        return [_found_by_name(sys.executable), "-m", "rangeware"]
    return [_found_by_name(called)]


def _found_by_name(program: str) -> str:
    """The name of a program without its folder, if the shell finds it by that."""
    folder, name = os.path.split(program)
    found = shutil.which(name)
    # Folders are compared, not files: the python of an environment is a link to one that lacks its packages.
    if found is not None and os.path.realpath(os.path.dirname(found)) == os.path.realpath(folder):
        return name
    return program
