"""tus 1.0, clause by clause, put to both apps. Expected values come from the text of the protocol."""

import base64
import re

import pytest

from tests.uploads.tus_table import (
    ABSENT,
    ANY,
    DATA,
    DATE,
    EXPIRES,
    LENGTH,
    MAX_SIZE,
    OCTETS,
    STORED,
    Row,
    append,
    ask,
    check_answer,
    check_rest,
    check_row,
    checksum,
    create,
)
from tests.uploads.twins import NAMES, PATH, Twin, in_turns

VERSION = {"Tus-Resumable": "1.0.0"}
REST = DATA[STORED:]
PATH_PATTERN = "/files/[0-9a-f]{32}"
REFUSED = (400, 403, 404, 405, 409, 411, 412, 413, 415)


@pytest.fixture(params=NAMES)
def twin(request, tmp_path):
    return Twin(request.param, tmp_path, max_size=MAX_SIZE, expires=EXPIRES)


CORE = {
    "HEAD tells Upload-Offset, also where it is 0 (MUST)":
        Row("new", "HEAD", {}, (200, 204), {"Upload-Offset": "0", **VERSION}, 0),
    "HEAD tells what is stored (MUST)": Row("half", "HEAD", {}, (200, 204), {"Upload-Offset": str(STORED)}, STORED),
    "HEAD tells Upload-Offset of a finished upload too (MUST)":
        Row("whole", "HEAD", {}, (200, 204), {"Upload-Offset": str(LENGTH)}, LENGTH),
    "HEAD tells Upload-Length where it is known (MUST)":
        Row("half", "HEAD", {}, (200, 204), {"Upload-Length": str(LENGTH)}),
    "HEAD may not be cached: no-store (MUST)": Row("half", "HEAD", {}, (200, 204), {"Cache-Control": "no-store"}),
    "HEAD on no upload is 404, 410 or 403 without Upload-Offset (SHOULD, MUST NOT)":
        Row("ended", "HEAD", {}, (403, 404, 410), {"Upload-Offset": ABSENT, **VERSION}),
    "PATCH that fits is 204 and tells the new offset (MUST)":
        Row("new", "PATCH", append(0), 204, {"Upload-Offset": "3", **VERSION}, 3, DATA[:3]),
    "PATCH applies its bytes at the offset (MUST)":
        Row("half", "PATCH", append(STORED), 204, {"Upload-Offset": str(LENGTH)}, LENGTH, REST),
    "PATCH at an offset behind the end is 409 and changes nothing (MUST)":
        Row("half", "PATCH", append(5), 409, VERSION, STORED, DATA[5:]),
    "PATCH at an offset before the end is 409 and changes nothing (MUST)":
        Row("half", "PATCH", append(3), 409, VERSION, STORED, b"x"),
    "PATCH at 0 of an upload that has bytes is 409 (MUST)": Row("half", "PATCH", append(0), 409, {}, STORED, DATA),
    "PATCH of another type is 415 (SHOULD)":
        Row("half", "PATCH", {**append(STORED), "Content-Type": "application/octet-stream"}, 415, VERSION, STORED,
            REST),
    "PATCH without a type is 415 (SHOULD)":
        Row("half", "PATCH", {**append(STORED), "Content-Type": None}, 415, VERSION, STORED, REST),
    "PATCH to no upload is 404, without making one (SHOULD)":
        Row("ended", "PATCH", append(0), (403, 404, 410), VERSION, None, DATA),
    "PATCH cut short keeps what came (SHOULD)":
        Row("half", "PATCH", append(STORED), REFUSED, {}, 7, DATA[4:7], {"declared": 6, "cut": True}),
    "PATCH of chunked content cut short keeps what came (SHOULD)":
        Row("half", "PATCH", append(STORED), REFUSED, {}, 7, DATA[4:7], {"declared": None, "cut": True}),
    "PATCH of chunked content is stored": Row("half", "PATCH", append(STORED), 204, {}, LENGTH, REST,
                                              {"declared": None}),
    "PATCH of nothing is 204 at the same offset": Row("half", "PATCH", append(STORED), 204,
                                                      {"Upload-Offset": str(STORED)}, STORED),
    "PATCH of nothing to a finished upload is 204": Row("whole", "PATCH", append(LENGTH), 204,
                                                        {"Upload-Offset": str(LENGTH)}, LENGTH),
    "PATCH of more than the length is refused, and no byte behind it stored":
        Row("half", "PATCH", append(STORED), (400, 413), VERSION, STORED, REST + b"x"),
    "PATCH of more chunked content than the length stores none behind it":
        Row("half", "PATCH", append(STORED), (400, 413), VERSION, STORED, REST + b"x", {"declared": None}),
    "PATCH with more to a finished upload is refused": Row("whole", "PATCH", append(LENGTH), (400, 403, 409, 413), {},
                                                           LENGTH, b"x"),
    "OPTIONS is 200 or 204 and tells the versions (MUST)":
        Row("none", "OPTIONS", {"Tus-Resumable": None}, (200, 204), {"Tus-Version": "1.0.0"}),
    "OPTIONS with a strange version is answered all the same (MUST NOT be looked at)":
        Row("none", "OPTIONS", {"Tus-Resumable": "0.2.2"}, (200, 204), {"Tus-Version": "1.0.0"}),
    "OPTIONS tells the largest size (MAY)": Row("none", "OPTIONS", {}, (200, 204), {"Tus-Max-Size": str(MAX_SIZE)}),
    "another version is 412 with Tus-Version, and not processed (MUST)":
        Row("half", "PATCH", append(STORED, Tus_Resumable="1.0.1"), 412, {"Tus-Version": "1.0.0", **VERSION}, STORED,
            REST),
    "another version at creation is 412 with Tus-Version (MUST)":
        Row("none", "POST", {"Tus-Resumable": "0.2.2", "Upload-Length": "10"}, 412, {"Tus-Version": "1.0.0"}),
    "no version at creation is 412 with Tus-Version (MUST)":
        Row("none", "POST", {"Tus-Resumable": None, "Upload-Length": "10"}, 412, {"Tus-Version": "1.0.0"}),
    "another version of DELETE is 412 and ends nothing (MUST NOT process)":
        Row("half", "DELETE", {"Tus-Resumable": "2.0.0"}, 412, {"Tus-Version": "1.0.0"}, STORED),
    "POST that overrides to PATCH is a PATCH (MUST)":
        Row("half", "POST", append(STORED, X_HTTP_Method_Override="PATCH"), 204, {"Upload-Offset": "10"}, LENGTH, REST),
    "POST that overrides to DELETE ends the upload (MUST)":
        Row("half", "POST", {"X-HTTP-Method-Override": "DELETE"}, 204, VERSION, None),
    "POST that overrides to HEAD tells the offset (MUST)":
        Row("half", "POST", {"X-HTTP-Method-Override": "HEAD"}, (200, 204), {"Upload-Offset": str(STORED)}, STORED),
}

CREATION = {
    "OPTIONS names the extensions (MUST)": Row("none", "OPTIONS", {}, (200, 204), {"Tus-Extension": ANY}),
    "POST with Upload-Length is 201 with Location (MUST)":
        Row("none", "POST", {"Upload-Length": "10"}, 201, {"Location": ANY, **VERSION}, 0),
    "Upload-Length of 0 is an upload at once complete":
        Row("none", "POST", {"Upload-Length": "0"}, 201, {"Location": ANY}, 0),
    "neither length nor deferral is 400": Row("none", "POST", {}, 400, VERSION),
    "both a length and a deferral is 400":
        Row("none", "POST", {"Upload-Length": "10", "Upload-Defer-Length": "1"}, 400, {"Location": ABSENT}),
    "Upload-Defer-Length other than 1 is 400 (MUST)":
        Row("none", "POST", {"Upload-Defer-Length": "0"}, 400, {"Location": ABSENT}),
    "Upload-Defer-Length of 2 is 400 (MUST)": Row("none", "POST", {"Upload-Defer-Length": "2"}, 400),
    "a length beyond Tus-Max-Size is 413 (MUST)":
        Row("none", "POST", {"Upload-Length": str(MAX_SIZE + 1)}, 413, {"Location": ABSENT, **VERSION}),
    "a length of Tus-Max-Size is taken": Row("none", "POST", {"Upload-Length": str(MAX_SIZE)}, 201),
    "HEAD tells Upload-Metadata as it was given (MUST)":
        Row("described", "HEAD", {}, (200, 204), {"Upload-Metadata": "filename d29ybGQ=,empty,is_confidential "}, 0),
    "HEAD of an upload without metadata has no Upload-Metadata": Row("new", "HEAD", {}, 200,
                                                                     {"Upload-Metadata": ABSENT}),
    "a deferred length: HEAD says Upload-Defer-Length: 1 and no length (MUST)":
        Row("deferred", "HEAD", {}, (200, 204), {"Upload-Defer-Length": "1", "Upload-Length": ABSENT}, STORED),
    "a deferred length is set by a PATCH (MUST)":
        Row("deferred", "PATCH", append(STORED, Upload_Length="10"), 204, {"Upload-Offset": "10"}, LENGTH, REST),
    "a deferred length may be set by a PATCH of nothing":
        Row("deferred", "PATCH", append(STORED, Upload_Length="10"), 204, {"Upload-Offset": "4"}, STORED),
    "a deferred length that is what is stored completes the upload":
        Row("deferred", "PATCH", append(STORED, Upload_Length="4"), 204, {"Upload-Offset": "4"}, STORED),
    "a deferred length less than what is stored is refused":
        Row("deferred", "PATCH", append(STORED, Upload_Length="3"), (400, 409), {}, STORED),
    "a deferred length beyond Tus-Max-Size is refused":
        Row("deferred", "PATCH", append(STORED, Upload_Length=str(MAX_SIZE + 1)), (400, 413), {}, STORED),
    "a length that is set does not change (MUST)":
        Row("half", "PATCH", append(STORED, Upload_Length="11"), (400, 409), {}, STORED, REST),
    "the same length once more is taken":
        Row("half", "PATCH", append(STORED, Upload_Length="10"), 204, {}, LENGTH, REST),
}

WITH_UPLOAD = {
    "content at creation is stored, and 201 tells Upload-Offset (MUST)":
        Row("none", "POST", {"Upload-Length": "10", "Content-Type": OCTETS}, 201,
            {"Location": ANY, "Upload-Offset": "4"}, STORED, DATA[:STORED]),
    "all content at creation makes it complete":
        Row("none", "POST", {"Upload-Length": "10", "Content-Type": OCTETS}, 201, {"Upload-Offset": "10"}, LENGTH,
            DATA),
    "chunked content at creation is stored":
        Row("none", "POST", {"Upload-Length": "10", "Content-Type": OCTETS}, 201, {"Upload-Offset": "10"}, LENGTH, DATA,
            {"declared": None}),
    "content at creation with a deferred length is stored":
        Row("none", "POST", {"Upload-Defer-Length": "1", "Content-Type": OCTETS}, 201, {"Upload-Offset": "4"}, STORED,
            DATA[:STORED]),
    "content at creation of another type is not stored (MUST)":
        Row("none", "POST", {"Upload-Length": "10", "Content-Type": "text/plain"}, 415, {"Location": ABSENT}, -1, DATA),
    "more content at creation than the length is refused":
        Row("none", "POST", {"Upload-Length": "9", "Content-Type": OCTETS}, (400, 413), {"Location": ABSENT}, -1, DATA),
}

CHECKSUMS = {
    "OPTIONS names the algorithms (MUST), sha1 among them (MUST)":
        Row("none", "OPTIONS", {}, (200, 204), {"Tus-Checksum-Algorithm": "sha1,sha256,md5"}),
    "a wrong checksum is 460, and the content is dropped (MUST)":
        Row("half", "PATCH", append(STORED, Upload_Checksum=checksum("sha1", b"other")), 460, VERSION, STORED, REST),
    "a wrong checksum of chunked content is 460 too":
        Row("half", "PATCH", append(STORED, Upload_Checksum=checksum("sha1", b"other")), 460, VERSION, STORED, REST,
            {"declared": None}),
    "an algorithm that is not named is 400 (MUST)":
        Row("half", "PATCH", append(STORED, Upload_Checksum="crc32 AAAAAA=="), 400, VERSION, STORED, REST),
    "a wrong checksum at creation is 460 and leaves nothing":
        Row("none", "POST", {"Upload-Length": "10", "Content-Type": OCTETS, "Upload-Checksum": checksum("md5", b"x")},
            460, {"Location": ABSENT}, -1, DATA),
    "a right checksum at creation is 201":
        Row("none", "POST", {"Upload-Length": "10", "Content-Type": OCTETS, "Upload-Checksum": checksum("md5", DATA)},
            201, {"Upload-Offset": "10"}, LENGTH, DATA),
    **{f"a right {algorithm} is 204 (MUST)":
       Row("half", "PATCH", append(STORED, Upload_Checksum=checksum(algorithm, REST)), 204, {}, LENGTH, REST)
       for algorithm in ("sha1", "sha256", "md5")},
    **{f"a malformed checksum is 400: {value or 'empty'}":
       Row("half", "PATCH", append(STORED, Upload_Checksum=value), 400, {}, STORED, REST)
       for value in ("", "sha1", "sha1 ", "sha1 !!!!", "sha1 AAAA", "SHA1", "sha1 AAAA=AAA", "sha1\u00e9 AAAA", " ",
                     checksum("md5", REST).replace("md5", "sha1"), checksum("sha1", REST) + ",sha1 AAAA")},
}

ENDING = {
    "DELETE is 204 (MUST), and later requests 404 or 410 (SHOULD)": Row("half", "DELETE", {}, 204, VERSION, None),
    "DELETE of a finished upload ends it too": Row("whole", "DELETE", {}, 204, VERSION, None),
    "DELETE of what is gone is 404 or 410 (SHOULD)": Row("ended", "DELETE", {}, (404, 410), VERSION),
    "creation tells Upload-Expires where it is known (MUST)":
        Row("none", "POST", {"Upload-Length": "10"}, 201, {"Upload-Expires": DATE}),
    "PATCH tells Upload-Expires of what is going to expire (MUST)":
        Row("new", "PATCH", append(0), 204, {"Upload-Expires": DATE}, 3, DATA[:3]),
    "HEAD to what has expired is 404 or 410 (SHOULD)":
        Row("expired", "HEAD", {}, (404, 410), {"Upload-Offset": ABSENT}),
    "PATCH to what has expired is 404 or 410 (SHOULD)":
        Row("expired", "PATCH", append(STORED), (404, 410), VERSION, None, REST),
}

CONCATENATION = {
    "a partial upload says so in HEAD (MUST)":
        Row("partial", "HEAD", {}, (200, 204), {"Upload-Concat": "partial", "Upload-Offset": "5"}),
    "a final upload: HEAD tells Upload-Concat as it was given (MUST)":
        Row("final", "HEAD", {}, (200, 204), {"Upload-Concat": re.compile(
            f"final;{PATH_PATTERN} {PATH_PATTERN}")}),
    "a final upload has its length and offset (MUST once it is done)":
        Row("final", "HEAD", {}, (200, 204), {"Upload-Length": "10", "Upload-Offset": "10"}, LENGTH),
    "PATCH to a final upload is 403 and changes nothing (MUST)":
        Row("final", "PATCH", append(LENGTH), 403, VERSION, LENGTH, b"x"),
    "PATCH of nothing to a final upload is 403 (MUST)": Row("final", "PATCH", append(LENGTH), 403, VERSION, LENGTH),
    **{f"Upload-Concat that is no concatenation is 400: {value}":
       Row("none", "POST", {"Upload-Length": "10", "Upload-Concat": value}, 400, {"Location": ABSENT})
       for value in ("other", "partial;x", "Partial;", "final", "final;", "final; ", ";")},
    **{f"parts that are no uploads are refused: {address!r}":
       Row("none", "POST", {"Upload-Concat": f"final;{address}"}, (400, 404, 410), {"Location": ABSENT})
       for address in (f"/files/{'0' * 32}", "/files/", "/files/../../etc/passwd", "/files/%00", "\x7f", "a" * 3000,
                       f"/files/{'0' * 31}", f"/files/{'A' * 32}", f"http://else.where/{'0' * 32}")},
}

NUMBERS = ("-1", "+1", "1_0", "1e3", str(10**25), "", "10, 10", "0x0a", "10.0", "ten", "\u00b2", "1 0", "-0",
    "1" * 5000)

WRONG = {
    **{f"Upload-Length is a number or the answer is 400: {value[:30]!r}":
       Row("none", "POST", {"Upload-Length": value}, (400, 413), {"Location": ABSENT, **VERSION}) for value in NUMBERS},
    **{f"Upload-Offset is a number or the answer is 400: {value[:30]!r}":
       Row("half", "PATCH", append(value), (400, 409), VERSION, STORED, REST) for value in NUMBERS},
    **{f"a deferred length is a number or the answer is 400: {value[:30]!r}":
       Row("deferred", "PATCH", append(STORED, Upload_Length=value), (400, 413), VERSION, STORED, REST)
       for value in NUMBERS},
    "PATCH without Upload-Offset is 400": Row("half", "PATCH", {"Content-Type": OCTETS}, (400, 409), {}, STORED, REST),
    **{f"the type in other letters is the same type: {value}":
       Row("half", "PATCH", {**append(STORED), "Content-Type": value}, 204, {}, LENGTH, REST)
       for value in ("Application/Offset+Octet-Stream", f" {OCTETS} ")},
    **{f"a type that is none is 415: {value!r}":
       Row("half", "PATCH", {**append(STORED), "Content-Type": value}, 415, {}, STORED, REST)
       for value in ("", ";", "application/offset+octet-streams", f"{OCTETS}, text/plain", "\u00e9", "*/*")},
    "a type with a parameter is taken or 415":
        Row("half", "PATCH", {**append(STORED), "Content-Type": f"{OCTETS}; a=b"},
                                                   (204, 415)),
    **{f"metadata that is malformed is 400: {name}":
       Row("none", "POST", {"Upload-Length": "1", "Upload-Metadata": value}, 400, {"Location": ABSENT})
       for name, value in {
           "no base64": "name !!!", "cut base64": "name Zm9", "url-safe base64": "name _-8=",
           "a key twice": "a Zg==,a Zg==",
           "an empty pair": "a Zg==,,b Zg==", "only a comma": ",", "a comma at the end": "a Zg==,",
           "non-ASCII key": "n\u00e4me Zg==", "non-ASCII value": "name \u00e4", "two values": "a Zg== Zg==",
           "a tab": "a\tZg=="}.items()},
    "metadata of nearly 8 KiB is taken":
        Row("none", "POST", {"Upload-Length": "1", "Upload-Metadata": "a " + base64.b64encode(b"x" * 6000).decode()},
            201),
    "metadata of 9 KiB is refused":
        Row("none", "POST", {"Upload-Length": "1", "Upload-Metadata": "a " + base64.b64encode(b"x" * 6900).decode()},
            (400, 413, 431), {"Location": ABSENT}),
    "metadata that is no UTF-8 is taken":
        Row("none", "POST", {"Upload-Length": "1", "Upload-Metadata": "a /////w=="}, 201),
    "spaces around pairs are taken":
        Row("none", "POST", {"Upload-Length": "1", "Upload-Metadata": "a Zg==, b Zg=="}, 201),
    **{f"a version is 1.0.0 or the answer is 412: {value!r}":
       Row("half", "PATCH", append(STORED, Tus_Resumable=value), 412, {"Tus-Version": "1.0.0"}, STORED, REST)
       for value in ("", "1", "1.0", "1.0.0, 1.0.0", "v1.0.0", "1.0.0-rc", "\u00e9")},
    **{f"{method} to an upload is 405": Row("half", method, {}, 405, {"Allow": ANY}, STORED)
       for method in ("PUT", "POST")},
    **{f"{method} where uploads are created is 405": Row("none", method, {}, 405, {"Allow": ANY})
       for method in ("PUT", "DELETE", "PATCH", "GET", "HEAD")},
    "a strange method is 405": Row("half", "BREW", {}, 405, {}, STORED),
    **{f"overriding to {value!r} is 405": Row("half", "POST", {"X-HTTP-Method-Override": value}, 405, {}, STORED)
       for value in ("BREW", "", "PATCH, DELETE", "\u00e9")},
    "overriding in small letters is taken or 405":
        Row("half", "POST", append(STORED, X_HTTP_Method_Override="patch"), (204, 405)),
    "content longer than declared: no more than declared is stored":
        Row("half", "PATCH", append(STORED), (204, *REFUSED), {}, 6, DATA[4:6] + b"xx", {"declared": 2}),
    "content shorter than declared is kept": Row("half", "PATCH", append(STORED), REFUSED, {}, 6, DATA[4:6],
                                                 {"declared": 6}),
    **{f"Content-Length that no server lets through stores nothing wrong: {value}":
       Row("half", "PATCH", append(STORED), (204, *REFUSED), {}, -1, REST, {"declared": value})
       for value in ("-1", str(10**25), "6, 6", "x")},
}

TABLES = {"core": CORE, "creation": CREATION, "creation-with-upload": WITH_UPLOAD, "checksum": CHECKSUMS,
          "termination and expiration": ENDING, "concatenation": CONCATENATION, "bad input": WRONG}
ALL = {f"{title}: {name}": row for title, table in TABLES.items() for name, row in table.items()}


@pytest.mark.parametrize(("row", "twin"), in_turns(ALL), indirect=["twin"])
def test_clause(row, twin):
    check_row(twin, row)


WRONG_IDS = ["%00", "\x00", "..", "../" + "0" * 32, "0" * 31, "0" * 33, "0123456789ABCDEF" * 2, "0" * 32 + "/",
             "0" * 32 + ".data", "\u00e9", "%2e%2e%2f", "0" * 31 + "\n", "\u0660" * 32, "x" * 5000, "usage"]


@pytest.mark.each
@pytest.mark.parametrize("method", ["HEAD", "GET", "PATCH", "DELETE"])
@pytest.mark.parametrize("id", WRONG_IDS, ids=lambda id: ascii(id[:40]))
def test_what_is_no_id_is_404(id, method, twin):
    path = (PATH + id).encode().decode("latin-1") if twin.name == "wsgi" else PATH + id
    fields = append(0) if method == "PATCH" else {}
    check_answer(ask(twin, method, path, fields, DATA if method == "PATCH" else b""), 404, {"Upload-Offset": ABSENT})
    assert list(twin.directory.iterdir()) == []


@pytest.mark.parametrize("method", ["HEAD", "GET"])
@pytest.mark.parametrize("override", ["GET", "PATCH", "DELETE", "POST"])
def test_override_of_a_safe_method_sends_no_content_and_changes_nothing(method, override, twin):
    path = create(twin, DATA, Upload_Length=str(LENGTH))
    answer = ask(twin, method, path, {"X-HTTP-Method-Override": override})
    assert method != "HEAD" or answer.body == b""
    check_rest(twin, path, LENGTH)


def test_extensions_are_all_named(twin):
    named = (ask(twin, "OPTIONS", PATH, {}).get("Tus-Extension") or "").split(",")
    assert {"creation", "creation-with-upload", "creation-defer-length", "termination", "expiration", "checksum",
            "concatenation"} <= {*named}


def test_two_parts_make_one_file_in_their_order(twin):
    first, second = (create(twin, part, Upload_Length="5", Upload_Concat="partial") for part in (DATA[:5], DATA[5:]))
    check_rest(twin, create(twin, Upload_Concat=f"final;{first} {second}"), LENGTH)
    reverse = ask(twin, "GET", create(twin, Upload_Concat=f"final;{second} {first}"), {})
    assert reverse.body == DATA[5:] + DATA[:5]


def test_parts_with_whole_addresses_are_found(twin):
    part = create(twin, DATA, Upload_Length=str(LENGTH), Upload_Concat="partial")
    check_rest(twin, create(twin, Upload_Concat=f"final;http://localhost{part}"), LENGTH)


def test_parts_whose_metadata_is_not_that_of_the_final_upload(twin):
    part = create(twin, DATA, Upload_Length=str(LENGTH), Upload_Concat="partial", Upload_Metadata="a Zg==")
    final = create(twin, Upload_Concat=f"final;{part}", Upload_Metadata="b Zg==")
    check_answer(ask(twin, "HEAD", final, {}), 200, {"Upload-Metadata": "b Zg=="})


def test_unfinished_parts_are_refused_or_waited_for(twin):
    part = create(twin, Upload_Length="5", Upload_Concat="partial")
    check_answer(ask(twin, "POST", PATH, {"Upload-Concat": f"final;{part}"}), (400, 403, 409), {"Location": ABSENT})


def test_final_upload_with_a_length_is_refused(twin):
    part = create(twin, DATA, Upload_Length=str(LENGTH), Upload_Concat="partial")
    fields = {"Upload-Concat": f"final;{part}", "Upload-Length": str(LENGTH)}
    check_answer(ask(twin, "POST", PATH, fields), 400, {"Location": ABSENT})


def test_final_upload_larger_than_allowed_is_413(twin):
    part = create(twin, b"x" * 600, Upload_Length="600", Upload_Concat="partial")
    check_answer(ask(twin, "POST", PATH, {"Upload-Concat": f"final;{part} {part}"}), 413, {"Location": ABSENT})


def test_final_upload_is_not_made_of_whole_uploads(twin):
    whole = create(twin, DATA, Upload_Length=str(LENGTH))
    check_answer(ask(twin, "POST", PATH, {"Upload-Concat": f"final;{whole}"}), (400, 403), {"Location": ABSENT})


def test_final_upload_takes_no_content(twin):
    part = create(twin, DATA, Upload_Length=str(LENGTH), Upload_Concat="partial")
    fields = {"Upload-Concat": f"final;{part}", "Content-Type": OCTETS}
    check_answer(ask(twin, "POST", PATH, fields, b"x"), (400, 403), {"Location": ABSENT})


def test_parts_stay_when_they_are_concatenated_and_final_stays_when_they_end(twin):
    part = create(twin, DATA, Upload_Length=str(LENGTH), Upload_Concat="partial")
    final = create(twin, Upload_Concat=f"final;{part}")
    check_answer(ask(twin, "DELETE", part, {}), 204, {})
    check_rest(twin, final, LENGTH)


def test_cut_patch_with_a_checksum_keeps_what_arrived(twin):
    """There is nothing yet that the checksum could be compared with; the draft says so of Content-Digest."""
    path = create(twin, Upload_Length=str(LENGTH))
    fields = append(0, Upload_Checksum=checksum("sha1", DATA))
    check_answer(ask(twin, "PATCH", path, fields, DATA[:7], declared=10, cut=True), REFUSED, {})
    check_rest(twin, path, 7)


def test_one_byte_at_a_time(twin):
    path = create(twin, Upload_Length=str(LENGTH))
    for offset in range(LENGTH):
        answer = ask(twin, "PATCH", path, append(offset), DATA[offset:offset + 1])
        check_answer(answer, 204, {"Upload-Offset": str(offset + 1)})
    check_rest(twin, path, LENGTH)
