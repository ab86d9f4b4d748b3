"""The planner of uploads: which request follows which response. Pure; time and chance are numbers here."""

from __future__ import annotations

from typing import Any

import pytest

from rangeware.client import DigestError, NetworkError
from rangeware.client.planning.response_head import ResponseHead
from rangeware.client.planning.upload_planner import CHECKED_CHUNK, SavedUpload, UploadPlanner
from rangeware.client.planning.upload_request import LocalFile, Purpose, UploadRequest, cancel
from rangeware.client.upload_options import UploadOptions

URL = "http://h/files/"
PLACE = "http://h/files/1"
FILE = LocalFile("a.txt", "text/plain", 1000, "00" * 32, {"k": "v"})
TUS = {"tus-version": "1.0.0"}
DRAFT = {"upload-limit": "min-size=0"}


class Talk:
    """A planner, and answers to what it asks, one a second."""

    def __init__(self, saved: SavedUpload | None = None, file: LocalFile = FILE, **options: Any) -> None:
        self.planner = UploadPlanner(URL, file, UploadOptions.from_mapping(options), saved)
        self.now = 0.0

    def ask(self) -> UploadRequest:
        self.now += 1000
        request = self.planner.next_request(self.now)
        assert request is not None
        return request

    def say(self, status: int, location: str | None = None, content: bytes = b"", is_spent: bool = True,
            **fields: str) -> Talk:
        head = ResponseHead(status, {name.replace("_", "-"): value for name, value in fields.items()})
        self.planner.on_response(self.ask(), head, location, self.now, 0.5, is_spent=is_spent, content=content)
        return self

    def begun(self, protocol: str = "tus") -> Talk:
        fields = TUS if protocol == "tus" else DRAFT
        self.say(204, **{name.replace("-", "_"): value for name, value in fields.items()})
        return self.say(201, PLACE)


@pytest.mark.parametrize(("protocol", "method", "fields"), [
    ("tus", "POST", {"Tus-Resumable": "1.0.0", "Upload-Length": "1000", "Content-Length": "0",
                     "Upload-Metadata": "filename YS50eHQ=,filetype dGV4dC9wbGFpbg==,k dg==",
                     "Repr-Digest": f"sha-256=:{'A' * 43}=:"}),
    ("draft", "POST", {"Upload-Draft-Interop-Version": "8", "Upload-Length": "1000", "Content-Length": "0",
                       "Upload-Complete": "?0", "Content-Type": "text/plain",
                       "Content-Disposition": 'attachment; filename="a.txt"',
                       "Repr-Digest": f"sha-256=:{'A' * 43}=:"}),
])
def test_creation(protocol, method, fields):
    talk = Talk(protocol=protocol).say(405, allow="POST")
    request = talk.ask()
    assert (request.purpose, request.method, request.url, request.fields) == (Purpose.CREATE, method, URL, fields)


@pytest.mark.parametrize(("protocol", "fields"), [
    ("tus", {"Tus-Resumable": "1.0.0", "Upload-Offset": "0", "Content-Length": "1000",
             "Content-Type": "application/offset+octet-stream"}),
    ("draft", {"Upload-Draft-Interop-Version": "8", "Upload-Offset": "0", "Content-Length": "1000",
               "Content-Type": "application/partial-upload", "Upload-Complete": "?1"}),
])
def test_append(protocol, fields):
    request = Talk().begun(protocol).ask()
    assert (request.method, request.url, request.fields, request.length) == ("PATCH", PLACE, fields, 1000)


def test_append_in_pieces():
    talk = Talk(chunk_size=400).begun("draft")
    assert [talk.ask().fields["Upload-Complete"], talk.ask().length] == ["?0", 400]
    talk.say(200, upload_complete="?0").say(200, upload_complete="?0")
    assert (talk.ask().first_pos, talk.ask().next_pos, talk.ask().fields["Upload-Complete"]) == (800, 1000, "?1")
    assert not talk.planner.is_done
    assert talk.say(200, upload_complete="?1").planner.is_done


def test_checked_pieces():
    file = FILE._replace(complete_length=CHECKED_CHUNK + 1)
    talk = Talk(file=file)
    talk.say(200, tus_version="1.0.0", tus_extension="checksum", tus_checksum_algorithm="sha1").say(201, PLACE)
    request = talk.ask()
    assert (request.length, request.checksum) == (CHECKED_CHUNK, "sha1")
    assert request.with_checksum(b"\x00").fields["Upload-Checksum"] == "sha1 AA=="


@pytest.mark.parametrize(("protocol", "name"), [("tus", "Tus-Resumable"), ("draft", "Upload-Draft-Interop-Version")])
def test_cancel(protocol, name):
    request = cancel(protocol, PLACE)
    assert (request.method, request.url, [*request.fields]) == ("DELETE", PLACE, [name])


@pytest.mark.parametrize("protocol", ["tus", "draft"])
def test_resuming_asks_first(protocol):
    talk = Talk(SavedUpload(PLACE, protocol)).say(405, allow="POST")
    assert (talk.ask().method, talk.ask().url) == ("HEAD", PLACE)
    talk.say(200, upload_offset="300", upload_length="1000", upload_complete="?0")
    assert (talk.planner.kept, talk.ask().first_pos, talk.planner.remaining) == (300, 300, (300, 999))
    assert talk.planner.describe_kept() == "300 of 1,000 bytes are at the server"


@pytest.mark.parametrize(("protocol", "fields"), [
    ("tus", {"upload_offset": "1000"}), ("draft", {"upload_complete": "?1", "upload_offset": "1000"}),
    ("draft", {"upload_complete": "?1"}),
])
def test_resuming_what_is_complete(protocol, fields):
    talk = Talk(SavedUpload(PLACE, protocol)).say(405, allow="POST").say(204, **fields)
    assert (talk.planner.is_done, talk.planner.kept) == (True, 1000)


def test_another_protocol_means_another_upload():
    assert Talk(SavedUpload(PLACE, "tus"), protocol="draft").planner.saved is None


@pytest.mark.parametrize("fields", [{"upload_length": "999", "upload_offset": "5"}, {"upload_offset": "1001"}])
def test_resuming_another_upload(fields):
    talk = Talk(SavedUpload(PLACE, "tus")).say(405, allow="POST").say(200, **fields)
    assert (talk.ask().method, talk.planner.restarts) == ("POST", 1)


def test_the_server_is_at_another_offset():
    talk = Talk().begun().say(409, upload_offset="7")
    assert talk.ask().method == "HEAD"
    assert talk.say(200, upload_offset="7").ask().first_pos == 7


def test_conflicts_for_ever():
    talk = Talk(tries=3).begun()
    for _ in range(2):
        talk.say(409, upload_offset="7").say(200, upload_offset="0")
    assert isinstance(talk.say(409).planner.error, NetworkError)


@pytest.mark.parametrize("is_spent", [True, False])
def test_a_success_counts_only_for_what_was_sent(is_spent):
    talk = Talk().begun().say(204, upload_offset="1000", is_spent=is_spent)
    assert talk.planner.is_done is is_spent


def test_too_early_for_the_next_request():
    talk = Talk().begun().say(503, retry_after="60")
    assert talk.planner.next_request(talk.now + 59) is None
    assert talk.planner.next_request(talk.now + 61) is not None


def test_failures():
    talk = Talk().begun()
    talk.planner.on_failure(talk.ask(), "reset", talk.now, 0.5)
    assert (talk.planner.notices[-1], talk.ask().method) == (("retry", "reset; trying again in 0.2 s"), "HEAD")
    talk.planner.on_failure(talk.ask(), "bad certificate", talk.now, 0.5, permanent=True)
    assert str(talk.planner.error) == "bad certificate"


def test_lost_bytes_are_sent_again_but_not_for_ever():
    talk = Talk(chunk_size=500).begun()
    for _ in range(4):
        assert talk.planner.error is None
        talk.say(204, upload_offset="500").say(409).say(200, upload_offset="0")
    assert "keeps losing" in str(talk.planner.error)


def test_checksums():
    talk = Talk().begun().say(460)
    assert (talk.planner.notices[-1][0], talk.ask().method) == ("retry", "HEAD")
    talk.say(200, upload_offset="0").say(460).say(200, upload_offset="0").say(460)
    assert isinstance(talk.planner.error, DigestError)


PROBLEM = b'{"title": "no", "type" : "https://h/problems#digest-mismatching-values"}'


@pytest.mark.parametrize(("media_type", "content", "kind"), [
    ("application/problem+json", PROBLEM, DigestError),
    ("application/problem+json; charset=utf-8", PROBLEM, DigestError),
    ("application/json", PROBLEM, NetworkError), ("application/problem+json", b'{"type": "x"}', NetworkError),
    ("application/problem+json", b'{"detail": "digest"}', NetworkError),
])
def test_problems(media_type, content, kind):
    talk = Talk().begun().say(400, content=content, content_type=media_type)
    assert type(talk.planner.error) is kind
    assert talk.planner.is_spoilt is (kind is DigestError)
    assert talk.planner.describe_kept() == ""


@pytest.mark.parametrize(("status", "fields", "text"), [
    (413, {}, "too large for the server (413)"), (413, {"tus_max_size": "9000"}, "it takes 9,000 bytes at most"),
    (413, {"upload_limit": "max-size=5"}, "it takes 5 bytes at most"),
    (413, {"upload_limit": "max-append-size=5000"}, "too large"), (401, {}, "asks for a login"), (405, {}, "405"),
])
def test_refusals(status, fields, text):
    assert text in str(Talk().begun().say(status, **fields).planner.error)


def test_a_smaller_append():
    talk = Talk().begun("draft").say(413, upload_limit="max-append-size=300").say(
        204, upload_offset="0", upload_complete="?0")
    assert talk.ask().length == 300


def test_an_upload_that_has_moved():
    talk = Talk().begun().say(307, "http://h/2")
    assert (talk.planner.address, talk.ask().method, talk.ask().url) == ("http://h/2", "HEAD", "http://h/2")


def test_no_address_yet():
    assert Talk().planner.address == ""


@pytest.mark.parametrize(("status", "options"), [(503, 3), (404, 1), (429, 3)])
def test_a_server_that_does_not_say_what_it_speaks(status, options):
    talk = Talk(tries=6)
    for _ in range(options):
        assert talk.ask().purpose is Purpose.DISCOVER
        talk.say(status, x="1")
    if talk.ask().purpose is Purpose.DISCOVER:
        talk.say(status, x="1")
    assert talk.ask().method == "POST"
    talk.say(201, PLACE, x="1")
    assert "neither" in str(talk.planner.error)
