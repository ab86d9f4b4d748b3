"""Resumable Uploads for HTTP (draft-ietf-httpbis-resumable-upload), clause by clause, put to both apps."""

import json
import re

import pytest

from tests.uploads.draft_table import PARTIAL, append, ask, check_rest, check_row, create, digest
from tests.uploads.tus_table import ABSENT, ANY, DATA, EXPIRES, LENGTH, MAX_SIZE, STORED, Row, check_answer
from tests.uploads.twins import NAMES, PATH, Twin, in_turns

REST = DATA[STORED:]
LIMIT = re.compile(rf"(?=.*\bmax-size={MAX_SIZE}\b).*")
OK = (200, 201, 204)
REFUSED = (400, 403, 409, 411, 412, 413, 415)
PROBLEMS = "https://iana.org/assignments/http-problem-types#"
JSON = "application/problem+json"
UNFINISHED = {"Upload-Complete": "?0"}
FINISHED = {"Upload-Complete": "?1"}


@pytest.fixture(params=NAMES)
def twin(request, tmp_path):
    return Twin(request.param, tmp_path, max_size=MAX_SIZE, expires=EXPIRES)


def created(**fields):
    return {name.replace("_", "-"): value for name, value in fields.items()}


CREATION = {
    "?1 with all content: answered as the target would, complete":
        Row("none", "POST", created(Upload_Complete="?1"), OK, FINISHED, LENGTH, DATA),
    **{f"{method} can create (any method with content)":
       Row("none", method, created(Upload_Complete="?1"), OK, FINISHED, LENGTH, DATA) for method in ("PUT", "PATCH")},
    "?1 with chunked content completes": Row("none", "POST", created(Upload_Complete="?1"), OK, FINISHED, LENGTH, DATA,
                                             {"declared": None}),
    "?0 with content: Location and Upload-Limit (MUST), 201 (RECOMMENDED)":
        Row("none", "POST", created(Upload_Complete="?0"), 201, {"Location": ANY, "Upload-Limit": LIMIT, **UNFINISHED},
            STORED, DATA[:STORED]),
    "?0 without content: 201 with Location":
        Row("none", "POST", created(Upload_Complete="?0"), 201, {"Location": ANY}, 0),
    "?0 with all content is not complete":
        Row("none", "POST", created(Upload_Complete="?0", Upload_Length="10"), 201, UNFINISHED, LENGTH, DATA),
    "?1 with a matching Upload-Length": Row("none", "POST", created(Upload_Complete="?1", Upload_Length="10"), OK,
                                            FINISHED, LENGTH, DATA),
    "?1 with another Upload-Length is refused (MUST match)":
        Row("none", "POST", created(Upload_Complete="?1", Upload_Length="11"), 400, {"Content-Type": JSON}, -1, DATA),
    "?1 with chunked content of another Upload-Length is refused":
        Row("none", "POST", created(Upload_Complete="?1", Upload_Length="11"), 400, {"Content-Type": JSON}, -1, DATA,
            {"declared": None}),
    "?1 cut short is not complete (MUST NOT), and what came is kept (SHOULD)":
        Row("none", "POST", created(Upload_Complete="?1"), REFUSED, {"Location": ANY, **UNFINISHED}, STORED,
            DATA[:STORED], {"declared": LENGTH, "cut": True}),
    "?1 with chunked content cut short is not complete (MUST NOT)":
        Row("none", "POST", created(Upload_Complete="?1"), REFUSED, {"Location": ANY, **UNFINISHED}, STORED,
            DATA[:STORED], {"declared": None, "cut": True}),
    "a length beyond max-size is 413 with Upload-Limit (MUST)":
        Row("none", "POST", created(Upload_Complete="?0", Upload_Length="1001"), 413, {"Upload-Limit": LIMIT}),
    "content beyond max-size is 413 with Upload-Limit (MUST)":
        Row("none", "POST", created(Upload_Complete="?1"), 413, {"Upload-Limit": LIMIT}, -1, b"x" * 1001),
    "chunked content beyond max-size is 413 with Upload-Limit (MUST)":
        Row("none", "POST", created(Upload_Complete="?1"), 413, {"Upload-Limit": LIMIT}, -1, b"x" * 1001,
            {"declared": None}),
    "OPTIONS has Accept-Patch with the whole type (MUST), and Upload-Limit (SHOULD)":
        Row("none", "OPTIONS", {}, OK, {"Accept-Patch": re.compile(".*application/partial-upload.*"),
                                        "Upload-Limit": LIMIT}),
    "what has no content cannot create": Row("none", "GET", created(Upload_Complete="?1"), 405, {"Location": ABSENT}),
}

RETRIEVAL = {
    "HEAD tells offset, completeness and limits, and no length that nobody told (MUST)":
        Row("half", "HEAD", {}, OK, {"Upload-Offset": "4", "Upload-Limit": LIMIT, "Upload-Length": ABSENT,
                                     "Cache-Control": "no-store", **UNFINISHED}, STORED),
    "HEAD tells the length that is known (MUST)":
        Row("half of known length", "HEAD", {}, OK, {"Upload-Offset": "4", "Upload-Length": "10", **UNFINISHED},
            STORED),
    "HEAD of a finished upload (MUST)":
        Row("whole", "HEAD", {}, OK, {"Upload-Offset": "10", "Upload-Length": "10", "Upload-Limit": ANY, **FINISHED}),
    "offset equal to length does not make it complete":
        Row("all, not completed", "HEAD", {}, OK, {"Upload-Offset": "10", "Upload-Length": "10", **UNFINISHED}, LENGTH),
    "HEAD tells the remaining life as max-age": Row("new", "HEAD", {}, OK, {"Upload-Limit": re.compile(
        r".*max-age=(3600|359\d)\b.*")}),
    "GET of an unfinished upload tells the offset":
        Row("half", "GET", {}, 204, {"Upload-Offset": "4", "Cache-Control": "no-store", **UNFINISHED}, STORED),
    "HEAD of what has ended is 404 or 410": Row("ended", "HEAD", {}, (404, 410), {"Upload-Offset": ABSENT}),
}

APPEND = {
    "?0: 2xx with Upload-Complete: ?0 (MUST)":
        Row("half", "PATCH", append(STORED), OK, UNFINISHED, LENGTH, REST),
    "?1: Upload-Complete: ?1 (MUST)": Row("half", "PATCH", append(STORED, "?1"), OK, FINISHED, LENGTH, REST),
    "?1 without content completes": Row("all, not completed", "PATCH", append(LENGTH, "?1"), OK, FINISHED, LENGTH),
    "?0 up to the length does not complete":
        Row("half of known length", "PATCH", append(STORED), OK, UNFINISHED, LENGTH,
                                                 REST),
    "?1 short of the length is refused": Row("half of known length", "PATCH", append(STORED, "?1"), 400,
                                             {"Content-Type": JSON}, STORED, DATA[4:6]),
    "?1 with chunked content short of the length is refused, and what came kept":
        Row("half of known length", "PATCH", append(STORED, "?1"), 400, {"Content-Type": JSON}, 6, DATA[4:6],
            {"declared": None}),
    "another offset is 409 with the right one (MUST)":
        Row("half", "PATCH", append(5), 409, {"Upload-Offset": "4", "Content-Type": JSON, **UNFINISHED}, STORED, b"x"),
    "an offset before it is 409 too (MUST)":
        Row("half", "PATCH", append(3), 409, {"Upload-Offset": "4"}, STORED, b"x"),
    "another offset with ?1 and nothing is 409 (MUST)":
        Row("half", "PATCH", append(10, "?1"), 409, {"Upload-Offset": "4", **UNFINISHED}, STORED),
    "cut short keeps what came (SHOULD), not complete (MUST NOT)":
        Row("half", "PATCH", append(STORED, "?1"), REFUSED, UNFINISHED, 7, DATA[4:7], {"declared": 6, "cut": True}),
    "chunked and cut short keeps what came, not complete":
        Row("half", "PATCH", append(STORED, "?1"), REFUSED, UNFINISHED, 7, DATA[4:7], {"declared": None, "cut": True}),
    "more than the length is refused, and the upload ends (MUST)":
        Row("half of known length", "PATCH", append(STORED), 400, {"Content-Type": JSON}, None, REST + b"x"),
    "more chunked content than the length is refused, and the upload ends (MUST)":
        Row("half of known length", "PATCH", append(STORED), 400, {"Content-Type": JSON}, None, REST + b"x",
            {"declared": None}),
    "more than max-size is 413 with Upload-Limit (MUST)":
        Row("half", "PATCH", append(STORED), 413, {"Upload-Limit": LIMIT}, STORED, b"x" * 997),
    "content for a finished upload is an inconsistent length (MUST), and changes nothing":
        Row("whole", "PATCH", append(LENGTH), 400, {"Content-Type": JSON}, LENGTH, b"x"),
    "content with ?1 for a finished upload is an inconsistent length (MUST)":
        Row("whole", "PATCH", append(LENGTH, "?1"), 400, {"Content-Type": JSON}, LENGTH, b"x"),
    "chunked content for a finished upload is refused": Row("whole", "PATCH", append(LENGTH), REFUSED, {}, LENGTH, b"x",
                                                            {"declared": None}),
    "nothing for a finished upload is rejected (MUST)":
        Row("whole", "PATCH", append(LENGTH, "?1"), (400, 410), {"Content-Type": JSON}, LENGTH),
    "a length that differs from an earlier one is refused (MUST match)":
        Row("half of known length", "PATCH", append(STORED, Upload_Length="11"), 400, {"Content-Type": JSON}, STORED,
            REST),
    "a length told later is recorded (MUST)":
        Row("half", "PATCH", append(STORED, Upload_Length="10"), OK, UNFINISHED, 6, DATA[4:6]),
    "a length below the offset is refused": Row("half", "PATCH", append(STORED, Upload_Length="3"), 400, {}, STORED),
    "another type is refused": Row("half", "PATCH", append(STORED, Content_Type="application/octet-stream"), (412, 415),
                                   {}, STORED, REST),
    "no upload is 404 or 410": Row("ended", "PATCH", append(0), (404, 410), {}, None, DATA),
    "DELETE is 2xx, and the upload is gone (SHOULD)": Row("half", "DELETE", {}, OK, {}, None),
    "DELETE of a finished upload": Row("whole", "DELETE", {}, OK, {}, None),
    "DELETE of what has ended": Row("ended", "DELETE", {}, (404, 410)),
}

DIGESTS = {
    **{f"Content-Digest {algorithm} that is right": Row("half", "PATCH", append(
        STORED, Content_Digest=digest(algorithm, REST)), OK, UNFINISHED, LENGTH, REST)
           for algorithm in ("sha-256", "sha-512")},
    "Content-Digest that is wrong: nothing is appended (SHOULD)":
        Row("half", "PATCH", append(STORED, "?1", Content_Digest=digest("sha-256", b"x")), 400, UNFINISHED, STORED,
            REST),
    "one of two digests that is wrong": Row("half", "PATCH", append(
        STORED, Content_Digest=f"{digest('sha-256', REST)}, {digest('sha-512', b'x')}"), 400, {}, STORED, REST),
    "Content-Digest at creation that is wrong": Row("none", "POST", created(
        Upload_Complete="?0", Content_Digest=digest("sha-256", b"x")), 400, {"Location": ABSENT}, -1, DATA),
    "Repr-Digest that is right": Row("none", "POST", created(
        Upload_Complete="?1", Repr_Digest=digest("sha-256", DATA)), OK, FINISHED, LENGTH, DATA),
    "Repr-Digest that is wrong fails the upload (SHOULD)": Row("none", "POST", created(
        Upload_Complete="?1", Repr_Digest=digest("sha-256", b"x")), 400, {"Location": ABSENT}, -1, DATA),
    **{f"a Content-Digest that cannot be checked is ignored: {value}":
       Row("half", "PATCH", append(STORED, Content_Digest=value), OK, {}, LENGTH, REST)
       for value in ("md5=:AAAA:", "", "sha-256", "sha-256=AAAA", "unixsum=:AAA=:")},
    **{f"a Content-Digest that is malformed is ignored or refused: {value}":
       Row("half", "PATCH", append(STORED, Content_Digest=value), (*OK, 400), {}, -1, REST)
       for value in ("sha-256=:AAAA:", "sha-256=:!!:", "sha-256=::", "sha-256=:AAAA:, ", "\u00e9=:AAAA:")},
}

NO_INTEGERS = ("-1", "+4", "1_0", "4e0", str(10**25), "", "4, 4", "0x4", "4.0", "four", "\u00b2", "4 4", '"4"',
    ":NA==:",
               "?1", "4;", "4; ", "4;A", "4;a=", "4 ;a", "4;a, 4", "4\t", "(4)", "1" * 16, "4;a=\u00e9")
INTEGERS = ("4", "04", " 4 ", "4;a", "4; a=1;b=\"x;y\"", "4;a=?0", "000000000000004")
NO_BOOLEANS = ("1", "true", "?2", "?", "", "?1, ?1", "? 1", '"?1"', "?10", "?T", "?1;", "?1;A", "?1;a=", "?1 ;a",
    "?1;a, ?1")
BOOLEANS = ("?1", " ?1 ", "?1;a", "?1; a=b")

FIELDS = {
    **{f"Upload-Offset that is no integer is ignored (MUST), so it is missing: {value!r}":
       Row("half", "PATCH", append(value), 400, {}, STORED, REST) for value in NO_INTEGERS},
    **{f"Upload-Offset as a structured field allows it: {value!r}":
       Row("half", "PATCH", append(value), OK, UNFINISHED, LENGTH, REST) for value in INTEGERS},
    **{f"Upload-Length that is no integer is ignored (MUST): {value!r}":
       Row("half", "PATCH", append(STORED, Upload_Length=value), OK, UNFINISHED, LENGTH, REST)
          for value in NO_INTEGERS},
    **{f"Upload-Complete that is no boolean is ignored (MUST), so it is missing: {value!r}":
       Row("half", "PATCH", append(STORED, value), (400, 412, 415), {}, STORED, REST) for value in NO_BOOLEANS},
    **{f"Upload-Complete as a structured field allows it: {value!r}":
       Row("half", "PATCH", append(STORED, value), OK, FINISHED, LENGTH, REST) for value in BOOLEANS},
    **{f"creation with an Upload-Complete that is no boolean makes no upload: {value!r}":
       Row("none", "POST", created(Upload_Complete=value), (400, 412), {"Location": ABSENT}, -1, DATA)
       for value in NO_BOOLEANS},
    **{f"the type with parameters and in other letters: {value}":
       Row("half", "PATCH", append(STORED, Content_Type=value), OK, UNFINISHED, LENGTH, REST)
       for value in (f"{PARTIAL}; a=b", "Application/Partial-Upload", f"{PARTIAL} ;a=b")},
    **{f"content with odd descriptions is taken: {name}":
       Row("none", "POST", created(Upload_Complete="?1", Content_Disposition=value), OK, FINISHED, LENGTH, DATA)
       for name, value in {"no name": "inline", "cut": 'inline; filename="', "charset": "inline; filename*=x''%ff",
                           "continuations": "inline; filename*0=a; filename*9999999999=b", "long": "x" * 5000,
                           "path": 'inline; filename="../../etc/passwd"', "raw": 'inline; filename="\u00e9"'}.items()},
    "content longer than declared: no more than declared counts":
        Row("half", "PATCH", append(STORED), (*OK, *REFUSED), {}, 6, DATA[4:6] + b"xx", {"declared": 2}),
    **{f"a Content-Length that no server lets through completes nothing: {value}":
       Row("half", "PATCH", append(STORED, "?1"), REFUSED, {}, STORED, REST, {"declared": value})
       for value in ("-1", str(10**25), "6, 6", "x")},
    **{f"{method} to an upload is 405": Row("half", method, created(Upload_Complete="?1"), 405, {"Allow": ANY},
        STORED, REST)
       for method in ("PUT", "POST", "BREW")},
}

TABLES = {"creation": CREATION, "offset retrieval": RETRIEVAL, "append and cancel": APPEND, "digests": DIGESTS,
          "fields": FIELDS}
ALL = {f"{title}: {name}": row for title, table in TABLES.items() for name, row in table.items()}


@pytest.mark.parametrize(("row", "twin"), in_turns(ALL), indirect=["twin"])
def test_clause(row, twin):
    check_row(twin, row)


def problem(answer):
    check_answer(answer, answer.status, {"Content-Type": JSON})
    return json.loads(answer.body)


def test_problem_of_a_mismatching_offset(twin):
    answer = ask(twin, "PATCH", create(twin, DATA[:STORED]), append(7), b"x")
    told = problem(answer)
    assert told["type"] == PROBLEMS + "mismatching-upload-offset"
    assert (told["expected-offset"], told["provided-offset"]) == (STORED, 7)


def test_problem_of_an_inconsistent_length(twin):
    fields = created(Upload_Complete="?1", Upload_Length="11")
    assert problem(ask(twin, "POST", PATH, fields, DATA))["type"] == PROBLEMS + "inconsistent-upload-length"


def test_problem_of_a_completed_upload(twin):
    answer = ask(twin, "PATCH", create(twin, DATA, "?1"), append(LENGTH, "?1"))
    assert problem(answer)["type"] == PROBLEMS + "completed-upload"


@pytest.mark.parametrize("complete", ["?0", "?1"])
def test_problem_of_content_for_a_completed_upload(complete, twin):
    answer = ask(twin, "PATCH", create(twin, DATA, "?1"), append(LENGTH, complete), b"x")
    assert problem(answer)["type"] == PROBLEMS + "inconsistent-upload-length"


def test_limits_are_said_to_be_none_by_a_min_size_of_0(tmp_path):
    for name in NAMES:
        (tmp_path / name).mkdir()
        answer = ask(Twin(name, tmp_path / name), "OPTIONS", PATH, {})
        assert answer.get("Upload-Limit") == "min-size=0"


def test_description_of_the_file_comes_with_the_creation(twin):
    path = create(twin, DATA, "?1", Content_Type="image/png",
        Content_Disposition="inline; filename*=UTF-8''%e2%82%ac.png")
    answer = ask(twin, "GET", path, {})
    check_answer(answer, 200, {"Content-Type": "image/png", "Content-Disposition": re.compile(
        r"attachment;.*filename\*=UTF-8''%E2%82%AC\.png")})


def test_wrong_digest_of_the_whole_at_the_last_append(twin):
    path = create(twin, DATA[:STORED], Repr_Digest=digest("sha-256", b"other"))
    check_answer(ask(twin, "PATCH", path, append(STORED, "?1"), REST), range_of(400), {})
    assert ask(twin, "GET", path, {}).status in (404, 410)


def range_of(hundred):
    return tuple(range(hundred, hundred + 100))


def test_right_digest_of_the_whole_at_the_last_append(twin):
    path = create(twin, DATA[:STORED], Repr_Digest=digest("sha-256", DATA))
    check_answer(ask(twin, "PATCH", path, append(STORED, "?1"), REST), OK, FINISHED)
    check_rest(twin, path, LENGTH)


def test_location_of_all_messages_is_the_same(twin):
    path = create(twin, DATA[:STORED])
    last = ask(twin, "PATCH", path, append(STORED, "?1"), REST)
    assert last.get("Location") in (None, path)


def test_metadata_of_tus_does_not_make_it_a_request_of_tus(twin):
    check_rest(twin, create(twin, DATA[:STORED], Upload_Metadata="filename Zg=="), STORED)


def test_each_protocol_reads_what_the_other_has_created(twin):
    path = create(twin, DATA[:STORED], Upload_Length=str(LENGTH))
    tus = {"Tus-Resumable": "1.0.0", "Upload-Offset": "4", "Content-Type": "application/offset+octet-stream"}
    check_answer(ask(twin, "PATCH", path, tus, DATA[4:8]), 204, {"Upload-Offset": "8", "Tus-Resumable": "1.0.0"})
    check_rest(twin, path, 8)
