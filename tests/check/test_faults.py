"""The servers of the client's table of faults: never an exception, and never good where the check can see the fault.

The well-made server behind them has no several ranges and no 304. So whatever else is limited or broken is the fault.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from rangeware.check import NetworkError, Report, check
from tests.client.fault_server import FaultServer
from tests.client.faulty import FAULTS
from tests.client.faulty.table import Fault

TIMEOUT = 1.2  # seconds; the faults that stall take all of it
MOST_REQUESTS = 60

LIES = {  # by the name of a fault: a finding that shows it
    "206 with bytes from offset 0": "same_bytes",
    "206 with bytes shifted by 1": "same_bytes",
    "206 with bytes shifted by -1": "same_bytes",
    "206 with bytes shifted by 4096": "same_bytes",
    "206 of a range that begins earlier": "one_range",
    "206 of a range that begins at 0": "one_range",
    "206 of a range that begins later, always": "from_start",
    "206 that goes on beyond what was asked": "first_two",
    "206 with another complete length": "first_two",
    "206 without Content-Range": "first_two",
    "206 with garbage for Content-Range": "first_two",
    "206 with three numbers of no end": "first_two",
    "206 with two Content-Ranges": "first_two",
    "206 with last before first": "first_two",
    "206 with last beyond the length": "first_two",
    "206 in another unit": "first_two",
    "206 with more than its Content-Range": "first_two",
    "206 with more than its Content-Range, chunked": "first_two",
    "206 with less than its Content-Range": "first_two",
    "206 with less than its Content-Range, chunked": "first_two",
    "206 in multipart/byteranges": "first_two",
    "206 in multipart/byteranges with Content-Range": "first_two",
    "200 with a slice and its Content-Range": "one_range",
    "200 with a slice": "one_range",
    "206 of all bytes whatever is asked": "first_two",
    "416 to every range": "first_two",
    "416 later": "one_range",
    "error page in a 206": "one_range",
    "error page in a 206, padded": "same_bytes",
    "a byte flipped in the first answer": "same_bytes",
    "gzip in each 206": "coding",
    "new ETag with each answer, same file": "validators",
    "two versions in turn": "validators",
    "If-Range not understood, each cut": "length",
    "cut in half each time": "length",
    "200 always, no ranges": "one_range",
    "Content-Length garbage": "length",
    "ranges lie beside the first": "same_bytes",
}


def checked(fault: Fault) -> Report | str:
    """The report, or the error in words."""
    with FaultServer() as server:
        if fault.setup:
            fault.setup(server)
        server.path = fault.path
        server.behave_as(fault.act, fault.door, fault.is_alone)
        try:
            return check(server.url, timeout=TIMEOUT)
        except NetworkError as exc:
            return str(exc)
        finally:
            assert len(server.requests) <= MOST_REQUESTS, "asks without end"


class Results:
    """The results of checks, several at a time; each is begun once."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self._pool = pool
        self._begun: dict[str, Future[Report | str]] = {}

    def begin(self, fault: Fault) -> Future[Report | str]:
        """Begin a check, unless it has been begun."""
        if fault.name not in self._begun:
            self._begun[fault.name] = self._pool.submit(checked, fault)
        return self._begun[fault.name]


@pytest.fixture(scope="module")
def results() -> Iterator[Results]:
    with ThreadPoolExecutor(16) as pool:
        yield Results(pool)


@pytest.mark.parametrize("step", [20, pytest.param(1, marks=pytest.mark.grid)])
def test_every_faulty_server_gets_a_report_or_a_clear_error(results, step):
    for name, result in [(fault.name, results.begin(fault)) for fault in FAULTS[::step]]:
        end = result.result()  # raises whatever was raised
        if isinstance(end, str):
            assert end.isprintable(), name
            assert "http://" in end, name
        else:
            assert end.verdict in ("limited", "broken"), name
            assert end.bytes <= 8 << 20, name
            assert end.seconds < TIMEOUT + 10, name  # this machine has more to do
            assert all(finding.detail.isprintable() and finding.detail.isascii() for finding in end.findings), name


@pytest.mark.parametrize("name", LIES)
def test_a_lie_is_found_out(results, name):
    end = next(results.begin(fault) for fault in FAULTS if fault.name == name).result()
    assert isinstance(end, Report), end
    finding = end.finding(LIES[name])
    assert finding is not None
    assert finding.status == "broken", finding.detail
    assert end.verdict == "broken"


def test_a_server_without_a_fault_is_not_broken():
    with FaultServer() as server:
        report = check(server.url)
    assert {finding.name for finding in report.findings if finding.status != "good"} == {"several", "many",
    "revalidated"}
