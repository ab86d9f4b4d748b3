"""Accept-Encoding: whether content may come in a coding, such as gzip (RFC 9110 12.5.3)."""

from __future__ import annotations

import re

_NO_OTHER = re.compile(r"[ \t]*\*[ \t]*;[ \t]*q=0(?:\.0{0,3})?[ \t]*", re.IGNORECASE)


def mentions_coding(value: str) -> bool:
    """True if an Accept-Encoding field names a content coding besides ``identity``, whatever weight it gives it.

    Compressors that look for the name only would code also for a client that refuses it with ``gzip;q=0``.

    >>> mentions_coding("gzip, deflate, br"), mentions_coding("identity;q=1, *;q=0")
    (True, False)
    """
    return any(
        member.partition(";")[0].strip(" \t").lower() not in ("", "identity") and not _NO_OTHER.fullmatch(member)
        for member in value.split(",")
    )
