"""``S3Body`` against moto's server: what the store is asked, and what becomes of its errors."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timezone
from email.utils import format_datetime
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError
from urllib3.exceptions import HTTPError

from rangeware import RangeMiddleware
from rangeware.errors import InvalidOption, SourceChanged, TruncatedSource
from rangeware.stores import S3Body
from tests.stores.bucket import BLOCK, BUCKET, CONTENT, KEY, Bucket
from tests.stores.store_log import Exchange
from tests.support import environ_for, get, parts

# What the server and the client of the tests do with their own sockets and clocks is not ours.
pytestmark = [
    pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow:DeprecationWarning:(moto|botocore)"),
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
]

LENGTH = len(CONTENT)
NEW = bytes(LENGTH)


def app_of(make: Callable[[], S3Body]) -> Any:
    def app(environ: dict[str, Any], start_response: Any) -> Any:
        body = make()
        start_response("200 OK", [*body.headers.items()])
        return body
    return RangeMiddleware(app)


@pytest.fixture
def app(bucket: Bucket) -> Any:
    return app_of(lambda: S3Body(bucket.client, BUCKET, KEY, block_size=BLOCK))


def asked(bucket: Bucket) -> list[tuple[str | None, int]]:
    """The range of each GET, and the bytes that the store sent for it."""
    return [(exchange.range, exchange.sent) for exchange in bucket.log.gets()]


def replace_before(bucket: Bucket, number: int, action: Callable[[], object]) -> None:
    """Do something just before the store gets to see GET number ``number``, from 0."""
    def before(exchange: Any) -> None:
        if exchange.method == "GET" and len(bucket.log.gets()) == number + 1:
            action()
    bucket.log.before = before


# --- what the store is asked -----------------------------------------------------------------------------------------

@pytest.mark.parametrize(("range", "first", "last"), [
    ("bytes=0-0", 0, 0), ("bytes=-10", LENGTH - 10, LENGTH - 1), ("bytes=5-70000", 5, 70_000),
    ("bytes=262140-", 262_140, LENGTH - 1),
])
def test_a_range_is_one_get_of_just_that_range(app: Any, bucket: Bucket, range: str, first: int, last: int) -> None:
    answer = get(app, range)
    assert (answer.status, answer.body) == (206, CONTENT[first:last + 1])
    assert answer.get("Content-Range") == f"bytes {first}-{last}/{LENGTH}"
    assert asked(bucket) == [(f"bytes={first}-{last}", last - first + 1)]
    assert bucket.log.heads() == 1


def test_each_part_is_a_get_of_its_own(app: Any, bucket: Bucket) -> None:
    answer = get(app, "bytes=100000-100099,5-9,-1")
    assert [(part.first_pos, part.content) for part in parts(answer)] == [
        (100_000, CONTENT[100_000:100_100]), (5, CONTENT[5:10]), (LENGTH - 1, CONTENT[-1:])]
    assert asked(bucket) == [("bytes=100000-100099", 100), ("bytes=5-9", 5), (f"bytes={LENGTH - 1}-{LENGTH - 1}", 1)]


def test_the_whole_is_one_get(app: Any, bucket: Bucket) -> None:
    answer = get(app)
    assert (answer.status, answer.body) == (200, CONTENT)
    assert asked(bucket) == [(f"bytes=0-{LENGTH - 1}", LENGTH)]


def test_gets_are_conditional_on_the_tag_of_head(app: Any, bucket: Bucket) -> None:
    etag = bucket.direct.head_object(Bucket=BUCKET, Key=KEY)["ETag"]
    assert get(app, "bytes=0-0,9-9").get("ETag") == etag
    assert [exchange.if_match for exchange in bucket.log.gets()] == [etag, etag]


def test_a_weak_tag_is_no_condition_but_compared(app: Any, bucket: Bucket) -> None:
    """The store would answer 412 to it (RFC 9110 13.1.1)."""
    bucket.log.weak_tags = True
    etag = bucket.direct.head_object(Bucket=BUCKET, Key=KEY)["ETag"]
    answer = get(app, "bytes=5-9")
    assert (answer.status, answer.body, answer.get("ETag")) == (206, CONTENT[5:10], f"W/{etag}")
    assert [exchange.if_match for exchange in bucket.log.gets()] == [None]
    bucket.log.reset()
    bucket.log.weak_tags = True
    replace_before(bucket, 0, lambda: bucket.put(KEY, NEW))
    with pytest.raises(SourceChanged, match="was W/.*, and is now W/"):
        get(app, "bytes=5-9")


def test_connections_are_used_again(app: Any, bucket: Bucket) -> None:
    for _ in range(3):
        get(app, "bytes=7-70000,9-9")
    assert len({exchange.client for exchange in bucket.log.exchanges}) == 1


def test_what_the_store_knows_becomes_headers(app: Any, bucket: Bucket) -> None:
    answer, head = get(app, "bytes=0-0"), bucket.direct.head_object(Bucket=BUCKET, Key=KEY)
    assert answer.get("Content-Type") == "text/plain"
    assert answer.get("Cache-Control") == "max-age=60"
    assert answer.get("Last-Modified") == format_datetime(head["LastModified"].astimezone(timezone.utc), usegmt=True)
    assert S3Body(bucket.client, BUCKET, KEY).metadata == {"by": "me"}
    assert S3Body(bucket.client, BUCKET, KEY).content_type == "text/plain"


def test_coded_content_is_sent_as_it_is_stored(bucket: Bucket) -> None:
    bucket.put("page", b"\x1f\x8bnot really", ContentEncoding="gzip")
    answer = get(app_of(lambda: S3Body(bucket.client, BUCKET, "page")), "bytes=2-4")
    assert (answer.status, answer.body, answer.get("Content-Encoding")) == (206, b"not", "gzip")


NO_CONTENT = [  # method   fields                                              status  why no content is needed
    pytest.param("HEAD", {}, 200, id="HEAD"),
    pytest.param("HEAD", {"range": "bytes=0-9"}, 200, id="HEAD with Range"),
    pytest.param("GET", {"if_none_match": "*"}, 304, id="not modified"),
    pytest.param("GET", {"if_match": '"other"'}, 412, id="precondition failed"),
    pytest.param("GET", {"range": "bytes=999999-"}, 416, id="beyond the end"),
]


@pytest.mark.parametrize(("method", "fields", "status"), NO_CONTENT)
def test_no_content_is_asked_for_without_need(
    app: Any, bucket: Bucket, method: str, fields: dict[str, str], status: int
) -> None:
    assert get(app, method=method, **fields).status == status
    assert (bucket.log.heads(), asked(bucket)) == (1, [])


def test_head_tells_the_length(app: Any) -> None:
    assert get(app, method="HEAD").get("Content-Length") == str(LENGTH)


def test_an_empty_object_is_not_asked_for(bucket: Bucket) -> None:
    bucket.put("empty", b"")
    for range in (None, "bytes=0-9"):
        answer = get(app_of(lambda: S3Body(bucket.client, BUCKET, "empty")), range)
        assert (answer.status, answer.body, answer.get("Content-Length")) == (200, b"", "0")
    assert asked(bucket) == []


def test_blocks_are_no_larger_than_told(bucket: Bucket) -> None:
    blocks = [*S3Body(bucket.client, BUCKET, KEY, block_size=BLOCK).open_range(1, 3 * BLOCK)]
    assert [*map(len, blocks)] == [BLOCK] * 3


def test_without_rangeware_the_whole_is_sent(bucket: Bucket) -> None:
    assert b"".join(S3Body(bucket.client, BUCKET, KEY)) == CONTENT


def test_versions(bucket: Bucket) -> None:
    bucket.direct.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    first, second = bucket.put("v", b"one, first"), bucket.put("v", b"two, second")
    for version, content in ((first, b"one"), (second, b"two"), (None, b"two")):
        answer = get(app_of(lambda v=version: S3Body(bucket.client, BUCKET, "v", version_id=v)), "bytes=0-2")
        assert answer.body == content
    assert [f"versionId={first}" in exchange.path for exchange in bucket.log.exchanges] == [True] * 2 + [False] * 4


def test_extra_arguments_go_with_each_request(bucket: Bucket) -> None:
    seen = []
    bucket.client.meta.events.register("before-send.s3", lambda request, **_: seen.append(
        request.headers.get("x-amz-request-payer")))
    get(app_of(lambda: S3Body(bucket.client, BUCKET, KEY, extra_args={"RequestPayer": "requester"})), "bytes=0-0")
    assert seen == [b"requester", b"requester"]


def test_wrong_options_are_refused(bucket: Bucket) -> None:
    with pytest.raises(InvalidOption, match="block_size"):
        S3Body(bucket.client, BUCKET, KEY, block_size=0)


# --- If-Range --------------------------------------------------------------------------------------------------------

def test_if_range_gives_all_of_a_new_version(app: Any, bucket: Bucket) -> None:
    etag = get(app, "bytes=0-9").get("ETag")
    assert get(app, "bytes=10-19", if_range=etag).body == CONTENT[10:20]
    bucket.put(KEY, NEW)
    answer = get(app, "bytes=10-19", if_range=etag)
    assert (answer.status, answer.body) == (200, NEW)


# --- errors before the head ------------------------------------------------------------------------------------------

class Head:
    """Remembers whether ``start_response`` was called, and with which status."""

    status: str | None = None

    def __call__(self, status: str, headers: Any, exc_info: Any = None) -> Any:
        self.status = status


def run_into(app: Any, error: Any, range: str = "bytes=0-99999") -> tuple[Head, bytes]:
    """Send a request that ends in this error, and return the head and the bytes that came before it."""
    head, came = Head(), b""
    with pytest.raises(error):  # noqa: PT012 - it may come at any point
        body = app(environ_for(range=range), head)
        try:
            for block in body:
                came += block
        finally:
            body.close()
    return head, came


@pytest.mark.parametrize(("name", "key"), [(BUCKET, "other"), ("no-bucket", KEY)])
def test_no_such_object_is_an_error_in_the_app(bucket: Bucket, name: str, key: str) -> None:
    with pytest.raises(ClientError) as caught:
        S3Body(bucket.client, name, key)
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 404
    assert bucket.log.gets() == []


BEFORE_THE_HEAD = [  # what happens between HEAD and GET                                     error
    pytest.param(lambda b: b.put(KEY, NEW), SourceChanged, id="replaced"),
    pytest.param(lambda b: b.put(KEY, CONTENT[:9]), SourceChanged, id="replaced by a shorter one"),
    pytest.param(lambda b: b.direct.delete_object(Bucket=BUCKET, Key=KEY), ClientError, id="deleted"),
    pytest.param(lambda b: b.log.forgotten.update({"range"}), RuntimeError, id="the store ignores Range"),
    pytest.param(lambda b: (b.put(KEY, NEW), b.log.forgotten.add("if-match")), SourceChanged,
                 id="replaced, and the store ignores If-Match"),
    pytest.param(lambda b: setattr(b.log, "break_after", 0), (HTTPError, BotoCoreError), id="broken off"),
]


@pytest.mark.parametrize("range", ["bytes=9-99999", "bytes=9-99,200-300", "bytes=0-"])
@pytest.mark.parametrize(("action", "error"), BEFORE_THE_HEAD)
def test_an_error_before_the_first_byte_comes_before_the_head(
    app: Any, bucket: Bucket, action: Callable[[Bucket], object], error: Any, range: str
) -> None:
    replace_before(bucket, 0, lambda: action(bucket))
    head, came = run_into(app, error, range)
    assert (head.status, came) == (None, b"")


def test_the_store_is_down(bucket: Bucket) -> None:
    body = S3Body(bucket.client, BUCKET, KEY)
    bucket.log.before = lambda exchange: (_ for _ in ()).throw(OSError)
    head, came = run_into(app_of(lambda: body), BotoCoreError)
    assert (head.status, came) == (None, b"")


# --- errors in mid-body ----------------------------------------------------------------------------------------------

def test_content_that_breaks_off_never_passes_as_complete(app: Any, bucket: Bucket) -> None:
    bucket.log.break_after = 3 * BLOCK + 5
    head, came = run_into(app, (HTTPError, BotoCoreError, TruncatedSource, OSError))
    assert head.status == "206 Partial Content"
    assert came == CONTENT[:len(came)]
    assert 3 * BLOCK <= len(came) <= 3 * BLOCK + 5


def test_an_object_replaced_between_two_parts_breaks_the_connection(app: Any, bucket: Bucket) -> None:
    replace_before(bucket, 1, lambda: bucket.put(KEY, NEW))
    head, came = run_into(app, SourceChanged, "bytes=0-99,200-299")
    assert head.status == "206 Partial Content"
    assert CONTENT[:100] in came
    assert bytes(8) not in came


def test_a_client_that_goes_away_stops_the_store(bucket: Bucket) -> None:
    kept: list[Any] = []  # nothing is closed by losing its last reference
    bucket.client.meta.events.register("after-call.s3.GetObject", lambda parsed, **_: kept.append(parsed["Body"]))
    bucket.put("big", b"x" * (32 << 20))
    body = app_of(lambda: S3Body(bucket.client, BUCKET, "big"))(environ_for(range="bytes=1-"), Head())
    assert len(next(iter(body))) <= 131_072
    body.close()
    assert get(app_of(lambda: S3Body(bucket.client, BUCKET, KEY)), "bytes=9-19").body == CONTENT[9:20]
    [broken, _] = bucket.log.gets()
    assert ended(broken)
    assert broken.sent < 16 << 20
    assert len({exchange.client for exchange in bucket.log.exchanges}) == 2, "a half-read connection was used again"


def ended(exchange: Exchange) -> bool:
    """True once the store has stopped sending; False if it does not."""
    deadline = time.monotonic() + 20
    while not exchange.ended and time.monotonic() < deadline:
        time.sleep(0.01)
    return exchange.ended


def test_last_modified_is_a_time(bucket: Bucket) -> None:
    modified = S3Body(bucket.client, BUCKET, KEY).last_modified
    assert isinstance(modified, datetime)
    assert modified.tzinfo is not None


