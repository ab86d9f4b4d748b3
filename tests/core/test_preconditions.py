"""Preconditions and If-Range: request and representation in, 206, 200, 304 or 412 out. Values are RFC 9110's."""

from __future__ import annotations

from datetime import timedelta

import pytest

from rangeware.core.plan import decide
from rangeware.core.values import Limits, Reason, Representation, RequestFields
from rangeware.http.etags import parse_entity_tag
from tests.core.test_plan import COMPLETE_LENGTH, MODIFIED, SELECTED

DATE = "Sun, 06 Nov 1994 08:49:37 GMT"
EARLIER = "Sun, 06 Nov 1994 08:49:36 GMT"
LATER = "Sun, 06 Nov 1994 08:49:38 GMT"

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


@pytest.mark.parametrize(("value", "etag", "holds"), [
    (" " * 50_000 + '"v1"' + "\t" * 50_000, '"v1"', True), ('"v1"' + "x" * 50_000, '"v1"', False),
    (f'"{"x" * 50_000}"', f'"{"x" * 50_000}"', True), ("x" * 50_000, " ", False),
], ids=["blanks", "text", "long tag", "blank tag"])
def test_if_range_of_any_length(value, etag, holds):
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
