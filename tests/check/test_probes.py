"""Which requests are sent: few, small, and each only where it can tell something."""

from __future__ import annotations

import pytest

from rangeware.check.known import known_of, serves_ranges
from rangeware.check.probes import BEGINNING, next_probe
from tests.check import site
from tests.check.site import CONTENT, LENGTH, MODIFIED, Reply, ask_all, compressing, only, without_ranges

ALL = ["whole", "head", "first_two", "from_start", "early", "middle", "overlap", "suffix", "unsatisfiable", "huge",
       "to_end", "clamped", "several", "many", "if_range_tag", "if_range_date", "if_range_changed", "malformed",
       "revalidated", "coded", "again"]


def names(*arguments, **fields):
    return [*ask_all(*arguments, **fields)]


def test_all_probes_of_a_good_server():
    assert names() == ALL


def test_the_requests_are_what_their_names_say():
    probes = {name: answer.probe for name, answer in ask_all().items()}
    ranges = {name: probe.fields["range"] for name, probe in probes.items() if "range" in probe.fields}
    assert ranges.pop("many").count(",") == 99
    assert ranges == {
        "first_two": "bytes=0-1", "from_start": "bytes=0-", "early": "bytes=1000-5095", "middle": "bytes=100000-104095",
        "overlap": "bytes=97952-102047", "suffix": "bytes=-1000", "unsatisfiable": f"bytes={LENGTH}-",
        "huge": f"bytes={'9' * 40}-", "to_end": "bytes=199000-", "clamped": "bytes=199000-201000",
        "several": "bytes=0-9,100000-100009,-10", "if_range_tag": "bytes=0-9", "if_range_date": "bytes=0-9",
        "if_range_changed": "bytes=0-9", "malformed": "bytes=one-two"}
    assert probes["if_range_tag"].fields["if-range"] == '"v1"'
    assert probes["if_range_date"].fields["if-range"] == MODIFIED
    assert probes["revalidated"].fields["if-none-match"] == '"v1"'
    assert {probe.fields["accept-encoding"] for name, probe in probes.items() if name != "coded"} == {"identity"}
    assert [name for name, probe in probes.items() if probe.method == "HEAD"] == ["head"]


def test_they_are_few_and_ask_for_little():
    probes = [answer.probe for answer in ask_all(compressing).values()]
    assert len(probes) <= 25
    assert sum(probe.most for probe in probes) <= 3 << 20
    assert max(probe.most for probe in probes) == BEGINNING == 1 << 20


@pytest.mark.parametrize("length", [1, 2, 3, 7, 8, 9, 16, 100, 999, 1000, 1001, 131_071, 131_072])
def test_a_file_of_any_length_is_asked_for_ranges_that_it_has(length):
    answers = ask_all(content=CONTENT[:length])
    beyond = {"unsatisfiable", "huge"}
    for name, answer in answers.items():
        if "range" in answer.probe.fields and name not in {"malformed", "if_range_changed"}:
            assert answer.status == (416 if name in beyond else 206), name
    assert ("several" in answers) == (length >= 1000)
    assert ("many" in answers) == (length >= 131_072)


def test_an_empty_file_is_asked_for_no_ranges():
    assert names(content=b"") == ["whole", "head", "malformed", "revalidated", "coded", "again"]


def test_a_server_without_ranges_is_not_asked_for_their_details():
    assert names(without_ranges) == [
        "whole", "head", "first_two", "from_start", "early", "middle", "overlap", "malformed", "revalidated", "coded",
        "again"]


def test_without_a_length_what_needs_none_is_asked():
    def spoil(probe, reply):
        reply = reply.put(content_length=None)
        said = reply.fields.get("content-range", "")
        return reply.put(content_range=said.rpartition("/")[0] + "/*") if said else reply

    big = CONTENT * 6
    asked = ask_all(spoil, big)
    assert known_of(asked).complete_length is None
    assert {"middle", "to_end", "several", "many"}.isdisjoint(asked)
    assert {"early", "suffix", "unsatisfiable", "if_range_tag"} <= {*asked}
    assert asked["early"].probe.fields["range"] == "bytes=1-100"


def test_a_length_that_only_a_part_names_is_used():
    asked = ask_all(only("whole")(lambda reply: reply.put(content_length=None)), CONTENT * 6)
    assert known_of(asked).complete_length == 6 * LENGTH
    assert "to_end" in asked


def test_a_short_file_without_a_length_is_as_long_as_what_came():
    asked = ask_all(lambda _, reply: reply.put(content_length=None), CONTENT[:500])
    assert known_of(asked).complete_length == 500


@pytest.mark.parametrize(("fields", "there", "absent"), [
    ({"etag": 'W/"v1"'}, {"if_range_weak", "if_range_date", "revalidated"}, {"if_range_tag"}),
    ({"etag": None}, {"if_range_date", "if_range_changed", "revalidated"}, {"if_range_tag", "if_range_weak"}),
    ({"last_modified": None}, {"if_range_tag"}, {"if_range_date"}),
    ({"last_modified": site.DATE}, {"if_range_tag"}, {"if_range_date"}),
    ({"etag": None, "last_modified": None}, {"if_range_changed"}, {"if_range_tag", "if_range_date", "revalidated"}),
])
def test_conditions_are_made_of_the_validators_that_there_are(fields, there, absent):
    asked = {*names(**fields)}
    assert there <= asked
    assert not absent & asked


def test_a_coding_is_looked_at_more_closely():
    asked = ask_all(compressing)
    assert asked["coded_range"].probe.fields == {"accept-encoding": "gzip, deflate, br, zstd", "range": "bytes=0-99"}
    assert "coded_range" not in ask_all(lambda probe, reply: compressing(probe, without_ranges(probe, reply)))


def test_a_late_offset_that_took_long_is_measured_again():
    answers = ask_all()
    del answers["again"]
    answers["to_end"] = answers["to_end"]._replace(waited=2.0)
    probe = next_probe(answers)
    assert probe is not None
    assert (probe.name, probe.fields["range"]) == ("to_end_again", "bytes=199000-")


def test_nothing_is_known_before_the_first_answer():
    probe = next_probe({})
    assert probe is not None
    assert probe.name == "whole"
    assert known_of({}).complete_length is None
    lost = {"whole": site.ask(probe, lambda *_: Reply(0, {}, failure="cut"))}
    assert known_of(lost).complete_length is None
    assert not serves_ranges(lost)
