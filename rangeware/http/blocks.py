"""Look through text of any length without copying more than a block of it at once.

The parsers of ``http`` need it for fields that are far longer than any real one: a client may send a million characters
to make a server work.
"""

from __future__ import annotations

BLOCK = 16384  # characters that are copied at once

_OWS = " \t"  # RFC 9110 5.6.3


def consists_of(characters: bytes, value: str, pos: int, end: int) -> bool:
    """True if there are no other characters than these between ``pos`` and ``end``."""
    starts = range(pos, end, BLOCK)
    try:  # no other way to look at each character is nearly as fast
        return not any(value[at:min(at + BLOCK, end)].encode("latin-1").translate(None, characters) for at in starts)
    except UnicodeEncodeError:
        return False


def trimmed(value: str, most: int) -> str:
    """The text without the blanks around it; empty if it is longer than ``most`` characters."""
    pos, end = 0, len(value)
    while end - pos >= BLOCK and consists_of(b" \t", value, pos, pos + BLOCK):
        pos += BLOCK
    while end - pos >= BLOCK and consists_of(b" \t", value, end - BLOCK, end):
        end -= BLOCK
    text = value[pos:end].strip(_OWS) if end - pos <= 2 * BLOCK + most else ""
    return text if len(text) <= most else ""
