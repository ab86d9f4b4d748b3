"""Rates, with a clock of the tests' own."""

from __future__ import annotations

import pytest

from rangeware.client.planning.throughput import RateLimiter, ThroughputMeter


def test_the_rate_is_that_of_the_last_seconds():
    meter = ThroughputMeter()
    for tenth in range(1, 101):
        meter.count(100 if tenth <= 50 else 300, tenth / 10)
    assert meter.received == 50 * 100 + 50 * 300
    assert meter.rate(10.0) == pytest.approx(3000, rel=0.05)


def test_nothing_lately_is_no_rate():
    meter = ThroughputMeter()
    assert meter.rate(0.0) == 0
    meter.count(1000, 1.0)
    assert meter.rate(60.0) == 0


def test_many_small_pieces_are_few_entries():
    meter = ThroughputMeter()
    for number in range(100_000):
        meter.count(1, number / 10_000)
    assert len(meter._entries) < 50


def test_the_limit_is_kept_by_all_together():
    limiter, now = RateLimiter(1000), 0.0
    for _ in range(10):
        now += limiter.delay(500, now)
    assert now == pytest.approx(5.0)


def test_what_was_not_used_is_not_saved_up():
    limiter = RateLimiter(1000)
    limiter.delay(500, 0.0)
    assert limiter.delay(500, 100.0) == pytest.approx(0.5)


def test_no_limit():
    assert RateLimiter(None).delay(10**12, 0.0) == 0
