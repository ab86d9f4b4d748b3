"""``rangeware uploads clean DIR``: remove what expired uploads have left in the folder of a ``FileStorage``."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Sequence

from .cleaning import clean
from .file_storage import FileStorage

_AGE = re.compile(r"([0-9]{1,9})([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_ABOUT = """\
Remove unfinished uploads that nothing has been written to for some time, and
count the quotas again. Finished files, and uploads that are being written,
are left alone. It can run at any time, beside the web app."""


def main(argv: Sequence[str]) -> int:
    """Run ``rangeware uploads ...`` and return the exit code: 0, 1 for wrong use, 5 if the folder cannot be read.

    :param argv: the words after ``uploads``.
    """
    try:
        given = _parser().parse_args(argv)
    except SystemExit as exc:
        return 1 if exc.code else 0
    if not os.path.isdir(given.directory):
        print(f"rangeware: not a folder: {given.directory}", file=sys.stderr)
        return 5
    try:
        count = clean(FileStorage(given.directory), given.older_than, forget=False)
    except OSError as exc:
        print(f"rangeware: {exc.strerror}: {exc.filename}", file=sys.stderr)
        return 5
    print(f"removed {count} unfinished upload{'' if count == 1 else 's'}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("rangeware uploads", allow_abbrev=False)
    clean_up = parser.add_subparsers(required=True, metavar="clean").add_parser(
        "clean", help="remove expired uploads", description=_ABOUT, allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    clean_up.add_argument("directory", metavar="DIR", help="the folder of the FileStorage")
    clean_up.add_argument("--older-than", type=_age, default=86400, metavar="AGE",
                          help="since the last write: 90s, 30m, 24h, 7d (24h)")
    return parser


def _age(text: str) -> int:
    match = _AGE.fullmatch(text)
    if match is None:
        raise argparse.ArgumentTypeError(f"must be an age such as 90s, 30m, 24h or 7d, not {text!r}")
    return int(match[1]) * _SECONDS[match[2]]
