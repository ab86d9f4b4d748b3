"""What the findings mean for the clients that people use: which findings each depends on. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from .values import ClientVerdict, Finding, Status, worst


class _Client(NamedTuple):
    """What a client needs.

    :param needs: findings without which it does not work.
    :param likes: findings without which it works less well, or less safely.
    """

    name: str
    needs: tuple[str, ...]
    likes: tuple[str, ...]
    works: str
    limited: str
    fails: str


_CLIENTS = (
    _Client("Safari, iOS video", ("first_two", "one_range", "same_bytes"), ("length", "late"),
            "Plays and seeks.", "Plays, with limits.", "Refuses to play: it begins with bytes=0-1 and wants a 206."),
    _Client("Chrome, Firefox: seeking", ("one_range", "same_bytes"), ("from_start", "length", "late", "accept_ranges"),
            "Play and seek.", "Play, with limits.", "Play from the beginning only, or seek by loading all before."),
    _Client("curl -C -, wget -c", ("one_range", "to_end", "same_bytes"), ("unsatisfiable", "validators"),
            "Resume. They do not look whether the file has changed.",
            "Resume, with limits. They do not look whether the file has changed.",
            "Cannot resume: they start again, or give up."),
    _Client("aria2, rangeware get", ("one_range", "same_bytes", "validators", "if_range_changed"),
            ("length", "validators", "if_range", "clamped", "head"),
            "Load over several connections, and resume.", "Load, with limits.",
            "Load over one connection, and cannot resume."),
    _Client("nginx slice cache", ("one_range", "clamped", "same_bytes", "validators"), ("length", "late", "coding"),
            "Slices it.", "Slices it, with limits.",
            "Cannot slice it: it needs 206, a length, and validators that stay."),
    _Client("zsync, zchunk", ("one_range", "several", "same_bytes"), ("many", "unsatisfiable"),
            "Fetch what is missing in few requests.", "Work, with limits.", "Cannot fetch several ranges at once."),
    _Client("PDF.js, zip.js", ("one_range", "length", "accept_ranges", "same_bytes"), ("suffix", "coding"),
            "Load only what is shown.", "Load parts, with limits.", "Load the whole file first."),
    _Client("Resuming after a change", ("one_range", "if_range_changed", "validators"), ("if_range", "revalidated"),
            "Noticed: nobody joins two versions.", "Safe, with limits.",
            "Cannot resume, or joins two versions."),
)
_FATAL = {  # findings that stop a client also where they are only limited
    "zsync, zchunk": ("several",), "PDF.js, zip.js": ("length", "accept_ranges"), "nginx slice cache": ("length",),
}


def for_clients(findings: Mapping[str, Finding]) -> tuple[ClientVerdict, ...]:
    """The verdict for each kind of client."""
    return tuple(_verdict(client, findings) for client in _CLIENTS)


def _verdict(client: _Client, findings: Mapping[str, Finding]) -> ClientVerdict:
    fatal = [name for name in client.needs if _status(findings, name) == "broken"]
    fatal += [name for name in _FATAL.get(client.name, ()) if _status(findings, name) == "limited"]
    if fatal:
        return ClientVerdict(client.name, "broken", client.fails + _named(fatal, findings))
    asked = [*client.needs, *client.likes]
    status = worst(_status(findings, name) for name in asked)
    if status == "good":
        return ClientVerdict(client.name, status, client.works)
    if status == "unknown":
        missing = [name for name in asked if _status(findings, name) == "unknown"]
        return ClientVerdict(client.name, status, "Could not be found out." + _named(missing, findings))
    limits = [name for name in asked if _status(findings, name) in ("limited", "broken")]
    return ClientVerdict(client.name, "limited", client.limited + _named(limits, findings))


def _status(findings: Mapping[str, Finding], name: str) -> Status:
    return findings[name].status if name in findings else "good"


def _named(names: list[str], findings: Mapping[str, Finding]) -> str:
    return f" See: {', '.join(dict.fromkeys(findings[name].title for name in names))}."
