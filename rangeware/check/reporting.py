"""The report of a check, made of all answers: findings, what they mean for clients, and the verdict. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from .advice import advise
from .clients import for_clients
from .findings import find
from .known import Answers, known_of, serves_ranges, shows_ranges
from .values import Finding, Report, Status, worst

_OF_ONE_CLIENT = ("zsync",)
"""Findings about what the standard allows and one client cannot read: told, and no fault of the server."""


def make_report(url: str, answers: Answers, requests: int, received: int, seconds: float) -> Report:
    """Make the report.

    :param url: as it may be shown.
    :param received: bytes of content.
    """
    findings = find(answers)
    named = {finding.name: finding for finding in findings}
    head = answers["whole"].head
    assert head is not None
    has_ranges = serves_ranges(answers) or not shows_ranges(answers)
    judged = {name: finding for name, finding in named.items() if name not in _OF_ONE_CLIENT}
    verdict, summary = _summary(judged, has_ranges, is_empty=known_of(answers).complete_length == 0)
    return Report(url, verdict, summary, findings, for_clients(named) if known_of(answers).complete_length else (),
                  advise(named, head, has_ranges=has_ranges), requests, received, round(seconds, 3))


def _summary(findings: Mapping[str, Finding], has_ranges: bool, *, is_empty: bool) -> tuple[Status, str]:
    status = worst(finding.status for finding in findings.values())
    if status == "broken" and not has_ranges and not is_empty:
        return status, "No seeking, no resuming, no fetching in parts: the server serves no ranges."
    if status == "broken":
        return status, f"Clients go wrong here. Look at: {_titles(findings, 'broken')}."
    if is_empty:
        return "limited", "The file is empty, so there is nothing to seek in: try a larger one."
    if status == "limited" and findings["one_range"].status != "unknown":
        return status, f"Seeking and resuming work, with limits. Look at: {_titles(findings, 'limited')}."
    if status != "good":
        return "limited", f"Not all could be found out: {_titles(findings, 'unknown')}."
    return status, "Seeking, resuming and fetching in parts work."


def _titles(findings: Mapping[str, Finding], status: Status) -> str:
    return ", ".join(finding.title for finding in findings.values() if finding.status == status)
