"""The decision: request and representation in, status, ranges and reason out. Expected values are RFC 9110's."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from rangeware.core.plan import decide
from rangeware.core.values import Limits, Plan, Reason, Representation, RequestFields
from rangeware.http.etags import EntityTag, parse_entity_tag
from rangeware.http.ranges import ByteRange

COMPLETE_LENGTH = 1000
NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=timezone.utc)
MODIFIED = datetime(1994, 11, 6, 8, 49, 37, tzinfo=timezone.utc)
DATE = "Sun, 06 Nov 1994 08:49:37 GMT"
EARLIER = "Sun, 06 Nov 1994 08:49:36 GMT"
LATER = "Sun, 06 Nov 1994 08:49:38 GMT"
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


IF_RANGE = [  # If-Range               ETag           holds   why
    pytest.param('"v1"', '"v1"', True, id="same strong tag"),
    pytest.param('"v2"', '"v1"', False, id="another tag"),
    pytest.param('W/"v1"', '"v1"', False, id="weak tag in the field"),
    pytest.param('"v1"', 'W/"v1"', False, id="weak current tag"),
    pytest.param('W/"v1"', 'W/"v1"', False, id="both weak"),
    pytest.param("v1", "v1", True, id="both without quotes: the same raw text"),
    pytest.param("v1", '"v1"', False, id="quotes on one side only"),
    pytest.param(DATE, '"v1"', True, id="exactly Last-Modified"),
    pytest.param("Sunday, 06-Nov-94 08:49:37 GMT", '"v1"', True, id="RFC 850"),
    pytest.param("Sun Nov  6 08:49:37 1994", '"v1"', True, id="asctime"),
    pytest.param(EARLIER, '"v1"', False, id="earlier date"),
    pytest.param(LATER, '"v1"', False, id="later date"),
    pytest.param("", '"v1"', False, id="empty"),
    pytest.param("*", '"v1"', False, id="a star means nothing here"),
    pytest.param('"v1", "v2"', '"v1"', False, id="a list means nothing here"),
]


@pytest.mark.parametrize(("value", "etag", "holds"), IF_RANGE)
def test_if_range(value, etag, holds):
    selected = SELECTED._replace(etag=parse_entity_tag(etag))
    plan = decide(RequestFields("GET", range="bytes=0-1", if_range=value), selected, Limits())
    assert plan.status == (206 if holds else 200)


@pytest.mark.parametrize(("age", "holds"), [(0, False), (1, True), (60, True)])
def test_a_date_in_if_range_must_be_a_strong_validator(age, holds):
    selected = SELECTED._replace(etag=None, date=MODIFIED + timedelta(seconds=age))
    plan = decide(RequestFields("GET", range="bytes=0-1", if_range=DATE), selected, Limits())
    assert plan.status == (206 if holds else 200)  # RFC 9110 8.8.2.2


def test_if_range_without_any_validator_does_not_hold():
    for value in ('"v1"', DATE, ""):
        request = RequestFields("GET", range="bytes=0-1", if_range=value)
        assert decide(request, Representation(COMPLETE_LENGTH), Limits()).reason is Reason.IF_RANGE


PRECONDITIONS = [  # fields                                                       status   why
    pytest.param({"if_match": '"v1"'}, 200, id="If-Match hit"),
    pytest.param({"if_match": '"v0", "v1"'}, 200, id="If-Match hit in a list"),
    pytest.param({"if_match": '"v2"'}, 412, id="If-Match miss"),
    pytest.param({"if_match": 'W/"v1"'}, 412, id="If-Match compares strongly (13.1.1)"),
    pytest.param({"if_match": "*"}, 200, id="If-Match any"),
    pytest.param({"if_match": "v2"}, 200, id="If-Match unreadable is ignored"),
    pytest.param({"if_match": '"v1"', "if_unmodified_since": EARLIER}, 200, id="a date beside If-Match is ignored"),
    pytest.param({"if_unmodified_since": EARLIER}, 412, id="modified since"),
    pytest.param({"if_unmodified_since": DATE}, 200, id="not modified since"),
    pytest.param({"if_unmodified_since": "soon"}, 200, id="an unreadable date is ignored"),
    pytest.param({"if_none_match": '"v1"'}, 304, id="If-None-Match hit"),
    pytest.param({"if_none_match": 'W/"v1"'}, 304, id="If-None-Match compares weakly (13.1.2)"),
    pytest.param({"if_none_match": '"v2"'}, 200, id="If-None-Match miss"),
    pytest.param({"if_none_match": "*"}, 304, id="If-None-Match any"),
    pytest.param({"if_none_match": "v1"}, 200, id="If-None-Match unreadable is ignored"),
    pytest.param({"if_none_match": '"v2"', "if_modified_since": DATE}, 200, id="a date beside it is ignored"),
    pytest.param({"if_modified_since": DATE}, 304, id="not modified"),
    pytest.param({"if_modified_since": LATER}, 304, id="not modified for long"),
    pytest.param({"if_modified_since": EARLIER}, 200, id="modified"),
    pytest.param({"if_modified_since": "soon"}, 200, id="an unreadable date is ignored as well"),
    pytest.param({"if_match": '"v2"', "if_none_match": '"v1"'}, 412, id="412 comes before 304 (13.2.2)"),
    pytest.param({"if_none_match": '"v1"', "range": "bytes=0-1"}, 304, id="304 comes before Range"),
    pytest.param({"if_match": '"v1"', "range": "bytes=0-1"}, 206, id="conditions hold, then Range"),
]


@pytest.mark.parametrize(("conditions", "status"), PRECONDITIONS)
def test_preconditions(conditions, status):
    assert decide(RequestFields("GET", **conditions), SELECTED, Limits()).status == status


def test_without_validators_a_listed_tag_matches_nothing():
    bare = Representation(COMPLETE_LENGTH)
    assert decide(RequestFields("GET", if_match='"v1"'), bare, Limits()).status == 412
    assert decide(RequestFields("GET", if_none_match='"v1"'), bare, Limits()).status == 200
    assert decide(RequestFields("GET", if_modified_since=DATE), bare, Limits()).status == 200
    assert decide(RequestFields("GET", if_unmodified_since=EARLIER), bare, Limits()).status == 200


def test_plans_are_values():
    plan = Plan(206, (ByteRange(0, 9),), Reason.SLICED)
    assert plan == Plan(206, ((0, 9),), Reason.SLICED)
    assert "first_pos=0" in repr(plan)
    assert str(plan.reason) == "the ranges asked for"
