"""Digests that the caller gives, of other algorithms than SHA-256."""

from __future__ import annotations

from tests.client.fault_server import Call, Reply
from tests.client.faulty.table import DIGEST, NETWORK, RIGHT, Fault, later


def _behave(call: Call) -> None:
    call.bite()
    call.send(call.reply)


def _flip_later(reply: Reply) -> Reply:
    """One byte behind the overlap is wrong: nothing but a digest can show it."""
    content = bytearray(reply.content)
    content[-1] ^= 1
    return reply._replace(content=bytes(content))


_WRONG = "no such file here"

FAULTS = (
    Fault("--checksum md5 right", _behave, options={"checksum": "md5:right"}),
    Fault("--checksum sha1 right", _behave, options={"checksum": "sha1:right"}),
    Fault("--checksum sha512 right", _behave, options={"checksum": "sha512:right"}),
    Fault("--checksum md5 wrong", _behave, DIGEST, _WRONG, options={"checksum": f"md5:{'f' * 32}"}),
    Fault("--checksum blake2b wrong", _behave, DIGEST, _WRONG, options={"checksum": f"blake2b:{'f' * 128}"}),
    Fault("#md5= wrong", _behave, DIGEST, _WRONG, path=f"/file.bin#md5={'f' * 32}"),
    Fault(
        "a byte flipped in each later 206, md5",
        later(_flip_later),
        f"{RIGHT}|{DIGEST}|{NETWORK}",
        "only the digest shows it",
        options={"checksum": "md5:right"},
        spares=frozenset({"one"}),
    ),
)
