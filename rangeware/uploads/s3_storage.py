"""Uploads in an S3 bucket, by multipart upload. Less than one part of each upload is on the local disk.

The description, the lock and the tickets are those of a ``FileStorage``, and so is the offset: the length of the local
file. Once a part of that file is full it is sent to the bucket under the lock. Then the description notes it, and only
then is its space on the disk given back by punching a hole, which leaves the length as it is. So a process that dies
anywhere leaves each byte in the local file, or in a part that is noted, or in both: in the last case the part is sent
again under the same number.

While bytes are held back, nothing is noted, and the part in which they begin stays on the disk. If they are dropped,
the parts that were sent meanwhile are sent again, or left out when the object is put together.
"""

from __future__ import annotations

import contextlib
import io
import mmap
import os
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, BinaryIO, NamedTuple, cast

from ..errors import InvalidOption
from .disk import punch
from .file_storage import FileStorage, FileWriter
from .protocol.values import Reason, Refusal, Upload

_MIB = 1 << 20  # bytes
_SMALLEST_PART, _LARGEST_PART, _LARGEST = 5 * _MIB, 5 << 30, 5 << 40  # bytes; limits of S3, as is the next one
_PARTS = 10_000
_ID = re.compile("[0-9a-f]{32}")
_TELL = {"NoSuchUpload": Reason.GONE, "NoSuchKey": Reason.MISSING, "404": Reason.MISSING,
         "EntityTooLarge": Reason.TOO_LARGE, "QuotaExceeded": Reason.NO_SPACE, "XMinioStorageFull": Reason.NO_SPACE}


class _Place(NamedTuple):
    """The parts of an upload that are in the bucket: how many, and how many bytes."""

    upload_id: str = ""
    parts: int = 0
    sent: int = 0


class S3Storage:
    """Uploads in an S3 bucket, or in one of a compatible store. Needs boto3: ``pip install 'rangeware[s3]'``.

    The key of an object is ``prefix`` and the id of its upload. It is there once the upload is complete, just before
    the ``finished`` hook. Multipart uploads under ``prefix`` without a description are aborted when uploads are cleaned
    up, if they are older than a day: so each ``directory`` needs a prefix of its own, used for nothing else.

    The processes of one machine share ``directory``. Several machines need a router that sends all requests of an
    upload to the same one, or a shared folder with working ``flock``. On a file system that cannot punch holes (all
    that Linux makes itself can), the whole upload stays in the folder until it is finished. The folder keeps an empty
    file and a description of each complete upload.

    While a part is sent, other requests for its upload wait; after 5 seconds they are told to try again later.
    Credentials must allow to get, put, list and delete objects, and to list and abort multipart uploads.

    :param directory: the local folder for descriptions and incomplete parts; made if it does not exist.
    :param bucket: the name of the bucket.
    :param prefix: the beginning of all keys, such as ``"uploads/"``.
    :param client: a boto3 client of S3, which decides on retries and timeouts; None makes one.
    :param part_size: bytes of a part, whole MiB from 5 MiB to 5 GiB. It grows for files that would have too
        many parts, and the local disk needs as much for each upload that is under way; twice as much while a checksum
        is awaited.
    :param quota: bytes that all uploads together may have, also complete ones; None for no limit.
    :param user_quota: bytes that the uploads of one owner may have; None for no limit.
    :raises InvalidOption: if boto3 is missing, or ``part_size`` is out of bounds.

    >>> storage = S3Storage("uploads", bucket="films", prefix="raw/")
    """

    def __init__(
        self, directory: str | os.PathLike[str], *, bucket: str, prefix: str = "", client: Any = None,
        part_size: int = 8 * _MIB, quota: int | None = None, user_quota: int | None = None,
    ) -> None:
        if not _SMALLEST_PART <= part_size <= _LARGEST_PART or part_size % _MIB:
            raise InvalidOption(f"part_size must be whole MiB from 5 MiB to 5 GiB, not {part_size!r}")
        self._part_size = part_size
        try:
            import boto3
            from botocore.exceptions import BotoCoreError, ClientError
        except ImportError:
            raise InvalidOption("S3Storage needs boto3: pip install 'rangeware[s3]'") from None
        self._client, self._errors = client or boto3.client("s3"), (BotoCoreError, ClientError)
        self._bucket, self._prefix = bucket, prefix
        self._local = FileStorage(directory, quota=quota, user_quota=user_quota)
        self._local.reserved, self._local.keeps_all = part_size, False
        self.find, self.recount = self._local.find, self._local.recount

    def create(self, upload: Upload) -> None:
        """See ``Storage.create``."""
        self.part_size(upload.length, _Place())
        self._local.create(upload)

    def claim(self, id: str, offset: int | None = None) -> S3Writer:
        """See ``Storage.claim``."""
        return S3Writer(self, self._local.claim(id, offset))

    def finish(self, id: str, accept: Callable[[Upload], None]) -> Upload:
        """See ``Storage.finish``. The object is made before ``accept`` is called."""
        def complete(upload: Upload) -> None:
            with open(self._local.path(id), "r+b") as file:
                self._complete(file.fileno(), upload)
                punch(file.fileno(), 0, upload.offset)
            accept(upload)

        return self._local.finish(id, complete)

    def remove(self, id: str, touched_before: float | None = None) -> None:
        """See ``Storage.remove``."""
        self._local.remove(id, touched_before, self._discard)

    def open(self, id: str) -> BinaryIO:
        """See ``Storage.open``. The object is made now if it is not there: all bytes of the upload must be."""
        upload = self._local.find(id)
        if not (upload.is_pending or upload.is_complete):
            with contextlib.closing(self._local.claim(id)) as writer:
                writer.forward(self._complete)
        length = self._call("head_object", id)["ContentLength"]
        raw = _Object(lambda span: self._call("get_object", id, Range=f"bytes={span}")["Body"].read(), length)
        return cast(BinaryIO, io.BufferedReader(raw, 2 * _MIB))

    def uploads(self) -> Iterator[Upload]:
        """See ``Storage.uploads``. Afterwards, multipart uploads that a crash left in the bucket are aborted."""
        yield from self._local.uploads()
        self._abort("", self._is_abandoned)

    def part_size(self, length: int | None, place: _Place) -> int:
        """Bytes of the next part of an upload: whole pages, so that they can be mapped.

        :raises Refusal: TOO_LARGE.
        """
        if length is None:
            return min(self._part_size << place.parts // 900, _LARGEST_PART)  # 5 TiB fit into 10,000 parts
        if length > _LARGEST:
            raise Refusal(Reason.TOO_LARGE)
        return max(self._part_size, -(-(length - place.sent) // (_PARTS - place.parts) // _MIB) * _MIB)

    def send_part(self, fd: int, id: str, place: _Place, size: int) -> _Place:
        """Send the next ``size`` bytes of the local file as a part, and return what is in the bucket then."""
        os.fdatasync(fd)  # after a loss of power, the file must not be shorter than the parts that are noted
        upload_id = place.upload_id or self._call("create_multipart_upload", id)["UploadId"]
        self._send("upload_part", id, fd, place.sent, size, UploadId=upload_id, PartNumber=place.parts + 1)
        return _Place(upload_id, place.parts + 1, place.sent + size)

    def _complete(self, fd: int, upload: Upload) -> tuple[Upload, int, int]:
        """Make the object of what is in the bucket and in the local file. It can be repeated after a crash."""
        if not self._is_stored(upload):
            with _ignoring(Reason.GONE):  # boto3 may have tried twice, and been successful at first
                self._assemble(fd, upload, _Place(*upload.place))
            if not self._is_stored(upload):
                raise Refusal(Reason.GONE)
        self._abort(upload.id)
        return upload, 0, 0

    def _assemble(self, fd: int, upload: Upload, place: _Place) -> None:
        rest = upload.offset - place.sent
        if not place.parts:
            self._send("put_object", upload.id, fd, 0, rest)
            return
        if rest:
            place = self.send_part(fd, upload.id, place, rest)
        listed = self._call("list_parts", upload.id, UploadId=place.upload_id)["Parts"]
        parts = [{name: value for name, value in part.items() if name not in ("Size", "LastModified")}
                 for part in listed if part["PartNumber"] <= place.parts]
        self._call("complete_multipart_upload", upload.id, UploadId=place.upload_id, MultipartUpload={"Parts": parts})

    def _is_stored(self, upload: Upload) -> bool:
        with _ignoring(Reason.MISSING):
            return bool(self._call("head_object", upload.id)["ContentLength"] == upload.offset)
        return False

    def _discard(self, id: str) -> None:
        self._abort(id)
        self._call("delete_object", id)

    def _abort(self, id: str, is_left: Callable[[str, float], bool] = lambda id, begun: True) -> None:
        """Abort multipart uploads by the beginning of their ids. A crash may have left some that were never noted."""
        for each in self._call("list_multipart_uploads", Prefix=self._prefix + id).get("Uploads", ()):
            found = each["Key"][len(self._prefix):]
            if is_left(found, each["Initiated"].timestamp()):
                with _ignoring(Reason.GONE):
                    self._call("abort_multipart_upload", found, UploadId=each["UploadId"])

    def _is_abandoned(self, id: str, begun: float) -> bool:
        with _ignoring(Reason.MISSING):
            return not self._local.find(id)
        return begun < time.time() - 86400 and _ID.fullmatch(id) is not None

    def _send(self, operation: str, id: str, fd: int, start: int, size: int, **more: Any) -> None:
        """Send bytes of a file. They are mapped, since boto3's retries begin at byte 0 of a file."""
        content = mmap.mmap(fd, size, access=mmap.ACCESS_READ, offset=start) if size else contextlib.nullcontext(b"")
        with content as body:
            self._call(operation, id, Body=body, **more)

    def _call(self, operation: str, id: str | None = None, **more: Any) -> Any:
        """Call S3, about the object of an upload if there is an id. Lists are read to their end."""
        more |= {"Bucket": self._bucket} if id is None else {"Bucket": self._bucket, "Key": self._prefix + id}
        try:
            if self._client.can_paginate(operation):
                return self._client.get_paginator(operation).paginate(**more).build_full_result()
            return getattr(self._client, operation)(**more)
        except self._errors as exc:
            code = getattr(exc, "response", {}).get("Error", {}).get("Code")
            raise Refusal(_TELL.get(code, Reason.UNAVAILABLE)) from exc


class S3Writer:
    """See ``storage.Writer``."""

    def __init__(self, storage: S3Storage, local: FileWriter) -> None:
        self._storage, self._local = storage, local
        self._place, self._size = _Place(*local.upload.place), local.upload.offset
        self._held_from: int | None = None
        self.describe, self.flush, self.close = local.describe, local.flush, local.close

    @property
    def upload(self) -> Upload:
        """See ``Writer.upload``."""
        return self._local.upload

    def write(self, block: bytes) -> None:
        """See ``Writer.write``.

        :raises Refusal: also UNAVAILABLE if S3 does not answer, and GONE if the multipart upload has been aborted.
        """
        while block:
            room = self._send_full_parts()
            self._local.write(block[:room])
            self._size += len(block[:room])
            block = block[room:]

    def hold_back(self) -> None:
        """See ``Writer.hold_back``."""
        self._local.hold_back()
        self._held_from = self._size

    def release(self, *, keep: bool) -> None:
        """See ``Writer.release``."""
        if keep:
            self._local.upload = replace(self.upload, place=self._place)
        self._local.release(keep=keep)
        self._held_from, self._place, self._size = None, _Place(*self.upload.place), self.flush().offset
        self._local.forward(lambda fd, upload: (upload, 0, self._place.sent))

    def _send_full_parts(self) -> int:
        """Send what fills parts, and return how many bytes the next part has room for."""
        while (room := self._place.sent + self._storage.part_size(self.upload.length, self._place) - self._size) <= 0:
            self._local.forward(self._send_part)
        return room

    def _send_part(self, fd: int, upload: Upload) -> tuple[Upload, int, int]:
        start = self._place.sent
        size = self._storage.part_size(upload.length, self._place)
        self._place = self._storage.send_part(fd, upload.id, self._place, size)
        if self._held_from is None:
            return replace(upload, place=self._place), 0, self._place.sent
        return upload, start if start >= self._held_from else self._place.sent, self._place.sent


class _Object(io.RawIOBase):
    """The content of an object; ``read`` gets a span of its bytes, such as "0-9"."""

    def __init__(self, read: Callable[[str], bytes], length: int) -> None:
        self._read, self._length, self._pos = read, length, 0

    def readable(self) -> bool:
        return True

    seekable = readable

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._pos = offset + (0, self._pos, self._length)[whence]
        return self._pos

    def readall(self) -> bytes:
        block = bytearray(max(0, self._length - self._pos))
        return bytes(block[:self.readinto(block)])

    def readinto(self, buffer: Any) -> int:
        if self._pos >= self._length:
            return 0
        block = self._read(f"{self._pos}-{self._pos + len(buffer) - 1}")
        buffer[:len(block)] = block
        self._pos += len(block)
        return len(block)


@contextlib.contextmanager
def _ignoring(reason: Reason) -> Iterator[None]:
    try:
        yield
    except Refusal as refusal:
        if refusal.reason is not reason:
            raise
