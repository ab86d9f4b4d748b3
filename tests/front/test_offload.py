"""Files that the three front servers send for real apps on real Python servers: ranges, conditions, fields, and proof.

Each front server has its own way in some places. They are named here, so that a change of one shows.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.front.content import FIELDS, FILES, GIGA, LAST, MODIFIED, text
from tests.front.front_servers import FRONT_SERVERS
from tests.front.stack import APPS, OFFLOAD_FIELDS, Stack, parts
from tests.matrix.wire import Connection
from tests.support import Answer

pytestmark = pytest.mark.matrix

FILM = text(FILES["film"])
LENGTH = len(FILM)
OTHER_TAG = '"other"'
EARLIER, LATER = "Mon, 13 Nov 2023 22:13:20 GMT", "Wed, 15 Nov 2023 22:13:20 GMT"

HEADS_WITH_RANGE = {"nginx": 206, "apache": 206, "lighttpd": 200}
"""What HEAD with Range gives. RFC 9110 14.2 defines Range for GET only; nginx and Apache apply it to HEAD as well."""

LEAVES_FILE_OUT = {("wsgi", "flask"), ("wsgi", "bottle"), ("asgi", "starlette"), ("asgi", "bare")}
"""Apps that answer HEAD without the file, so that their own answer goes to the client."""

OTHER_TAG_ON_HEAD = {(front, "bottle") for front in ("apache", "lighttpd")}
"""Where HEAD has the app's ETag, and GET ours instead: Bottle's is no entity tag."""

Ask = Callable[..., Answer]


@pytest.fixture
def film(stack: Stack, front: str, app: str) -> Ask:
    """Asks one front server for the film of one app."""
    return lambda method="GET", **fields: stack.ask(front, f"{app}/film", method, **fields)


each_app = pytest.mark.parametrize(
    ("stack", "app"), [(protocol, app) for protocol, apps in APPS.items() for app in apps], indirect=["stack"])


def is_whole(answer: Answer) -> None:
    assert (answer.status, answer.body) == (200, FILM)
    assert answer.get("Content-Length") == str(LENGTH)
    assert answer.get("Content-Range") is None


def is_part(answer: Answer, first_pos: int, last_pos: int) -> None:
    assert (answer.status, answer.body) == (206, FILM[first_pos:last_pos + 1])
    assert answer.get("Content-Range") == f"bytes {first_pos}-{last_pos}/{LENGTH}"


def has_no_path(answer: Answer) -> None:
    """The client does not learn where the file is."""
    assert [answer.get(name) for name in OFFLOAD_FIELDS] == [None] * len(OFFLOAD_FIELDS)


# --- what the front server sends ---

@each_app
def test_whole(film: Ask, app: str) -> None:
    answer = film()
    is_whole(answer)
    has_no_path(answer)
    assert answer.get("Last-Modified") == MODIFIED
    assert (answer.get("ETag") or "").startswith('"')


@each_app
def test_the_python_server_sends_no_byte(stack: Stack, front: str, app: str) -> None:
    assert stack.is_handed_over(front, f"{app}/film")


@each_app
@pytest.mark.parametrize(("value", "first_pos", "last_pos"), [
    ("bytes=0-0", 0, 0),
    ("bytes=500-1499", 500, 1499),
    ("bytes=99990-", 99_990, LENGTH - 1),
    ("bytes=99990-200000", 99_990, LENGTH - 1),
    ("bytes=-7", LENGTH - 7, LENGTH - 1),
])
def test_one_range(film: Ask, app: str, value: str, first_pos: int, last_pos: int) -> None:
    is_part(film(Range=value), first_pos, last_pos)


@each_app
def test_several_ranges(film: Ask, app: str) -> None:
    answer = film(Range="bytes=10-19,50000-50099,-5")
    expected = [(10, 19), (50_000, 50_099), (LENGTH - 5, LENGTH - 1)]
    assert answer.status == 206
    assert parts(answer) == [(f"bytes {first}-{last}/{LENGTH}", FILM[first:last + 1]) for first, last in expected]


@each_app
def test_unsatisfiable_range(film: Ask, app: str) -> None:
    answer = film(Range=f"bytes={LENGTH}-")
    assert answer.status == 416
    assert answer.get("Content-Range") == f"bytes */{LENGTH}"
    assert answer.get("Cache-Control") is None  # RFC 9111 3: a cache may keep what has a lifetime


@each_app
@pytest.mark.parametrize("validator", ["ETag", "Last-Modified"])
def test_if_range_holds(film: Ask, app: str, validator: str) -> None:
    is_part(film(Range="bytes=5-14", If_Range=film().get(validator)), 5, 14)


@each_app
@pytest.mark.parametrize("value", [OTHER_TAG, EARLIER])
def test_if_range_does_not_hold(film: Ask, app: str, value: str) -> None:
    is_whole(film(Range="bytes=5-14", If_Range=value))


@each_app
def test_if_none_match(film: Ask, app: str) -> None:
    tag = film().get("ETag")
    for value in (tag, f"{OTHER_TAG}, {tag}"):
        answer = film(If_None_Match=value)
        assert (answer.status, answer.get("ETag")) == (304, tag)
    assert film(If_None_Match="*").status == 304
    is_whole(film(If_None_Match=OTHER_TAG))


@each_app
def test_if_modified_since(film: Ask, app: str) -> None:
    for value in (film().get("Last-Modified"), LATER):
        assert film(If_Modified_Since=value).status == 304
    is_whole(film(If_Modified_Since=EARLIER))


@each_app
def test_if_match(film: Ask, app: str) -> None:
    is_whole(film(If_Match=film().get("ETag")))
    is_part(film(If_Match=film().get("ETag"), Range="bytes=5-14"), 5, 14)
    assert film(If_Match=OTHER_TAG).status == 412
    assert film(If_Match=OTHER_TAG, Range="bytes=5-14").status == 412


@each_app
def test_if_unmodified_since(film: Ask, app: str) -> None:
    is_whole(film(If_Unmodified_Since=MODIFIED))
    is_whole(film(If_Unmodified_Since=LATER))
    assert film(If_Unmodified_Since=EARLIER).status == 412


@each_app
def test_head(film: Ask, front: str, app: str) -> None:
    answer, whole = film("HEAD"), film()
    assert (answer.status, answer.body, answer.get("Content-Length")) == (200, b"", str(LENGTH))
    assert answer.get("Last-Modified") in (None, whole.get("Last-Modified"))  # RFC 9110 9.3.2
    if (front, app) in OTHER_TAG_ON_HEAD:
        assert answer.get("ETag") not in (None, whole.get("ETag"))
    else:
        assert answer.get("ETag") in (None, whole.get("ETag"))
    has_no_path(answer)


@each_app
def test_head_with_range(stack: Stack, film: Ask, front: str, app: str) -> None:
    answer = film("HEAD", Range="bytes=0-9")
    status = 200 if (stack.protocol, app) in LEAVES_FILE_OUT else HEADS_WITH_RANGE[front]
    assert (answer.status, answer.body) == (status, b"")
    assert answer.get("Content-Length") == str(10 if status == 206 else LENGTH)


@pytest.mark.parametrize("fields", [{}, {"Range": "bytes=0-9"}], ids=["whole", "range"])
def test_the_fields_of_the_app_arrive(stack: Stack, front: str, fields: dict[str, str]) -> None:
    answer = stack.ask(front, "bare/film", **fields)
    for name, _ in FIELDS:
        assert answer.all(name) == [value for key, value in FIELDS if key == name]


def test_a_304_keeps_what_a_cache_needs(stack: Stack, front: str) -> None:
    """RFC 9110 15.4.5, and what a browser needs to let a script have it."""
    answer = stack.ask(front, "bare/film", If_Modified_Since=MODIFIED)
    for name in ("Cache-Control", "Vary", "Access-Control-Allow-Origin"):
        assert answer.get(name) == dict(FIELDS)[name]


def test_a_416_keeps_what_a_script_needs(stack: Stack, front: str) -> None:
    answer = stack.ask(front, "bare/film", Range=f"bytes={LENGTH}-")
    for name in ("Access-Control-Allow-Origin", "Access-Control-Expose-Headers", "Vary"):
        assert answer.get(name) == dict(FIELDS)[name]


def test_a_412_is_of_nginx_where_it_makes_the_tag(stack: Stack, front: str) -> None:
    """Its page has none of the app's fields."""
    answer = stack.ask(front, "bare/film", If_Match=OTHER_TAG)
    expected = None if front == "nginx" else dict(FIELDS)["Access-Control-Allow-Origin"]
    assert (answer.status, answer.get("Access-Control-Allow-Origin")) == (412, expected)
    assert answer.get("Cache-Control") is None


def test_two_versions_of_a_young_file_have_no_tag_in_common(stack: Stack, front: str) -> None:
    """nginx makes its tag of the second and the length, which both versions share: its own weakness."""
    path, tags = stack.directory / "media" / "young", []
    for content in (b"a" * 1000, b"b" * 1000):
        path.write_bytes(content)
        answer = stack.ask(front, "bare/young")
        assert (answer.status, answer.body) == (200, content)
        tags.append(answer.get("ETag"))
    assert front == "nginx" or tags == [None, None]
    os.utime(path, (1_700_000_000, 1_700_000_000))
    assert stack.ask(front, "bare/young").get("ETag") not in (None, '"0"')


def test_empty_file(stack: Stack, front: str) -> None:
    assert stack.is_handed_over(front, "bare/empty")
    for fields in ({}, {"Range": "bytes=0-9"}, {"Range": "bytes=-9"}):
        answer = stack.ask(front, "bare/empty", **fields)
        assert (answer.status, answer.body, answer.get("Content-Length")) == (200, b"", "0")


def test_last_bytes_of_three_gigabytes(stack: Stack, front: str) -> None:
    assert stack.is_handed_over(front, "bare/huge")
    last = stack.ask(front, "bare/huge", Range=f"bytes=-{len(LAST)}")
    assert (last.status, last.body) == (206, LAST)
    assert last.get("Content-Range") == f"bytes {3 * GIGA - len(LAST)}-{3 * GIGA - 1}/{3 * GIGA}"
    several = stack.ask(front, "bare/huge", Range=f"bytes={3 * GIGA - 5}-,0-9")
    assert [content for _, content in parts(several)] == [LAST[-5:], bytes(10)]


def bytes_read(stack: Stack) -> int:
    """The bytes that the processes of the Python server have read so far, by whatever call."""
    lines = [line for pid in stack.running.pids() for line in Path(f"/proc/{pid}/io").read_text().splitlines()]
    return sum(int(line.split()[1]) for line in lines if line.startswith("rchar"))


def test_python_reads_nothing_of_the_file(stack: Stack, front: str) -> None:
    """100 MB go to the client; the Python server reads requests and what Python itself reads, some KB."""
    before = bytes_read(stack)
    answer = stack.ask(front, "bare/huge", Range="bytes=0-99999999", Accept_Encoding="gzip, br")  # as browsers ask
    assert len(answer.body) == 100_000_000
    assert bytes_read(stack) - before < 1_000_000


# --- what Python sends through the front server ---

@pytest.mark.parametrize("path", ["bare/outside", "bare/buffer", "bare/generator", "bare/list"])
def test_content_that_is_no_file_below_the_folder(stack: Stack, front: str, path: str) -> None:
    assert not stack.is_handed_over(front, path)
    is_whole(stack.ask(front, path))
    is_part(stack.ask(front, path, Range="bytes=500-1499"), 500, 1499)
    is_part(stack.ask(front, path, Range="bytes=-7"), LENGTH - 7, LENGTH - 1)
    several = stack.ask(front, path, Range="bytes=10-19,50000-50099")
    assert [content for _, content in parts(several)] == [FILM[10:20], FILM[50_000:50_100]]
    unsatisfiable = stack.ask(front, path, Range=f"bytes={LENGTH}-")
    assert (unsatisfiable.status, unsatisfiable.get("Content-Range")) == (416, f"bytes */{LENGTH}")


def test_post(stack: Stack, front: str) -> None:
    content = b"name=value"
    with Connection(stack.fronts[front]) as client:
        head = f"POST /{front}/echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(content)}\r\n\r\n".encode()
        client.send_bytes(head + content, "/echo", "POST")
        answer = client.receive()
    assert (answer.status, answer.body) == (200, content)


# --- the field, set by others than us ---

def test_field_of_the_app_is_passed_on(stack: Stack, front: str) -> None:
    assert stack.is_handed_over(front, f"own/{front}")
    answer = stack.ask(front, f"own/{front}")
    is_whole(answer)
    has_no_path(answer)
    is_part(stack.ask(front, f"own/{front}", Range="bytes=5-14"), 5, 14)


def test_field_of_the_app_for_a_file_outside_the_folder(stack: Stack, front: str) -> None:
    """The front server refuses it, whatever the app says."""
    answer = stack.ask(front, f"own/{front}-out")
    assert answer.status in (403, 404)
    assert FILM[:100] not in answer.body


@pytest.mark.parametrize("path", ["bare/film", "bare/outside", "bare/buffer"])
@pytest.mark.parametrize(("name", "value"), [
    ("X-Accel-Redirect", "/protected/empty"),
    ("X-Sendfile", "{media}/empty"),
    ("X-LIGHTTPD-send-file", "{media}/empty"),
    ("X-Sendfile-Type", "X-Accel-Redirect"),
    ("X-Sendfile-Type", "X-Sendfile"),
    ("X-Accel-Mapping", "{directory}/outside/=/protected/"),
])
def test_field_of_the_request_has_no_effect(stack: Stack, front: str, path: str, name: str, value: str) -> None:
    """The holes that Rack and Plack had: a client that chooses what is sent."""
    value = value.format(media=stack.directory / "media", directory=stack.directory)
    is_whole(stack.ask(front, path, **{name: value}))
    with Connection(stack.running.address) as client:  # not even if a front server lets it through
        answers = [client.ask(f"/{front}/{path}", Connection="close", **fields) for fields in ({name: value}, {})]
    with_field, without = ([field for field in answer.fields if field[0].lower() != "date"] for answer in answers)
    assert with_field == without


def test_internal_location_is_for_the_app_only(stack: Stack) -> None:
    with Connection(stack.fronts["nginx"]) as client:
        assert client.ask("/protected/film", Connection="close").status == 404


def test_all_front_servers_are_tested() -> None:
    assert FRONT_SERVERS == ("nginx", "apache", "lighttpd")
