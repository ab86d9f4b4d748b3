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
    "plain JSON":                             Work(6, 5, 311),
    "plain JSON under 52 header fields":      Work(6, 63, 2553),
    "plain generator":                        Work(9, 7, 371),
    "plain file":                             Work(12, 18, 561),
    "plain file on gunicorn":                 Work(12, 18, 558),
    "plain file without validators":          Work(13, 20, 557),
    "HEAD of a list":                         Work(95, 61, 1865),
    "HEAD of a file":                         Work(109, 80, 2265),
    "304":                                    Work(150, 118, 3070),
    "416":                                    Work(157, 130, 3739),
    "range of a list":                        Work(12, 20, 690),
    "If-Range and a range of a list":         Work(127, 96, 2723),
    "4 KiB of a file":                        Work(13, 26, 787),
    "4 KiB of a file with ETag only":         Work(14, 27, 794),
    "4 KiB of a file on gunicorn":            Work(13, 26, 787),
    "32 MiB of a file on gunicorn":           Work(28, 43, 1116),
    "32 MiB of a file":                       Work(1321, 1916, 27337),
    "64 MiB of a file":                       Work(2535, 3736, 51899),
    "10 ranges of a file":                    Work(106, 159, 3950),
    "256 ranges of a file":                   Work(466, 2244, 46794),
    "10 ranges that overlap":                 Work(88, 69, 2954),
    "256 ranges that overlap":                Work(91, 74, 21884),
    "last 1 KiB of 1,000 blocks":             Work(256, 2457, 39686),
    "last 1 KiB of 2,000 blocks":             Work(256, 4757, 74186),
    "last 1 KiB of 1,000 uneven blocks":      Work(256, 2457, 39686),
    "last 1 KiB of 2,000 uneven blocks":      Work(256, 4757, 74186),
    "field of 10,000 ranges":                 Work(120, 81, 2694),
    "1 MB of ranges":                         Work(120, 81, 2694),
    "1 MB of open ranges":                    Work(120, 81, 2694),
    "1 MB of suffixes":                       Work(120, 81, 2694),
    "1 MB of digits":                         Work(133, 110, 3115),
    "1 MB of zeros":                          Work(94, 389, 4459),
    "1 MB of commas":                         Work(122, 88, 2818),
    "1 MB of blanks":                         Work(133, 110, 3115),
    "1 MB of blank members":                  Work(122, 88, 2818),
    "1 MB of hyphens":                        Work(201, 309, 4719),
    "1 MB of garbage":                        Work(126, 99, 2977),
    "1 MB of another unit":                   Work(102, 75, 2230),
    "1 MB of digits at the end":              Work(94, 247, 2771),
    "1 MB of zeros at the end":               Work(95, 389, 4504),
    "1 MB of digits at both ends":            Work(393, 903, 13786),
    "1 MB of blanks before":                  Work(90, 531, 5305),
    "1 MB of blanks after":                   Work(90, 531, 5448),
    "1 MB of blanks before the unit":         Work(102, 75, 2230),
    "a header field of the app":              Work(0, 2, 43),
    "a range-spec":                           Work(2, 2, 75),
    "a part":                                 Work(3, 9, 168),
    "a skipped block":                        Work(0, 3, 33),
    "a skipped block of changing length":     Work(0, 3, 33),
    "a MiB of a file":                        Work(37, 56, 735),
}
"""By the name of a request or of a unit of work: Python functions entered, C functions called, bytecode instructions
executed, at most."""

PEAK = 262_144
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
def test_the_length_of_a_hostile_field_adds_little(kind: str) -> None:
    """A call to C for each 1,000 characters, at most: it is read in large blocks."""
    short, long = (count(to_a_list(hostile(length)[kind])) for length in (SHORT, LONG))
    added = Work(*(more - fewer for more, fewer in zip(long, short, strict=True)))
    assert added.calls <= LONG // 5_000, added
    assert added.c_calls <= LONG // 1_000, added
    assert added.instructions <= LONG // 100, added


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
