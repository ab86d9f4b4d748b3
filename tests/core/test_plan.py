"""The decision: request and representation in, status, ranges and reason out. Expected values are RFC 9110's."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from rangeware.core.plan import decide
from rangeware.core.values import Limits, Plan, Reason, Representation, RequestFields
from rangeware.http.etags import EntityTag
from rangeware.http.ranges import ByteRange

COMPLETE_LENGTH = 1000
NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=timezone.utc)
MODIFIED = datetime(1994, 11, 6, 8, 49, 37, tzinfo=timezone.utc)
SELECTED = Representation(COMPLETE_LENGTH, EntityTag("v1"), MODIFIED, NOW)

RANGES = [  # Range field               status  ranges                     why
    pytest.param("bytes=0-0", 206, ((0, 0),), id="one byte"),
    pytest.param("bytes=-9999", 206, ((0, 999),), id="suffix longer than all (14.1.2)"),
    pytest.param("bytes=0-", 206, ((0, 999),), id="everything is a part too"),
    pytest.param("bytes=1000-", 416, (), id="first_pos at the end"),
    pytest.param("bytes=-0", 416, (), id="suffix of nothing"),
    pytest.param("bytes=1000-,-0", 416, (), id="none of two"),
    pytest.param("items=0-1", 200, (), id="unknown unit is ignored (14.2)"),
    pytest.param("bytes=5-1", 200, (), id="invalid is ignored (14.1.1)"),
    pytest.param("bytes=0-1,9999-", 206, ((0, 1),), id="one of two satisfiable"),
    pytest.param("bytes=0-0,-1", 206, ((0, 0), (999, 999)), id="two"),
    pytest.param("bytes=500-599,0-99", 206, ((500, 599), (0, 99)), id="in the order of the request"),
    pytest.param("bytes=0-99,50-149", 206, ((0, 149),), id="overlapping become one"),
    pytest.param("bytes=0-99,100-149", 206, ((0, 149),), id="touching become one"),
    pytest.param("bytes=0-99,101-149", 206, ((0, 99), (101, 149)), id="a gap of one byte keeps them apart"),
    pytest.param("bytes=900-,0-9,5-20,890-899,500-", 206, ((500, 999), (0, 20)), id="merged at the first one's place"),
    pytest.param("bytes=0-999,5-6", 206, ((0, 999),), id="one inside another"),
    pytest.param("bytes=20-29,5-6,0-30,40-", 206, ((0, 30), (40, 999)), id="two inside a later one"),
    pytest.param("bytes=30-39,10-19,20-29,0-0", 206, ((10, 39), (0, 0)), id="a chain that is asked for out of order"),
]


@pytest.mark.parametrize(("value", "status", "ranges"), RANGES)
def test_decide(value, status, ranges):
    plan = decide(RequestFields("GET", range=value), Representation(COMPLETE_LENGTH), Limits())
    assert (plan.status, plan.ranges) == (status, ranges)


def test_a_forward_only_source_gives_its_parts_in_ascending_order():
    selected = SELECTED._replace(random_access=False)
    plan = decide(RequestFields("GET", range="bytes=500-599,0-99"), selected, Limits())
    assert plan.ranges == ((0, 99), (500, 599))


REASONS = [  # request                                                    representation       status  reason
    (RequestFields("GET"), {}, 200, Reason.NO_RANGE),
    (RequestFields("HEAD", range="bytes=0-1"), {}, 200, Reason.METHOD),
    (RequestFields("POST", range="bytes=0-1"), {}, 200, Reason.METHOD),
    (RequestFields("POST", if_none_match="*"), {}, 200, Reason.METHOD),
    (RequestFields("GET", range="bytes=0-1"), {"status": 206}, 206, Reason.STATUS),
    (RequestFields("GET", if_none_match="*"), {"status": 404}, 404, Reason.STATUS),
    (RequestFields("GET", range="bytes=0-1"), {"obstacle": Reason.ACCEPT_RANGES_NONE}, 200, Reason.ACCEPT_RANGES_NONE),
    (RequestFields("GET", if_match='"x"'), {"obstacle": Reason.OFFLOADED}, 200, Reason.OFFLOADED),
    (RequestFields("GET", range="bytes=0-1"), {"complete_length": None}, 200, Reason.UNKNOWN_LENGTH),
    (RequestFields("GET", range="bytes=0-1"), {"complete_length": 0}, 200, Reason.EMPTY),
    (RequestFields("GET", range="bytes=9-1"), {"complete_length": None}, 200, Reason.SYNTAX),
    (RequestFields("GET", range="items=0-1"), {}, 200, Reason.UNIT),
    (RequestFields("GET", range="0-1"), {}, 200, Reason.SYNTAX),
    (RequestFields("GET", range=""), {}, 200, Reason.SYNTAX),
    (RequestFields("GET", range="bytes=0-1", if_range='"v2"'), {}, 200, Reason.IF_RANGE),
    (RequestFields("GET", range="bytes=5000-", if_range='"v2"'), {}, 200, Reason.IF_RANGE),
    (RequestFields("GET", range="bytes=5000-", if_range='"v1"'), {}, 416, Reason.UNSATISFIABLE),
    (RequestFields("GET", range="bytes=0-1"), {}, 206, Reason.SLICED),
]


@pytest.mark.parametrize(("request_fields", "changed", "status", "reason"), REASONS)
def test_each_decision_says_why(request_fields, changed, status, reason):
    plan = decide(request_fields, SELECTED._replace(**changed), Limits())
    assert (plan.status, plan.reason) == (status, reason)


def test_reasons_read_as_sentences_and_differ():
    assert len({str(reason) for reason in Reason}) == len(Reason)


@pytest.mark.parametrize(("members", "max_ranges", "status"), [(3, 3, 206), (4, 3, 200), (1, 1, 206), (2, 1, 200)])
def test_max_ranges(members, max_ranges, status):
    value = "bytes=" + ",".join(f"{10 * i}-{10 * i}" for i in range(members))
    assert decide(RequestFields("GET", range=value), SELECTED, Limits(max_ranges)).status == status


def test_empty_members_do_not_count_as_ranges():
    assert decide(RequestFields("GET", range="bytes=0-1,,,,,,"), SELECTED, Limits(1)).status == 206


def test_an_unreasonable_number_of_empty_members_is_ignored():
    plan = decide(RequestFields("GET", range="bytes=0-1" + "," * 10**6), SELECTED, Limits())
    assert plan == Plan(200, (), Reason.TOO_MANY_RANGES)


def test_parts_that_make_the_answer_larger_than_the_whole_and_4_kib_are_refused():
    value = "bytes=" + ",".join(f"{2 * i}-{2 * i}" for i in range(100))
    plan = decide(RequestFields("GET", range=value), SELECTED, Limits())
    assert plan == Plan(200, (), Reason.SURPLUS)


def test_plans_are_values():
    plan = Plan(206, (ByteRange(0, 9),), Reason.SLICED)
    assert plan == Plan(206, ((0, 9),), Reason.SLICED)
    assert "first_pos=0" in repr(plan)
    assert str(plan.reason) == "the ranges asked for"
