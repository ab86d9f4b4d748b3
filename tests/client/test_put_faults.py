"""An upload server that cuts, lies and stalls: each upload ends with the right file there, or with an honest error."""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rangeware.client import DigestError, NetworkError, TransferError, Upload, upload
from tests.client.upload_server import Act, Put, UploadServer, behave

LENGTH = 600_000
CONTENT = random.Random(3).randbytes(LENGTH)
QUICK: dict[str, Any] = {"timeout": 2.0, "first_byte": 2.0, "tries": 4, "first_delay": 0.01, "longest_delay": 0.03}
LONGEST = 60.0  # seconds after which an upload counts as one that hangs
PROTOCOLS = [("tus",), ("draft",)]


@pytest.fixture(params=PROTOCOLS, ids=["tus", "draft"])
def server(request: pytest.FixtureRequest) -> Iterator[UploadServer]:
    with UploadServer(speaks=request.param) as running:
        yield running


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "film.bin"
    path.write_bytes(CONTENT)
    return path


def send(file: Path, server: UploadServer, **more: Any) -> Upload:
    begun = time.monotonic()
    try:
        return upload(file, server.url, **{**QUICK, "state": file.parent / "state", **more})
    finally:
        assert time.monotonic() - begun < LONGEST


def assert_right(server: UploadServer, file: Path) -> None:
    """One upload is complete, and has the bytes of the file; no other claims to be."""
    assert [each.sha256 for each in server.completed] == [hashlib.sha256(file.read_bytes()).hexdigest()]


def on(method: str, times: int = 1) -> Callable[[Act], Act]:
    """A fault that happens at the first so many requests of this method."""
    def wrap(fault: Act) -> Act:
        def act(put: Put) -> None:
            if put.method == method and put.is_among(times):
                fault(put)
            else:
                behave(put)
        return act
    return wrap


CUTS = [0, 1, 100, 16_383, 16_384, 16_385, 300_000, LENGTH - 1, LENGTH]


@pytest.mark.each
@pytest.mark.parametrize("where", CUTS)
@pytest.mark.parametrize("way", ["close", "reset"])
def test_a_patch_that_is_cut(server, file, where, way):
    @on("PATCH")
    def cut(put):
        put.append(where)
        getattr(put, way)()

    server.act = cut
    done = send(file, server)
    assert_right(server, file)
    assert (server.bites, server.methods().count("POST"), done.restarts) == (1, 1, 0)


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.grid) for seed in range(1, 4))])
def test_cuts_at_many_places(server, file, seed):
    chance = random.Random(seed)

    def act(put):
        if put.method == "PATCH" and put.stored and not put.stored.complete and put.length and put.is_among(12):
            if int(put.fields["upload-offset"]) == len(put.stored.content):
                put.append(chance.randrange(1, 60_000))
            put.close()
        behave(put)

    server.act = act
    send(file, server)
    assert_right(server, file)
    assert server.bites == 12


def status(code: int, *fields: tuple[str, str], **how: Any) -> Act:
    def act(put: Put) -> None:
        put.read_content()
        put.answer(code, *fields, **how)
    return act


def raw(head: bytes) -> Act:
    def act(put: Put) -> None:
        put.read_content()
        put.answer(0, head=head)
        put.close()
    return act


def nothing(put: Put) -> None:
    put.read_content()
    put.close()


def lose_response(put: Put) -> None:
    """The request is carried out, and its response lost."""
    answer, put.answer = put.answer, lambda *args, **how: None  # type: ignore[method-assign]
    behave(put)
    put.answer = answer  # type: ignore[method-assign]
    put.close()


def wrong_conflict(offset: str) -> Act:
    return status(409, ("Upload-Offset", offset), ("Upload-Complete", "?0"))


PASSING = {
    "no response": nothing, "response lost": lose_response, "silence": Put.stall, "reset": Put.reset,
    "500": status(500), "502": status(502), "503": status(503, ("Retry-After", "0")), "504": status(504),
    "423": status(423), "429": status(429, ("Retry-After", "0")), "408": status(408), "425": status(425),
    "409": status(409), "507": status(507), "garbage": raw(b"\x00\x01\xff garbage\r\n\r\n"),
    "half a head": raw(b"HTTP/1.1 204 No Con"), "malformed line": raw(b"HTTP/1.1 503 N\r\nno colon\r\n\r\n"),
    "interim only": raw(b"HTTP/1.1 104 U\r\n\r\n"), "another protocol": raw(b"HTP/1.1 200 OK\r\n"),
}


def _patience(fault: str) -> dict[str, float]:
    """Options: no longer than need be where the server is going to say nothing."""
    return {"timeout": 0.5, "first_byte": 0.5} if fault == "silence" else {}


@pytest.mark.each
@pytest.mark.parametrize("fault", PASSING)
@pytest.mark.parametrize("method", ["OPTIONS", "POST", "PATCH"])
def test_passing_trouble(server, file, fault, method):
    server.act = on(method)(PASSING[fault])
    send(file, server, **_patience(fault))
    hits = [each for each in server.completed if each.sha256 == hashlib.sha256(CONTENT).hexdigest()]
    assert len(hits) == len(server.completed) == 1


@pytest.mark.parametrize("fault", PASSING)
def test_passing_trouble_with_the_question(server, file, fault):
    """HEAD is asked after a PATCH that was cut."""
    def act(put):
        if put.method == "PATCH" and put.is_among(1, "cut"):
            put.append(100_000)
            put.close()
        on("HEAD")(PASSING[fault])(put)

    server.act = act
    send(file, server, **_patience(fault))
    assert_right(server, file)


@pytest.mark.parametrize("offset", ["0", "5", "99999999", "-1", "x", "", "1e5", "9" * 300])
def test_a_conflict_with_any_offset_is_asked_again(server, file, offset):
    server.act = on("PATCH", 2)(wrong_conflict(offset))
    send(file, server)
    assert_right(server, file)
    assert server.methods().count("HEAD") == 2


LIES = {"absent": (), "malformed": (("Upload-Offset", "-5"),), "beyond": (("Upload-Offset", str(LENGTH + 5)),),
        "short": (("Upload-Offset", "17"),)}


@pytest.mark.parametrize("lie", LIES)
@pytest.mark.parametrize("code", [200, 204])
def test_a_success_that_does_not_fit_is_asked_again(server, file, lie, code):
    server.act = on("PATCH")(status(code, *LIES[lie]))
    send(file, server)
    assert_right(server, file)


@pytest.mark.parametrize("lie", ["absent", "malformed"])
def test_a_server_that_never_tells_the_offset(server, file, lie):
    def act(put):
        if put.method == "PATCH":
            put.append(1000)
            put.close()
        if put.method == "HEAD":
            return put.answer(204, *LIES[lie])
        return behave(put)

    server.act = act
    with pytest.raises(NetworkError, match="4 tries without progress"):
        send(file, server)
    assert server.completed == []


def test_a_server_that_tells_an_offset_beyond_the_end(server, file):
    def act(put):
        if put.method == "PATCH":
            put.close()
        if put.method == "HEAD":
            return put.answer(204, *LIES["beyond"], ("Upload-Complete", "?1"))
        return behave(put)

    server.act = act
    with pytest.raises(NetworkError, match="another upload"):
        send(file, server)
    assert server.completed == []
    assert server.methods().count("POST") == 3


def test_a_server_that_loses_bytes_now_and_then(server, file):
    def act(put):
        if put.method == "PATCH" and put.is_among(3):
            if int(put.fields["upload-offset"]) == len(put.stored.content):
                put.append(200_000)
            put.stored.content = put.stored.content[:150_000 - 10_000 * put.server.count("loss")]
            put.close()
        behave(put)

    server.act = act
    send(file, server)
    assert_right(server, file)


def test_a_server_that_loses_bytes_for_ever(server, file):
    def act(put):
        if put.method == "PATCH":
            stored = put.stored
            if put.append():
                put.answer(204, ("Upload-Offset", str(len(stored.content))), ("Upload-Complete", "?0"))
            if len(stored.content) >= 500_000:
                del stored.content[:]
            return
        behave(put)

    server.act = act
    with pytest.raises(TransferError):
        send(file, server, chunk_size=100_000)
    assert server.completed == []
    assert len(server.requests) < 100


@pytest.mark.parametrize("code", [403, 404, 410])
def test_an_upload_that_is_gone_is_created_again(server, file, code):
    def act(put):
        if put.method == "PATCH" and put.is_among(1):
            put.server.uploads.clear()
            put.read_content()
            return put.answer(code)
        return behave(put)

    server.act = act
    assert send(file, server).restarts == 1
    assert_right(server, file)


@pytest.mark.parametrize("method", ["PATCH", "HEAD"])
def test_an_upload_that_is_always_gone(server, file, method):
    def act(put):
        if put.method == method:
            put.read_content()
            return put.answer(404)
        if put.method == "PATCH":
            put.close()
        return behave(put)

    server.act = act
    with pytest.raises(NetworkError, match="404"):
        send(file, server)
    assert server.methods().count("POST") == 3


@pytest.mark.parametrize("code", [400, 401, 402, 405, 406, 412, 415, 422, 501, 505, 303, 300])
@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_a_refusal_is_told_at_once(server, file, code, method):
    server.act = on(method, 99)(status(code))
    with pytest.raises(NetworkError, match=str(code)):
        send(file, server)
    assert server.bites == 1


@pytest.mark.parametrize("code", [401, 403])
def test_a_login_that_is_asked_for_by_options(server, file, code):
    server.act = on("OPTIONS", 99)(status(code))
    with pytest.raises(NetworkError, match=str(code)):
        send(file, server)
    assert server.methods() == ["OPTIONS"]


@pytest.mark.parametrize("code", [400, 404, 405, 501])
def test_options_that_are_refused_mean_tus(file, code):
    with UploadServer(on("OPTIONS", 99)(status(code))) as server:
        assert send(file, server).protocol == "tus"
        assert_right(server, file)


def test_options_that_never_answer_mean_tus(file):
    with UploadServer(on("OPTIONS", 99)(status(500))) as server:
        assert send(file, server).protocol == "tus"
        assert_right(server, file)
        assert server.bites == 3


@pytest.mark.parametrize("code", [200, 201, 302, 404, 405, 500])
def test_a_server_that_speaks_neither(file, code):
    with UploadServer(speaks=()) as server:
        head = f"HTTP/1.1 {code} X\r\nLocation: {server.url}\r\nContent-Length: 0\r\n\r\n"
        server.act = on("POST", 99)(raw(head.encode()))
        with pytest.raises(NetworkError) as caught:
            send(file, server)
    assert "neither" in str(caught.value) or code in (302, 500)


def early(code: int, *fields: tuple[str, str], then: str = "close") -> Act:
    """Answers with the head alone before the content is read."""
    def act(put: Put) -> None:
        put.answer(code, *fields)
        time.sleep(0.05)
        getattr(put, then)()
    return act


@pytest.mark.parametrize("then", ["close", "stall"])
def test_an_early_refusal_is_shown_and_not_a_broken_pipe(server, tmp_path, then):
    """More bytes than fit into the buffers of a loopback connection."""
    file = tmp_path / "big.bin"
    file.write_bytes(CONTENT * 40)
    server.act = on("PATCH", 99)(early(413, ("Upload-Limit", "max-size=1000"), then=then))
    with pytest.raises(NetworkError, match=r"too large for the server \(413\); it takes 1,000 bytes at most|413"):
        send(file, server)
    assert server.bites == 1


@pytest.mark.parametrize("code", [200, 204])
def test_an_early_success_counts_for_nothing(server, tmp_path, code):
    file = tmp_path / "big.bin"
    file.write_bytes(CONTENT * 40)
    fields = (("Upload-Offset", str(LENGTH * 40)), ("Upload-Complete", "?1"))
    server.act = on("PATCH")(early(code, *fields, then="stall"))
    send(file, server)
    assert_right(server, file)


def test_interim_responses_while_bytes_are_sent(server, tmp_path):
    file = tmp_path / "big.bin"
    file.write_bytes(CONTENT * 20)

    def act(put):
        if put.method == "PATCH":
            put.line.sendall(b"HTTP/1.1 104 Upload Resumption Supported\r\nUpload-Offset: 5\r\n\r\n" * 3)
            time.sleep(0.05)
        behave(put)

    server.act = act
    send(file, server)
    assert_right(server, file)
    assert server.methods() == ["OPTIONS", "POST", "PATCH"]


def test_a_server_that_takes_nothing_for_a_while(server, tmp_path):
    file = tmp_path / "big.bin"
    file.write_bytes(CONTENT * 40)
    server.act = on("PATCH")(Put.stall)
    send(file, server, timeout=0.5, first_byte=0.5)
    assert_right(server, file)


def test_a_head_that_comes_byte_by_byte(server, file):
    def drip(put):
        put.read_content()
        for octet in b"HTTP/1.1 200 OK\r\n" + b"X: " + b"y" * 10_000:
            put.line.sendall(bytes([octet]))
            if put.server.closing.wait(0.1):
                break

    server.act = on("PATCH")(drip)
    send(file, server, timeout=0.4, first_byte=0.4)
    assert_right(server, file)


@pytest.mark.parametrize("code", [301, 302, 307, 308])
def test_redirects_of_all_requests(server, file, code):
    def act(put):
        if put.is_among(1, put.method):
            put.read_content()
            put.answer(code, ("Location", put.path + "?again"))
            put.close()
        put.path = put.path.partition("?")[0]
        behave(put)

    server.act = act
    send(file, server)
    assert_right(server, file)


@pytest.mark.parametrize("location", [None, "ftp://h/x", "http://[bad"])
def test_a_creation_without_a_place(server, file, location):
    server.act = on("POST", 99)(status(201, *([("Location", location)] if location else ()),
                                       ("Tus-Resumable", "1.0.0")))
    with pytest.raises(NetworkError, match="Location"):
        send(file, server)


def test_a_creation_in_two_places(server, file):
    two = [("Location", server.url + each) for each in ("/1", "/2")]
    server.act = on("POST", 99)(status(201, *two, ("Upload-Offset", "0")))
    with pytest.raises(NetworkError, match="no valid Location"):
        send(file, server)
    assert "PATCH" not in {method for method, _, _ in server.requests}


def test_a_redirect_of_an_append_that_leads_nowhere(server, file):
    server.act = on("PATCH", 99)(status(307))
    with pytest.raises(NetworkError, match="307"):
        send(file, server)


def test_redirects_of_an_append_for_ever(server, file):
    server.act = on("PATCH", 99)(lambda put: (put.read_content(), put.answer(307, ("Location", put.path)))[0])
    with pytest.raises(NetworkError, match="307"):
        send(file, server)


def test_a_checksum_that_does_not_fit_once(file):
    def corrupt(put):
        put.stored.content += b"x"
        put.append()
        del put.stored.content[:]
        put.answer(460)

    with UploadServer(on("PATCH")(corrupt)) as server:
        server.extensions = ",checksum"
        send(file, server)
        assert_right(server, file)
        sent = [fields["upload-checksum"] for method, _, fields in server.requests if method == "PATCH"]
        assert [each.partition(" ")[0] for each in sent] == ["sha256", "sha256"]


def test_a_checksum_that_never_fits(file):
    with UploadServer(on("PATCH", 99)(status(460))) as server:
        server.extensions = ",checksum"
        with pytest.raises(DigestError, match="3 times"):
            send(file, server)
        assert server.bites == 3


def test_a_cut_of_a_request_with_checksum(file):
    def drop(put):
        put.append(50_000)
        del put.stored.content[:]
        put.close()

    with UploadServer(on("PATCH", 2)(drop)) as server:
        server.extensions = ",checksum"
        send(file, server, chunk_size=200_000)
        assert_right(server, file)


WRONG = "sha-256=:" + "A" * 43 + "=:"


def test_the_digest_of_the_whole_is_sent_and_one_that_differs_is_noticed(server, file):
    def lie(put):
        if put.append():
            put.answer(204, ("Upload-Offset", str(LENGTH)), ("Upload-Complete", "?1"), ("Repr-Digest", WRONG))

    server.act = on("PATCH")(lie)
    with pytest.raises(DigestError, match="another digest"):
        send(file, server)
    creation = next(fields for method, _, fields in server.requests if method == "POST")
    assert creation["repr-digest"].startswith("sha-256=:")
    assert [*(file.parent / "state").iterdir()] == []


def test_a_server_that_refuses_for_the_digest(server, file):
    problem = b'{"type": "https://iana.org/assignments/http-problem-types#digest-mismatching-values"}'
    server.act = on("PATCH", 99)(status(400, ("Content-Type", "application/problem+json"), content=problem))
    with pytest.raises(DigestError, match="400"):
        send(file, server)


def test_the_end_is_not_taken_for_granted(file):
    """The draft: all bytes are there, and the server has not said that the upload is complete."""
    def forget(put):
        if put.append():
            put.answer(200)

    with UploadServer(on("PATCH")(forget), speaks=("draft",)) as server:
        send(file, server)
        assert_right(server, file)
        assert [fields["content-length"] for method, _, fields in server.requests if method == "PATCH"] == [
            str(LENGTH), "0"]


@pytest.mark.parametrize("method", ["PATCH", "HEAD"])
def test_an_end_that_comes_too_early(file, method):
    def act(put):
        if put.method == "PATCH" and method == "HEAD":
            put.append(1000)
            put.close()
        if put.method == method:
            put.read_content()
            return put.answer(200, ("Upload-Offset", "1000"), ("Upload-Complete", "?1"))
        return behave(put)

    with UploadServer(act, speaks=("draft",)) as server, pytest.raises(NetworkError, match="complete after"):
        send(file, server, chunk_size=1000)


def test_the_largest_append_is_kept_to(file):
    with UploadServer(speaks=("draft",)) as server:
        server.limit = "max-append-size=100000, max-age=3600;x=1, what=?1, min-size=0"
        send(file, server)
        assert_right(server, file)
        lengths = [int(fields["content-length"]) for method, _, fields in server.requests if method == "PATCH"]
        assert lengths == [100_000] * 6


def test_the_smallest_append_is_kept_to(file):
    with UploadServer(speaks=("draft",)) as server:
        server.limit = "min-append-size=250000"
        send(file, server, chunk_size=1000)
        lengths = [int(fields["content-length"]) for method, _, fields in server.requests if method == "PATCH"]
        assert lengths == [250_000, 250_000, 100_000]


def test_a_server_that_says_later_how_much_it_takes(file):
    with UploadServer(speaks=("draft",)) as server:
        server.act = on("PATCH")(status(413, ("Upload-Limit", "max-append-size=250000")))
        send(file, server)
        assert_right(server, file)


@pytest.mark.parametrize("protocol", ["tus", "draft"])
def test_a_file_that_is_too_large_is_not_even_begun(file, protocol):
    with UploadServer(speaks=(protocol,)) as server:
        server.max_size, server.limit = 1000, "max-size=1000"
        with pytest.raises(NetworkError, match="at most"):
            send(file, server)
        assert server.methods() == ["OPTIONS"]


@pytest.mark.parametrize("size", [0, 1])
def test_the_smallest_files(server, tmp_path, size):
    file = tmp_path / "small"
    file.write_bytes(b"x" * size)
    assert send(file, server).complete_length == size
    assert_right(server, file)


def test_one_piece_after_the_other(server, file):
    send(file, server, chunk_size=70_000)
    assert_right(server, file)
    assert server.methods() == ["OPTIONS", "POST"] + ["PATCH"] * 9


def test_a_wait_that_is_too_long(server, file):
    server.act = on("PATCH", 99)(status(503, ("Retry-After", "9999")))
    with pytest.raises(NetworkError, match="asks to wait"):
        send(file, server)


def test_nobody_listens(file):
    with UploadServer() as server:
        url = server.url
    with pytest.raises(NetworkError, match="refused"):
        upload(file, url, state=file.parent / "state", **QUICK)


def test_random_faults_one_after_the_other(server, file):
    """Whatever comes in whatever order: the end is right, or an honest error, and the next call completes it."""
    for seed in range(6):
        chance = random.Random(seed)
        server.uploads.clear()

        def act(put: Put, chance: random.Random = chance) -> None:
            if chance.random() < 0.4:
                fault = chance.choice([each for name, each in PASSING.items() if name != "silence"])
                if put.method == "PATCH" and chance.random() < 0.7 and put.stored is not None:
                    if int(put.fields["upload-offset"]) == len(put.stored.content):
                        put.append(chance.randrange(100_000))
                    put.close()
                fault(put)
            else:
                behave(put)

        server.act = act
        for _ in range(20):
            try:
                send(file, server, tries=3)
                break
            except NetworkError:
                continue
        else:
            server.act = behave
            send(file, server)
        assert {each.sha256 for each in server.completed} == {hashlib.sha256(CONTENT).hexdigest()}


