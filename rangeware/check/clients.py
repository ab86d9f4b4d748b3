"""What the findings mean for the clients that people use: which findings each depends on. Pure.

Where a client can be run (curl, wget, aria2, Chromium, nginx, rangeware), this was seen with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from .values import ClientVerdict, Finding, Status


class _Client(NamedTuple):
    """What a client needs.

    :param needs: findings with which it does not work if they are broken.
    :param fully: findings with which it does not work if they are limited or broken.
    :param likes: findings with which it works less well, or less safely, if they are limited or broken.
    :param minds: findings with which it works less well if they are broken.
    """

    name: str
    works: str
    limited: str
    fails: str
    needs: tuple[str, ...]
    fully: tuple[str, ...] = ()
    likes: tuple[str, ...] = ()
    minds: tuple[str, ...] = ()


_CLIENTS = (
    _Client("Safari, iOS video", "Plays and seeks.", "Plays, with limits.",
            "Refuses to play, or cannot seek: it begins with bytes=0-1 and wants a 206 with the length of the file.",
            ("first_two", "one_range", "same_bytes"), ("part_length",), ("late", "speed"), ("length",)),
    _Client("Chrome, Firefox: seeking", "Play and seek.", "Play, with limits.",
            "Play from the beginning only, or seek by loading all before.",
            ("one_range", "from_start", "same_bytes"), ("part_length",), ("late", "speed"), ("length",)),
    _Client("curl -C -, wget -c", "Resume. They do not look whether the file has changed.",
            "Resume, with limits. They do not look whether the file has changed.",
            "Do not resume reliably: they start again, give up, or keep a wrong file.",
            ("one_range", "to_end", "same_bytes"), minds=("unsatisfiable",)),
    _Client("aria2", "Loads over several connections, and resumes. It does not look whether the file has changed.",
            "Loads, with limits.", "Does not load in parts and resume reliably: it loads all at once, or fails.",
            ("one_range", "same_bytes"), ("length", "part_length")),
    _Client("rangeware get", "Loads over several connections, and resumes.", "Loads, with limits.",
            "Loads over one connection and cannot resume, or gives up.",
            ("one_range", "same_bytes", "repr_digest"), (), ("part_length", "validators", "if_range"), ("length",)),
    _Client("nginx slice cache", "Slices it.", "Slices it, with limits.",
            "Cannot slice it: it needs 206, the length of the file in it, and validators that stay.",
            ("one_range", "clamped", "same_bytes", "validators"), ("part_length",), ("validators", "late", "coding")),
    _Client("zsync, zchunk", "Fetch what is missing in few requests.", "Work, with limits.",
            "Cannot fetch several ranges at once.", ("one_range", "same_bytes"), ("several",), ("many", "zsync")),
    _Client("PDF.js, zip.js", "Load only what is shown.", "Load parts, with limits.", "Load the whole file first.",
            ("one_range", "same_bytes"), ("length", "accept_ranges"), ("suffix", "coding", "speed")),
    _Client("Resuming after a change", "Noticed: nobody joins two versions.", "Safe, with limits.",
            "Cannot resume, or joins two versions.",
            ("one_range", "if_range_changed", "validators"), (), ("validators", "if_range", "revalidated")),
)


def for_clients(findings: Mapping[str, Finding]) -> tuple[ClientVerdict, ...]:
    """The verdict for each kind of client."""
    return tuple(_verdict(client, findings) for client in _CLIENTS)


def _verdict(client: _Client, findings: Mapping[str, Finding]) -> ClientVerdict:
    def named(names: tuple[str, ...], *statuses: Status) -> list[str]:
        return [name for name in names if name in findings and findings[name].status in statuses]

    fatal = named(client.needs, "broken") + named(client.fully, "limited", "broken")
    if fatal:
        return ClientVerdict(client.name, "broken", client.fails + _see(fatal, findings))
    limits = named(client.likes, "limited", "broken") + named(client.minds, "broken")
    if limits:
        return ClientVerdict(client.name, "limited", client.limited + _see(limits, findings))
    missing = named((*client.needs, *client.fully, *client.likes, *client.minds), "unknown")
    if missing:
        return ClientVerdict(client.name, "unknown", "Could not be found out." + _see(missing, findings))
    return ClientVerdict(client.name, "good", client.works)


def _see(names: list[str], findings: Mapping[str, Finding]) -> str:
    return f" See: {', '.join(dict.fromkeys(findings[name].title for name in names))}."
