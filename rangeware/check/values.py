"""The values that a check is made of: requests to send, answers, what is known of the file, and the report. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Literal, NamedTuple

from ..client.planning.response_head import FileVersion, ResponseHead

Status = Literal["good", "limited", "broken", "unknown"]
"""``good``: as it should be. ``limited``: nobody gets wrong bytes, but something is missing. ``broken``: unusable or
wrong. ``unknown``: could not be found out."""

_ORDER: tuple[Status, ...] = ("good", "unknown", "limited", "broken")


def worst(statuses: Iterable[Status]) -> Status:
    """The worst of several statuses; "good" for none.

    >>> worst(["good", "limited", "unknown"])
    'limited'
    """
    return max(statuses, key=_ORDER.index, default="good")


class Verdict(NamedTuple):
    """A status, and a sentence that says what was seen, what the standard wants, and what it means."""

    status: Status
    detail: str


class Probe(NamedTuple):
    """A request to send.

    :param name: by which ``findings`` finds its answer.
    :param fields: names in lower case.
    :param most: bytes of content to read, at most. The connection is closed then.
    """

    name: str
    method: str
    fields: dict[str, str]
    most: int


class Answer(NamedTuple):
    """The answer to a probe.

    :param head: of the response; None if there was none.
    :param lines: the fields of the head as they were sent, one for each line; its own dictionary joins them.
    :param content: as much as has been read.
    :param is_complete: True if the content has been read to its end.
    :param failure: why there is no response, or why its content broke off, as text for a person; "" if neither.
    :param is_slow: True if waiting or reading ended because of the time that it took.
    :param is_conclusive: False if there were no bytes or no time left for the request, or less time than a server may
        take: what is missing then is not the server's fault.
    :param waited: seconds from the request to the first byte of the content, or to the end if none came.
    :param took: seconds from the request to the last byte that was read.
    :param hops: the URLs that redirected, in order.
    """

    probe: Probe
    head: ResponseHead | None = None
    content: bytes = b""
    is_complete: bool = False
    failure: str = ""
    is_slow: bool = False
    is_conclusive: bool = True
    waited: float = 0.0
    took: float = 0.0
    hops: tuple[str, ...] = ()
    lines: tuple[tuple[str, str], ...] = ()

    @property
    def status(self) -> int:
        """The status; 0 if there was no response."""
        return 0 if self.head is None else self.head.status

    def field(self, name: str) -> str:
        """A field of the response, by its name in lower case; "" if it is absent."""
        return "" if self.head is None else self.head.fields.get(name, "")


class Known(NamedTuple):
    """What is known of the file when a response is judged.

    :param complete_length: in bytes; None if it is unknown.
    :param version: the validators of the plain 200.
    """

    complete_length: int | None = None
    version: FileVersion = FileVersion()


@dataclass(frozen=True)
class Finding:
    """One thing that was found out about a URL.

    :param name: stays the same in later releases.
    :param title: for a person.
    :param detail: sentences: what was seen, what the standard wants, and what it means.
    """

    name: str
    title: str
    status: Status
    detail: str


@dataclass(frozen=True)
class ClientVerdict:
    """What the findings mean for one kind of client."""

    name: str
    status: Status
    detail: str


@dataclass(frozen=True)
class Report:
    """The result of a check.

    :param url: as it was asked for, without user and password.
    :param verdict: "good", "limited" or "broken".
    :param summary: the verdict in a sentence.
    :param advice: what to do about it, a sentence or two each.
    :param requests: that were sent, with those that were redirected.
    :param bytes: of content that were read.
    """

    url: str
    verdict: Status
    summary: str
    findings: tuple[Finding, ...]
    clients: tuple[ClientVerdict, ...]
    advice: tuple[str, ...]
    requests: int
    bytes: int
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """The report as lists and dictionaries, ready for JSON."""
        made = asdict(self)
        return {name: list(value) if isinstance(value, tuple) else value for name, value in made.items()}

    def finding(self, name: str) -> Finding | None:
        """The finding with this name; None if there is none."""
        return next((finding for finding in self.findings if finding.name == name), None)
