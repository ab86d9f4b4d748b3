"""``check``: send the probes, and make the report. Needs urllib3: ``rangeware[client]``."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from ..client.errors import NetworkError
from ..client.io.transport import RequestFailed, parse_address
from ..client.options import DownloadOptions, TransferOptions, check_number
from ..client.texts import shown_url, status_text
from ..errors import InvalidOption
from .probes import next_probe
from .reporting import make_report
from .sending import Sender, share_of
from .values import Answer, Report

if TYPE_CHECKING:
    import urllib3

_SILENCE = 15.0  # seconds
_LEAST_BYTES = 1 << 16


@dataclass(frozen=True)
class _Options(TransferOptions):
    purpose: ClassVar[str] = "check"
    refused: ClassVar[frozenset[str]] = DownloadOptions.refused


def check(
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    timeout: float = 60.0,
    max_bytes: int = 8 << 20,
    cookies: str | os.PathLike[str] | None = None,
    cacert: str | os.PathLike[str] | None = None,
    insecure: bool = False,
    pool: urllib3.PoolManager | None = None,
    trace: Callable[[str], object] | None = None,
) -> Report:
    """Find out whether a URL can be resumed, seeked and fetched in parts, and why not.

    It sends about 25 requests, one after the other, and reads no more than the beginning of a large file.

    :param url: http or https. A user and a password in it are sent to its origin only.
    :param headers: to send with each request, such as Authorization.
    :param timeout: seconds for all requests together.
    :param max_bytes: bytes of content to read from all responses together, at least 64 KiB.
    :param cookies: a file of cookies to send, in Netscape's format.
    :param cacert: a file of certificates to trust, in PEM, in place of the system's.
    :param insecure: do not check certificates.
    :param pool: a pool of connections of your own. It decides about proxies and certificates.
    :param trace: called with a line for each request and each response.
    :returns: the report; ``report.verdict`` is "good", "limited" or "broken".
    :raises NetworkError: if nothing can be said: there is no response, or an error page.
    :raises InvalidOption: if ``url`` is no http or https URL, or an option has a value that cannot work.

    >>> check("http://example.org/film.mp4").finding("one_range").status
    'good'
    """
    if not isinstance(url, str):
        raise InvalidOption(f"url must be text, not {type(url).__name__}")
    check_number("max_bytes", max_bytes, _LEAST_BYTES, int)
    options = _Options(headers=headers or {}, timeout=timeout, cookies=cookies, cacert=cacert, insecure=insecure,
                       pool=pool, trace=trace)
    longest = min(timeout, share_of(timeout))
    options = replace(options, timeout=min(_SILENCE, longest), first_byte=longest)
    try:
        address = parse_address(url)
    except RequestFailed as exc:
        raise InvalidOption(str(exc)) from None
    sender = Sender(address, options, timeout, max_bytes)
    try:
        answers = _ask_all(sender, address.url)
    finally:
        sender.close()
    return make_report(shown_url(address.url), answers, sender.requests, sender.received, sender.seconds)


def _ask_all(sender: Sender, url: str) -> dict[str, Answer]:
    """Send all probes.

    :raises NetworkError: if the plain request gets no response, or an error page.
    """
    answers: dict[str, Answer] = {}
    while (probe := next_probe(answers)) is not None:
        answer = answers[probe.name] = sender.send(probe)
        if probe.name == "whole":
            sender.settle(_check_first(answer, url))
    return answers


def _check_first(answer: Answer, url: str) -> str:
    """Return the URL at which redirects have ended."""
    if answer.head is None:
        hint = " (a longer timeout may help)" if answer.is_slow else ""
        raise NetworkError(f"{shown_url(url)}: {answer.failure}{hint}")
    if answer.status not in (200, 206):
        raise NetworkError(status_text(answer.status, answer.head.address, answer.head.date("date")))
    return answer.head.address
