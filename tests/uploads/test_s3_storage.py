"""``S3Storage`` against moto's server: what is in the bucket, whatever happens on the way."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import itertools
import os
import re
import secrets
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, EndpointConnectionError
from werkzeug.test import Client, TestResponse

from rangeware.errors import InvalidOption
from rangeware.uploads import FinishedUpload, Refused, S3Storage, Upload, UploadApp
from rangeware.uploads.file_storage import FileWriter
from rangeware.uploads.protocol.values import Reason, Refusal
from rangeware.uploads.s3_storage import _Place

# What the server and the client of the tests do with their own sockets and clocks is not ours.
pytestmark = [
    pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow:DeprecationWarning:(moto|botocore)"),
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
]

MIB = 1 << 20
PART = 5 * MIB
BUCKET, PREFIX = "films", "raw/"
BIG = secrets.token_bytes(21 * MIB)
SIZES = [0, 1, PART - 1, PART, PART + 1, 2 * PART, 2 * PART + 77]


class Died(BaseException):
    """Stands for ``kill -9``: nothing catches it."""


class Store:
    """A bucket and what was asked of it. ``before`` and ``after`` are called around each call with its number."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.before: Callable[[int], object] = lambda number: None
        self.after: Callable[[int], object] = lambda number: None
        self.begun = datetime.now(timezone.utc)
        self._call = client._make_api_call
        client._make_api_call = self._counted

    def _counted(self, operation: str, params: dict[str, Any]) -> Any:
        number = len(self.calls)
        size = len(params["Body"]) if "Body" in params else None
        self.calls.append((operation, {**params, "Size": size}))
        self.before(number)
        answer = self._call(operation, params)
        for item in answer.get("Uploads", ()):  # moto gives the same old date to all
            item["Initiated"] = self.begun
        self.after(number)
        return answer

    def names(self) -> list[str]:
        return [name for name, _ in self.calls]

    def raw(self, operation: str, **params: Any) -> Any:
        return self._call(operation, {"Bucket": BUCKET, **params})

    def objects(self) -> dict[str, bytes]:
        keys = [item["Key"] for item in self.raw("ListObjectsV2").get("Contents", ())]
        return {key: self.raw("GetObject", Key=key)["Body"].read() for key in keys}

    def multiparts(self) -> list[str]:
        return [item["UploadId"] for item in self.raw("ListMultipartUploads").get("Uploads", ())]


@pytest.fixture
def store(moto_url: str) -> Iterator[Store]:
    client = boto3.client(
        "s3", endpoint_url=moto_url, region_name="us-east-1", aws_access_key_id="key", aws_secret_access_key="secret",
        config=Config(retries={"total_max_attempts": 1}),
    )
    store = Store(client)
    store.raw("CreateBucket")
    yield store
    for key in store.objects():
        store.raw("DeleteObject", Key=key)
    for item in store.raw("ListMultipartUploads").get("Uploads", ()):
        store.raw("AbortMultipartUpload", Key=item["Key"], UploadId=item["UploadId"])
    client.close()


@pytest.fixture
def storage(tmp_path: Path, store: Store) -> S3Storage:
    return make(tmp_path, store)


def make(folder: Path, store: Store, **options: Any) -> S3Storage:
    return S3Storage(folder / "u", bucket=BUCKET, prefix=PREFIX, client=store.client,
                     **{"part_size": PART, **options})


def new(storage: S3Storage, length: int | None = None, **more: Any) -> str:
    id = secrets.token_hex(16)
    storage.create(Upload(id, length=length, **more))
    return id


def write(storage: S3Storage, id: str, content: bytes, offset: int | None = None, block: int = MIB) -> int:
    with contextlib.closing(storage.claim(id, offset)) as writer:
        for start in range(0, len(content), block):
            writer.write(content[start:start + block])
        return writer.flush().offset


def finish(storage: S3Storage, id: str) -> Upload:
    return storage.finish(id, lambda upload: None)


def used(folder: Path) -> int:
    """Bytes of a folder on the disk."""
    return sum(entry.stat().st_blocks * 512 for entry in os.scandir(folder / "u"))


def refused(call: Callable[[], object]) -> Reason:
    with pytest.raises(Refusal) as caught:
        call()
    return caught.value.reason


def error(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code}}, "Any")


def failing(exc: BaseException, name: str, store: Store) -> Callable[[int], None]:
    def fail(number: int) -> None:
        if store.calls[number][0] == name:
            raise exc
    return fail


# Contents and parts


@pytest.mark.parametrize(("size", "is_told"), [
    *((size, True) for size in SIZES), (0, False), (PART + 1, False),
    *(pytest.param(size, False, marks=pytest.mark.grid) for size in SIZES if size not in (0, PART + 1))])
def test_the_object_is_the_content(store: Store, storage: S3Storage, size: int, is_told: bool) -> None:
    id = new(storage, size if is_told else None)
    assert write(storage, id, BIG[:size]) == size
    assert storage.find(id).offset == size
    upload = finish(storage, id)
    assert (upload.is_complete, upload.offset, upload.length) == (True, size, size)
    assert store.objects() == {PREFIX + id: BIG[:size]}
    assert store.multiparts() == []
    with storage.open(id) as file:
        assert file.read() == BIG[:size]


@pytest.mark.parametrize("block", [
    pytest.param(1 << 18, marks=pytest.mark.grid), 3 * MIB + 1, pytest.param(16 * MIB, marks=pytest.mark.grid)])
def test_no_part_but_the_last_is_small_and_each_is_sent_once(store: Store, storage: S3Storage, block: int) -> None:
    id = new(storage)
    write(storage, id, BIG, block=block)
    finish(storage, id)
    parts = [(params["PartNumber"], params["Size"]) for name, params in store.calls if name == "UploadPart"]
    assert [number for number, _ in parts] == [*range(1, len(parts) + 1)]
    assert all(size >= 5 * MIB for _, size in parts[:-1])
    assert store.objects()[PREFIX + id] == BIG


@pytest.mark.parametrize("length", [len(BIG), None])
def test_the_disk_never_has_more_than_a_part(tmp_path: Path, storage: S3Storage, length: int | None) -> None:
    id = new(storage, length)
    most = 0
    with contextlib.closing(storage.claim(id)) as writer:
        for start in range(0, len(BIG), MIB):
            writer.write(BIG[start:start + MIB])
            most = max(most, used(tmp_path))
    assert most <= PART + 64 * 1024
    finish(storage, id)
    assert used(tmp_path) < 64 * 1024
    assert storage.find(id).offset == len(BIG)


@pytest.mark.parametrize("before", [0, MIB, PART])
def test_the_disk_never_has_more_than_two_parts_while_bytes_are_held_back(
    tmp_path: Path, storage: S3Storage, before: int,
) -> None:
    id = new(storage)
    most = 0
    with contextlib.closing(storage.claim(id)) as writer:
        writer.write(BIG[:before])
        writer.hold_back()
        for start in range(before, len(BIG), MIB):
            writer.write(BIG[start:start + MIB])
            most = max(most, used(tmp_path))
        writer.release(keep=True)
    assert most <= 2 * PART + 64 * 1024
    assert used(tmp_path) <= PART + 64 * 1024


@pytest.mark.parametrize(("length", "place", "size"), [
    pytest.param(1, _Place(), PART, id="small"),
    pytest.param(10_000 * PART, _Place(), PART, id="as many parts as can be"),
    pytest.param(10_000 * PART + 1, _Place(), PART + MIB, id="one byte more"),
    pytest.param(5 << 40, _Place(), 525 * MIB, id="the largest object"),
    pytest.param(5 << 40, _Place("x", 1000, 1000 * PART), 582 * MIB, id="length told late"),
    pytest.param(None, _Place("x", 899, 899 * PART), PART, id="length unknown"),
    pytest.param(None, _Place("x", 900, 900 * PART), 2 * PART, id="length unknown, and many parts"),
    pytest.param(None, _Place("x", 9999, 0), 5 << 30, id="the largest part"),
])
def test_parts_are_large_enough_for_ten_thousand_to_do(
    storage: S3Storage, length: int | None, place: _Place, size: int,
) -> None:
    assert storage.part_size(length, place) == size


@pytest.mark.parametrize("part_size", [PART, 8 * MIB])
def test_an_object_of_unknown_length_can_become_as_large_as_s3_allows(
    tmp_path: Path, store: Store, part_size: int,
) -> None:
    storage, place = make(tmp_path, store, part_size=part_size), _Place()
    while place.sent < 5 << 40:
        place = _Place("x", place.parts + 1, place.sent + storage.part_size(None, place))
    assert place.parts <= 10_000


def test_a_length_above_5_tib_is_too_large(storage: S3Storage) -> None:
    assert refused(lambda: new(storage, (5 << 40) + 1)) is Reason.TOO_LARGE
    assert [*storage.uploads()] == []


def test_two_writes_in_two_requests_continue(store: Store, storage: S3Storage) -> None:
    id, middle = new(storage, len(BIG)), PART + 12345
    assert write(storage, id, BIG[:middle], 0) == middle
    assert refused(lambda: storage.claim(id, 0)) is Reason.WRONG_OFFSET
    assert write(storage, id, BIG[middle:], middle) == len(BIG)
    finish(storage, id)
    assert store.objects()[PREFIX + id] == BIG


def test_length_told_late(store: Store, storage: S3Storage) -> None:
    id = new(storage)
    stale = storage.find(id)
    with contextlib.closing(storage.claim(id)) as writer:
        writer.write(BIG[:PART + 1])
        writer.write(BIG[PART + 1:PART + 2])
        writer.describe(Upload(**{**vars(stale), "length": 2 * PART}))
        writer.write(BIG[PART + 2:2 * PART])
    assert storage.find(id).length == 2 * PART
    finish(storage, id)
    assert store.objects()[PREFIX + id] == BIG[:2 * PART]


# Bytes held back


@pytest.mark.parametrize("before", [0, PART, PART + 1])
@pytest.mark.parametrize("size", [PART, 2 * PART + 5])
def test_held_back_and_kept(store: Store, storage: S3Storage, before: int, size: int) -> None:
    id = new(storage)
    with contextlib.closing(storage.claim(id)) as writer:
        writer.write(BIG[:before])
        writer.hold_back()
        writer.write(BIG[before:before + size])
        assert writer.flush().offset == storage.find(id).offset == before
        writer.release(keep=True)
        assert writer.flush().offset == storage.find(id).offset == before + size
        writer.write(b"tail")
    finish(storage, id)
    assert store.objects()[PREFIX + id] == BIG[:before + size] + b"tail"
    assert store.multiparts() == []


@pytest.mark.each
@pytest.mark.parametrize("before", [0, PART, PART + 1])
@pytest.mark.parametrize("size", [PART, 2 * PART + 5])
@pytest.mark.parametrize("has_died", [False, True], ids=["dropped", "died"])
@pytest.mark.parametrize("rest", [3, 2 * PART + 9])
def test_held_back_and_dropped(
    tmp_path: Path, store: Store, storage: S3Storage, before: int, size: int, has_died: bool, rest: int,
) -> None:
    id = new(storage)
    writer = storage.claim(id)
    writer.write(BIG[:before])
    writer.hold_back()
    writer.write(b"\0" * size)
    if has_died:
        writer.close()
        storage = make(tmp_path, store)
        writer = storage.claim(id, before)
    else:
        writer.release(keep=False)
    assert writer.flush().offset == before
    writer.write(BIG[before:before + rest])
    assert writer.flush().offset == before + rest
    writer.close()
    finish(storage, id)
    assert store.objects()[PREFIX + id] == BIG[:before + rest]
    assert store.multiparts() == []


def test_release_without_hold_back_changes_nothing(storage: S3Storage) -> None:
    id = new(storage)
    with contextlib.closing(storage.claim(id)) as writer:
        writer.write(b"abc")
        writer.release(keep=False)
        assert writer.flush().offset == 3


# Two writers


def test_a_newer_writer_makes_the_older_one_stop_before_it_sends(store: Store, storage: S3Storage) -> None:
    id = new(storage)
    with contextlib.closing(storage.claim(id)) as older:
        older.write(b"\0" * PART)
        with contextlib.closing(storage.claim(id)) as newer:
            store.calls.clear()
            assert refused(lambda: older.write(b"\0")) is Reason.LOCKED
            assert refused(older.hold_back) is Reason.LOCKED
            assert store.calls == []
            newer.write(BIG[:PART])
    finish(storage, id)
    assert store.objects()[PREFIX + id] == b"\0" * PART + BIG[:PART]


def test_a_writer_whose_upload_is_finished_stops(store: Store, storage: S3Storage) -> None:
    id = new(storage)
    with contextlib.closing(storage.claim(id)) as writer:
        writer.write(BIG[:PART])
        finish(storage, id)
        assert refused(lambda: writer.write(b"x")) in (Reason.LOCKED, Reason.MISSING, Reason.WRONG_OFFSET)
    assert store.objects()[PREFIX + id] == BIG[:PART]


def test_while_a_part_is_sent_the_lock_is_held(store: Store, storage: S3Storage, monkeypatch: Any) -> None:
    monkeypatch.setattr("rangeware.uploads.disk._PATIENCE", 0.1)
    id = new(storage)
    is_sending, may_go_on = threading.Event(), threading.Event()

    def wait(number: int) -> None:
        if store.calls[number][0] == "UploadPart":
            is_sending.set()
            assert may_go_on.wait(10)

    store.before = wait
    thread = threading.Thread(target=write, args=(storage, id, BIG[:PART + 1]))
    thread.start()
    assert is_sending.wait(10)
    assert refused(lambda: storage.claim(id)) is Reason.LOCKED
    assert refused(lambda: storage.remove(id)) is Reason.LOCKED
    may_go_on.set()
    thread.join()
    storage.claim(id).close()


# Removal


@pytest.mark.parametrize("state", ["empty", "tail", "parts", "pending", "complete", "put together, not noted"])
def test_removal_leaves_nothing(tmp_path: Path, store: Store, storage: S3Storage, state: str) -> None:
    id = new(storage)
    if state != "empty":
        write(storage, id, BIG[:7] if state == "tail" else BIG[:2 * PART + 7])
    if state == "pending":
        with pytest.raises(Refused):
            storage.finish(id, refusing)
    elif state == "complete":
        finish(storage, id)
    elif state == "put together, not noted":
        storage.open(id).close()
    storage.remove(id)
    assert (store.objects(), store.multiparts()) == ({}, [])
    assert [*os.scandir(tmp_path / "u")] == []
    for call in (storage.find, storage.open, storage.remove, storage.claim):
        assert refused(lambda call=call: call(id)) is Reason.MISSING


def refusing(upload: Upload) -> None:
    raise Refused(422, "not a picture")


def test_a_writer_whose_upload_is_removed_sends_no_more(store: Store, storage: S3Storage) -> None:
    id = new(storage)
    with contextlib.closing(storage.claim(id)) as writer:
        writer.write(BIG[:2 * PART])
        storage.remove(id)
        assert refused(lambda: writer.write(b"x")) is Reason.MISSING
    assert store.multiparts() == []


def test_a_removal_that_fails_can_be_repeated(store: Store, storage: S3Storage) -> None:
    id = new(storage)
    write(storage, id, BIG[:2 * PART + 7])
    store.before = failing(error("SlowDown"), "AbortMultipartUpload", store)
    assert refused(lambda: storage.remove(id)) is Reason.UNAVAILABLE
    store.before = lambda number: None
    storage.remove(id)
    assert store.multiparts() == []


# Crashes


def play(storage: S3Storage, id: str, content: bytes, held: bool, accepted: list[Upload]) -> None:
    """Do all that is left to do for an upload; half of it held back, as for a checksum."""
    upload = storage.find(id)
    if not (upload.is_pending or upload.is_complete):
        with contextlib.closing(storage.claim(id, upload.offset)) as writer:
            rest = content[upload.offset:]
            if held:
                writer.hold_back()
            for start in range(0, len(rest), 4 * MIB):
                writer.write(rest[start:start + 4 * MIB])
            if held:
                writer.release(keep=True)
            assert writer.flush().offset == len(content)
    storage.finish(id, accepted.append)


@pytest.mark.parametrize(("size", "held", "is_after"), [
    (0, False, False), (5, False, False), (5, False, True), (PART + 5, False, False), (PART + 5, True, True),
    *(pytest.param(*case, marks=pytest.mark.grid)
      for case in [(0, False, True), *((2 * PART, False, is_after) for is_after in (False, True)),
                   *((2 * PART + 5, True, is_after) for is_after in (False, True))])])
def test_death_at_any_call_is_made_up_for(
    tmp_path: Path, store: Store, size: int, held: bool, is_after: bool,
) -> None:
    content = BIG[:size]
    for fatal in itertools.count():
        storage, accepted, told = make(tmp_path / str(fatal), store), [], 0
        id = new(storage, size)
        store.calls.clear()

        def die(number: int, fatal: int = fatal) -> None:
            if number == fatal:
                raise Died
        store.after, store.before = (die, store.before) if is_after else (store.after, die)
        try:
            play(storage, id, content, held, accepted)
        except Died:
            told = storage.find(id).offset
        has_died = len(store.calls) > fatal
        store.before = store.after = lambda number: None
        again = make(tmp_path / str(fatal), store)
        assert again.find(id).offset >= told
        play(again, id, content, held, accepted)
        assert store.objects() == {PREFIX + id: content}
        assert store.multiparts() == []
        assert [upload.offset for upload in accepted] == [size]
        again.remove(id)
        assert store.objects() == {}
        if not has_died:
            break
    assert fatal >= (2 if size < PART else 5)


@pytest.mark.parametrize("is_after", [False, True], ids=["before", "after"])
def test_death_at_any_call_of_a_removal(tmp_path: Path, store: Store, is_after: bool) -> None:
    for fatal in itertools.count():
        storage = make(tmp_path / str(fatal), store)
        id = new(storage)
        write(storage, id, BIG[:PART + 5])
        store.calls.clear()

        def die(number: int, fatal: int = fatal) -> None:
            if number == fatal:
                raise Died
        store.after, store.before = (die, store.before) if is_after else (store.after, die)
        try:
            storage.remove(id)
        except Died:
            store.before = store.after = lambda number: None
            make(tmp_path / str(fatal), store).remove(id)
        else:
            break
        assert (store.objects(), store.multiparts()) == ({}, [])
    assert fatal == 3


def test_a_part_that_is_not_noted_is_sent_again_under_its_number(
    tmp_path: Path, store: Store, storage: S3Storage,
) -> None:
    id = new(storage)
    write(storage, id, BIG[:PART + 1])

    def die(number: int) -> None:
        if store.calls[number][0] == "UploadPart":
            raise Died

    store.after = die
    with pytest.raises(Died):
        write(storage, id, BIG[PART + 1:2 * PART + 1])
    store.after = lambda number: None
    again = make(tmp_path, store)
    offset = again.find(id).offset
    write(again, id, BIG[offset:3 * PART], offset)
    finish(again, id)
    numbers = [params["PartNumber"] for name, params in store.calls if name == "UploadPart"]
    assert numbers == [1, 2, 2, 3]
    assert store.objects()[PREFIX + id] == BIG[:3 * PART]


def test_parts_are_on_the_disk_before_they_are_noted(storage: S3Storage, store: Store, monkeypatch: Any) -> None:
    flushed: list[int] = []
    monkeypatch.setattr(os, "fdatasync", lambda fd: flushed.append(os.fstat(fd).st_size))

    def look(number: int) -> None:
        if store.calls[number][0] == "UploadPart":
            assert flushed[-1:] == [PART * store.calls[number][1]["PartNumber"]]

    store.before = look
    write(storage, new(storage), BIG[:3 * PART + 1])
    assert len(flushed) >= 3


# The end of an upload


def test_completion_that_boto3_tried_twice(store: Store, storage: S3Storage) -> None:
    id = new(storage)
    write(storage, id, BIG[:PART + 5])
    store.after = failing(error("NoSuchUpload"), "CompleteMultipartUpload", store)
    assert finish(storage, id).is_complete
    assert store.objects() == {PREFIX + id: BIG[:PART + 5]}


def refuse_space(writer: FileWriter, block: bytes) -> None:
    raise Refusal(Reason.NO_SPACE)


def send_all(storage: S3Storage, id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Write two parts, and leave none of them on the disk: what comes next finds it full."""
    with contextlib.closing(storage.claim(id)) as writer:
        writer.write(BIG[:2 * PART])
        with monkeypatch.context() as patch:
            patch.setattr(FileWriter, "write", refuse_space)
            assert refused(lambda: writer.write(b"x")) is Reason.NO_SPACE


def test_an_upload_of_which_nothing_is_left_on_the_disk(store: Store, storage: S3Storage, monkeypatch: Any) -> None:
    id = new(storage)
    send_all(storage, id, monkeypatch)
    assert finish(storage, id).offset == 2 * PART
    assert store.objects() == {PREFIX + id: BIG[:2 * PART]}
    assert store.names().count("UploadPart") == 2


def test_an_upload_that_someone_else_aborted_is_gone(store: Store, storage: S3Storage, monkeypatch: Any) -> None:
    id = new(storage)
    send_all(storage, id, monkeypatch)
    store.raw("AbortMultipartUpload", Key=PREFIX + id, UploadId=store.multiparts()[0])
    assert refused(lambda: finish(storage, id)) is Reason.GONE
    storage.remove(id)


def test_the_hook_is_called_once_under_the_lock_and_may_refuse_first(store: Store, storage: S3Storage) -> None:
    id = new(storage, PART + 5)
    write(storage, id, BIG[:PART + 5])
    with pytest.raises(Refused):
        storage.finish(id, refusing)
    assert storage.find(id).is_pending
    seen: list[bytes] = []

    def accept(upload: Upload) -> None:
        with storage.open(upload.id) as file:
            seen.append(file.read())

    assert storage.finish(id, accept).is_complete
    assert storage.finish(id, accept).is_complete
    assert seen == [BIG[:PART + 5]]
    assert store.names().count("CompleteMultipartUpload") == 1


def test_many_at_once_finish_it_once(store: Store, storage: S3Storage) -> None:
    id = new(storage)
    write(storage, id, BIG[:PART + 5])
    accepted: list[Upload] = []

    def try_to_finish() -> None:
        with contextlib.suppress(Refusal):
            storage.finish(id, accepted.append)

    threads = [threading.Thread(target=try_to_finish) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(accepted) == 1
    assert store.names().count("CompleteMultipartUpload") == 1


# Reading


def test_the_content_is_read_from_any_position(store: Store, storage: S3Storage) -> None:
    id = new(storage)
    write(storage, id, BIG[:2 * PART])
    finish(storage, id)
    with storage.open(id) as file:
        store.calls.clear()
        assert file.read() == BIG[:2 * PART]
        assert store.names() == ["GetObject"]
        assert file.read() == b""
        for pos, size in [(0, 10), (PART - 1, 2), (3, 4), (2 * PART - 1, 9), (2 * PART, 1), (2 * PART + 9, 1)]:
            assert file.seek(pos) == file.tell() == pos
            assert file.read(size) == BIG[:2 * PART][pos:pos + size]
        assert file.seek(-2, os.SEEK_END) == 2 * PART - 2
        assert file.seek(-1, os.SEEK_CUR) == 2 * PART - 3
        assert file.read() == BIG[2 * PART - 3:2 * PART]
        assert file.seekable()
        assert file.readable()


def test_the_bytes_of_an_upload_that_is_not_finished_can_be_read(store: Store, storage: S3Storage) -> None:
    """As for a digest of the whole, or for a concatenation."""
    id = new(storage, PART + 5)
    write(storage, id, BIG[:PART + 5])
    for _ in range(2):
        with storage.open(id) as file:
            assert file.read() == BIG[:PART + 5]
    assert not storage.find(id).is_pending
    assert finish(storage, id).is_complete
    assert store.objects() == {PREFIX + id: BIG[:PART + 5]}


def test_an_object_that_has_been_deleted_is_missing(store: Store, storage: S3Storage) -> None:
    id = new(storage)
    finish(storage, id)
    store.raw("DeleteObject", Key=PREFIX + id)
    assert refused(lambda: storage.open(id)) is Reason.MISSING


# Cleaning


def test_cleaning_aborts_what_has_lost_its_description(store: Store, storage: S3Storage) -> None:
    known, other = new(storage), "someone-else"
    write(storage, known, BIG[:PART + 1])
    lost = secrets.token_hex(16)
    for key in (PREFIX + lost, PREFIX + other, "elsewhere/" + lost):
        store.raw("CreateMultipartUpload", Key=key)
    assert [upload.id for upload in storage.uploads()] == [known]
    assert len(store.multiparts()) == 4
    store.begun -= timedelta(hours=25)
    assert [upload.id for upload in storage.uploads()] == [known]
    keys = {item["Key"] for item in store.raw("ListMultipartUploads")["Uploads"]}
    assert keys == {PREFIX + known, PREFIX + other, "elsewhere/" + lost}


def test_quotas_count_what_is_in_the_bucket(tmp_path: Path, store: Store) -> None:
    storage = make(tmp_path, store, quota=2 * PART)
    id = new(storage, PART + 1)
    write(storage, id, BIG[:PART + 1])
    finish(storage, id)
    assert refused(lambda: new(storage, PART)) is Reason.NO_SPACE
    storage.recount()
    assert refused(lambda: new(storage, PART)) is Reason.NO_SPACE
    storage.remove(id)
    new(storage, PART)


# Errors


@pytest.mark.parametrize(("exc", "reason"), [
    (error("NoSuchUpload"), Reason.GONE),
    (error("EntityTooLarge"), Reason.TOO_LARGE),
    (error("QuotaExceeded"), Reason.NO_SPACE),
    (error("XMinioStorageFull"), Reason.NO_SPACE),
    (error("AccessDenied"), Reason.UNAVAILABLE),
    (EndpointConnectionError(endpoint_url="http://x"), Reason.UNAVAILABLE),
])
def test_what_s3_refuses_is_told_and_what_arrived_is_kept(
    store: Store, storage: S3Storage, exc: Exception, reason: Reason,
) -> None:
    id = new(storage)
    store.before = failing(exc, "UploadPart", store)
    with contextlib.closing(storage.claim(id)) as writer:
        writer.write(BIG[:PART])
        for _ in range(2):
            assert refused(lambda: writer.write(b"x")) is reason
        assert writer.flush().offset == PART
    store.before = lambda number: None
    write(storage, id, BIG[PART:PART + 5], PART)
    finish(storage, id)
    assert store.objects()[PREFIX + id] == BIG[:PART + 5]


def test_an_answer_that_fails_at_the_end_is_told(store: Store, storage: S3Storage) -> None:
    id = new(storage)
    store.before = failing(error("InternalError"), "HeadObject", store)
    assert refused(lambda: finish(storage, id)) is Reason.UNAVAILABLE


@pytest.mark.parametrize("part_size", [PART - 1, PART + 1, (5 << 30) + MIB])
def test_a_part_size_that_cannot_work(tmp_path: Path, part_size: int) -> None:
    with pytest.raises(InvalidOption, match="part_size"):
        S3Storage(tmp_path, bucket=BUCKET, part_size=part_size)


def test_boto3_is_missing(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(InvalidOption, match=re.escape("rangeware[s3]")):
        S3Storage(tmp_path, bucket=BUCKET)


def test_a_client_is_made(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")  # no request for credentials
    assert S3Storage(tmp_path, bucket=BUCKET)._client.meta.service_model.service_name == "s3"


# Through the app

TUS = {"Tus-Resumable": "1.0.0"}


class Site:
    """An app on the storage, and its client."""

    def __init__(self, storage: S3Storage) -> None:
        self.finished: list[bytes] = []
        self.refusals = 0
        self.client = Client(UploadApp(storage, path="/files/", finished=self._finish))

    def _finish(self, upload: FinishedUpload) -> None:
        if self.refusals:
            self.refusals -= 1
            raise Refused(422, "not a picture")
        with upload.open() as file:
            self.finished.append(file.read())

    def create(self, **fields: str) -> str:
        more = {name.replace("_", "-"): fields[name] for name in fields}
        answer = self.client.post("/files/", headers={**TUS, **more})
        assert answer.status_code == 201, answer.data
        return str(answer.headers["Location"])

    def patch(self, url: str, offset: int, content: bytes, **fields: str) -> TestResponse:
        more = {name.replace("_", "-"): fields[name] for name in fields}
        return self.client.patch(url, data=content, headers={
            **TUS, "Upload-Offset": str(offset), "Content-Type": "application/offset+octet-stream", **more})


@pytest.fixture
def site(storage: S3Storage) -> Site:
    return Site(storage)


@pytest.mark.parametrize("size", [
    pytest.param(size, marks=pytest.mark.grid if size in (PART - 1, PART + 1, 2 * PART) else ()) for size in SIZES])
def test_tus(site: Site, store: Store, size: int) -> None:
    url = site.create(Upload_Length=str(size))
    if size:
        half = size // 2
        assert site.patch(url, 0, BIG[:half]).headers["Upload-Offset"] == str(half)
        assert site.client.head(url, headers=TUS).headers["Upload-Offset"] == str(half)
        assert site.patch(url, half, BIG[half:size]).status_code == 204
    else:
        site.patch(url, 0, b"")
    assert site.finished == [BIG[:size]]
    assert [*store.objects().values()] == [BIG[:size]]
    assert site.client.get(url).data == BIG[:size]
    assert site.client.delete(url, headers=TUS).status_code == 204
    assert store.objects() == {}


def test_tus_of_deferred_length(site: Site, store: Store) -> None:
    url = site.create(Upload_Defer_Length="1")
    site.patch(url, 0, BIG[:PART + 7])
    site.patch(url, PART + 7, BIG[PART + 7:3 * PART], Upload_Length=str(3 * PART))
    assert site.finished == [BIG[:3 * PART]]
    assert [*store.objects().values()] == [BIG[:3 * PART]]


def test_tus_with_checksums(site: Site, store: Store) -> None:
    url, size = site.create(Upload_Length=str(3 * PART)), 2 * PART + 9
    right = "sha1 " + base64.b64encode(hashlib.sha1(BIG[:size]).digest()).decode()
    assert site.patch(url, 0, b"\0" * size, Upload_Checksum=right).status_code == 460
    assert site.client.head(url, headers=TUS).headers["Upload-Offset"] == "0"
    assert site.patch(url, 0, BIG[:size], Upload_Checksum=right).status_code == 204
    assert site.patch(url, size, BIG[size:3 * PART]).status_code == 204
    assert site.finished == [BIG[:3 * PART]]
    assert [*store.objects().values()] == [BIG[:3 * PART]]


def test_tus_concatenation(site: Site, store: Store) -> None:
    urls = []
    for content in (BIG[:PART + 1], BIG[PART + 1:2 * PART + 3]):
        urls.append(site.create(Upload_Length=str(len(content)), Upload_Concat="partial"))
        site.patch(urls[-1], 0, content)
    url = site.create(Upload_Concat="final;" + " ".join(urls))
    assert site.finished == [BIG[:2 * PART + 3]]
    for each in (*urls, url):
        assert site.client.delete(each, headers=TUS).status_code == 204
    assert (store.objects(), store.multiparts()) == ({}, [])


def test_a_hook_that_refuses_first(site: Site, store: Store) -> None:
    site.refusals = 1
    url = site.create(Upload_Length="5")
    assert site.patch(url, 0, BIG[:5]).status_code == 422
    assert site.patch(url, 5, b"").status_code == 204
    assert site.finished == [BIG[:5]]
    assert store.names().count("PutObject") == 1


def test_a_store_that_does_not_answer(site: Site, store: Store) -> None:
    url = site.create(Upload_Length=str(2 * PART))
    store.before = failing(error("SlowDown"), "UploadPart", store)
    answer = site.patch(url, 0, BIG[:2 * PART])
    assert (answer.status_code, "Retry-After" in answer.headers) == (503, True)
    store.before = lambda number: None
    assert site.client.head(url, headers=TUS).headers["Upload-Offset"] == str(PART)
    assert site.patch(url, PART, BIG[PART:2 * PART]).status_code == 204
    assert site.finished == [BIG[:2 * PART]]


def test_a_creation_that_the_store_fails_is_kept(site: Site, store: Store, storage: S3Storage) -> None:
    store.before = failing(error("SlowDown"), "CreateMultipartUpload", store)
    answer = site.client.post("/files/", data=BIG[:2 * PART], headers={
        **TUS, "Upload-Length": str(2 * PART), "Content-Type": "application/offset+octet-stream"})
    assert answer.status_code == 503
    assert [upload.offset for upload in storage.uploads()] == [PART]


def test_draft(site: Site, store: Store) -> None:
    answer = site.client.post("/files/", data=BIG[:PART + 3], headers={"Upload-Complete": "?0"})
    url = answer.headers["Location"]
    assert site.client.head(url).headers["Upload-Offset"] == str(PART + 3)
    answer = site.client.patch(url, data=BIG[PART + 3:3 * PART], headers={
        "Upload-Complete": "?1", "Upload-Offset": str(PART + 3), "Content-Type": "application/partial-upload"})
    assert answer.headers["Upload-Complete"] == "?1"
    assert site.finished == [BIG[:3 * PART]]
    assert [*store.objects().values()] == [BIG[:3 * PART]]


def test_draft_with_a_digest_of_the_whole(site: Site, store: Store) -> None:
    digest = base64.b64encode(hashlib.sha256(BIG[:PART + 3]).digest()).decode()
    fields = {"Upload-Complete": "?1", "Repr-Digest": f"sha-256=:{digest}:"}
    assert site.client.post("/files/", data=b"\0" * (PART + 3), headers=fields).status_code >= 400
    assert (store.objects(), store.multiparts()) == ({}, [])
    assert site.client.post("/files/", data=BIG[:PART + 3], headers=fields).status_code < 300
    assert site.finished == [BIG[:PART + 3]]


def test_ranges_of_a_finished_upload(site: Site, store: Store) -> None:
    url = site.create(Upload_Length=str(2 * PART))
    site.patch(url, 0, BIG[:2 * PART])
    store.calls.clear()
    answer = site.client.get(url, headers={"Range": "bytes=-7"})
    assert (answer.status_code, answer.data) == (206, BIG[2 * PART - 7:2 * PART])
    assert store.names() == ["HeadObject", "GetObject"]
