"""The command ``rangeware``: ``get``, ``put`` and ``check`` are for clients, ``uploads`` is for the server."""

from __future__ import annotations

import sys
from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line and return the exit code.

    :param argv: without the program's name; None for the command line of this process.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    if words[:1] == ["uploads"]:
        from .uploads import command as uploads

        return uploads.main(words[1:])
    if words[:1] == ["check"]:
        from .check.cli import command as check

        return check.main(words[1:])
    from .client.cli import command as client

    return client.main(words)


if __name__ == "__main__":
    sys.exit(main())
