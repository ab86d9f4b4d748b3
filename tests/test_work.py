"""The work that requests may cost the middleware, without a clock: later changes that double it turn this red on a
noisy machine too.

Where work was added on purpose, or saved: ``python -m tests.counting --write PYTHON ...`` with all Pythons that we
support puts new bounds here.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.counted_requests import hostile, prepared, to_a_list
from tests.counting import RATES, Work, count, count_all, peak

BOUNDS = {
    "plain JSON":                             Work(11, 10, 326),
    "plain JSON under 52 header fields":      Work(79, 105, 2290),
    "plain generator":                        Work(10, 7, 336),
    "plain file":                             Work(15, 18, 567),
    "plain file on gunicorn":                 Work(15, 18, 569),
    "plain file without validators":          Work(114, 97, 2639),
    "HEAD of a list":                         Work(90, 61, 1766),
    "HEAD of a file":                         Work(101, 76, 2049),
    "304":                                    Work(132, 109, 2649),
    "416":                                    Work(129, 115, 2890),
    "range of a list":                        Work(66, 52, 1541),
    "If-Range and a range of a list":         Work(124, 95, 2532),
    "4 KiB of a file":                        Work(81, 71, 1927),
    "4 KiB of a file on gunicorn":            Work(81, 71, 1927),
    "32 MiB of a file on gunicorn":           Work(89, 86, 2188),
    "32 MiB of a file":                       Work(975, 3022, 33062),
    "64 MiB of a file":                       Work(1858, 5966, 63974),
    "10 ranges of a file":                    Work(206, 237, 5409),
    "256 ranges of a file":                   Work(1347, 3991, 75216),
    "10 ranges that overlap":                 Work(197, 234, 4786),
    "256 ranges that overlap":                Work(1896, 3632, 55735),
    "last 1 KiB of 1,000 blocks":             Work(253, 2481, 39500),
    "last 1 KiB of 2,000 blocks":             Work(253, 4781, 74000),
    "last 1 KiB of 1,000 uneven blocks":      Work(253, 2481, 39500),
    "last 1 KiB of 2,000 uneven blocks":      Work(253, 4781, 74000),
    "field of 10,000 ranges":                 Work(103, 76, 2182),
    "1 MB of ranges":                         Work(103, 76, 2182),
    "1 MB of open ranges":                    Work(103, 76, 2182),
    "1 MB of suffixes":                       Work(103, 76, 2182),
    "1 MB of digits":                         Work(104, 76, 2199),
    "1 MB of zeros":                          Work(120, 95, 2509),
    "1 MB of commas":                         Work(103, 76, 2182),
    "1 MB of blanks":                         Work(104, 76, 2199),
    "1 MB of blank members":                  Work(103, 76, 2182),
    "1 MB of hyphens":                        Work(103, 76, 2182),
    "1 MB of garbage":                        Work(104, 76, 2199),
    "1 MB of another unit":                   Work(102, 76, 2184),
    "a header field of the app":              Work(3, 3, 39),
    "a range-spec":                           Work(8, 15, 200),
    "a part":                                 Work(6, 16, 272),
    "a skipped block":                        Work(0, 3, 33),
    "a skipped block of changing length":     Work(0, 3, 33),
    "a MiB of a file":                        Work(27, 88, 925),
}
"""By the name of a request or of a unit of work: Python functions entered, C functions called, bytecode instructions
executed, at most."""

PEAK = 2_100_000
"""Bytes of memory that a Range field of 1 MB may take, at most."""

LONG = 1_000_000
SHORT = 10_000


def check(name: str, work: Work) -> None:
    """The work is within its bound."""
    bound = BOUNDS[name]
    over = [f"{what} {got:,}, the bound is {most:,}"
            for what, got, most in zip(Work._fields, work, bound, strict=True) if got > most]
    assert not over, f"too much work for {name!r}: {'; '.join(over)}"


def test_every_request_and_unit_has_a_bound() -> None:
    with prepared() as requests:
        assert BOUNDS.keys() == {*requests, *RATES}


@pytest.mark.parametrize("name", [name for name in BOUNDS if name not in RATES])
def test_a_request_does_no_more_than_this(name: str) -> None:
    check(name, count_all((name,))[name])


@pytest.mark.parametrize("name", RATES)
def test_a_unit_more_costs_no_more_than_this(name: str) -> None:
    rate = RATES[name]
    check(name, rate.of(count_all((rate.more, rate.fewer))))


@pytest.mark.parametrize("kind", hostile(0))
def test_the_length_of_a_hostile_field_adds_nothing(kind: str) -> None:
    short, long = (count(to_a_list(hostile(length)[kind])) for length in (SHORT, LONG))
    assert short == long, f"{SHORT:,} characters of {kind} cost {short}, {LONG:,} cost {long}"


@pytest.mark.parametrize("kind", hostile(0))
def test_a_hostile_field_takes_little_memory(kind: str) -> None:
    taken = peak(to_a_list(hostile(LONG)[kind]))
    assert taken <= PEAK, f"{LONG:,} characters of {kind} take {taken:,} bytes, the bound is {PEAK:,}"


def test_nothing_is_imported_or_compiled_during_a_request() -> None:
    """Not even during the very first one; nor is a function of ``re`` called that looks a pattern up."""
    code = "from tests import counting; counting.print_first_requests()"
    ended = subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[1], capture_output=True, text=True,
                           check=False)
    assert ended.returncode == 0, ended.stderr
    assert not ended.stdout, f"done during a request, rather than before the first one:\n{ended.stdout}"
