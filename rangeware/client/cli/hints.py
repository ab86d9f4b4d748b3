"""Options that help after an error, for a person. Pure."""

from __future__ import annotations

_HINTS = {  # a part of an error -> the option
    "the server sends no Content-Length": "--allow-unknown-length takes the end of the connection for its end",
    " is not trusted: ": "--cacert FILE names certificates to trust",
}


def hint_for(error: str) -> str:
    """The option that would help after this error, in brackets and after a space; "" if there is none.

    >>> hint_for("404 Not Found")
    ''
    """
    return next((f" ({hint})" for part, hint in _HINTS.items() if part in error), "")
