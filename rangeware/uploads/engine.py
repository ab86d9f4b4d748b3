"""Carry the operations of both protocols out on a storage.

``Exchange`` is one request. Its steps may block, and each is one call, so that WSGI runs them one after the other and
ASGI each in a thread: ``begin``, then the deployer's ``authorize``, ``open``, the content piece by piece into an
``Intake``, and ``respond``. Each may raise ``Refusal``, which ``refuse`` turns into the response.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import BinaryIO

from .pace import Pace
from .protocol import dialects
from .protocol.operations import Append, Cancel, Create, Look, Operation, Options, Read
from .protocol.values import Context, Digest, Limits, Reason, Refusal, Request, Response, Upload
from .storage import Storage, Writer

_LOG = logging.getLogger("rangeware")
_BLOCK = 1 << 20  # bytes
_LEFT = 5.0  # seconds without a byte, after which a request that awaits a checksum counts as dead
_ACTIONS = {Create: "create", Append: "append", Cancel: "end"}
_KEPT = (Reason.CUT_SHORT, Reason.LOCKED, Reason.HOOK, Reason.NO_SPACE, Reason.UNAVAILABLE)


class Refused(Refusal):
    """Raise it in ``authorize`` or ``finished`` to refuse a request or a file.

    :param status: the status code of the response.
    :param text: content of the response, which the client gets.

    >>> raise Refused(422, "not a picture")
    Traceback (most recent call last):
    rangeware.uploads.engine.Refused: not a picture
    """

    def __init__(self, status: int = 403, text: str = "") -> None:
        super().__init__(Reason.HOOK, text=text, status=status)


class FinishedUpload:
    """A file that has been uploaded, as the ``finished`` hook gets it.

    >>> def finished(file):
    ...     print(file.upload.metadata.get("filename"), file.digest().hex())
    >>> application = UploadApp(FileStorage("uploads"), finished=finished)

    :param storage: has the file.
    :param upload: its ``id``, ``length`` in bytes, ``metadata`` and ``owner``. The client wrote the metadata: do not
        trust it.
    """

    def __init__(self, storage: Storage, upload: Upload) -> None:
        self.upload = upload
        self._storage = storage

    def open(self) -> BinaryIO:
        """Open the file for reading."""
        return self._storage.open(self.upload.id)

    def digest(self, algorithm: str = "sha256") -> bytes:
        """Compute a digest of the file, which is read for it.

        :param algorithm: as ``hashlib`` names it.
        """
        digest = hashlib.new(algorithm)
        with self.open() as file:
            for block in iter(lambda: file.read(_BLOCK), b""):
                digest.update(block)
        return digest.digest()


Hook = Callable[[FinishedUpload], object]


class Exchange:
    """One request.

    :param request: its head.
    :param base: the address where uploads are created, as the client can reach it; ends with "/".
    :param finished: called with each ``FinishedUpload``.
    """

    def __init__(self, storage: Storage, limits: Limits, finished: Hook | None, request: Request, base: str) -> None:
        self._storage = storage
        self._finished = finished
        self._request = request
        self._context = Context(limits, base, time.time())
        self._operation: Operation | None = None
        self._intake: Intake | None = None
        self.upload: Upload | None = None

    def release(self) -> None:
        """Release what is held open, at the end of the request."""
        if self._intake is not None:
            self._intake.close()

    @property
    def action(self) -> str:
        """The action to authorize: "create", "append", "end" or "see"."""
        return _ACTIONS.get(type(self._operation), "see")

    def begin(self) -> None:
        """Find out what is asked for, and the upload that it is about; ``upload`` is None if it is about none."""
        self._operation = operation = dialects.parse(self._request)
        if isinstance(operation, Create):
            self.upload = operation.upload
        elif not isinstance(operation, Options):
            self.upload = self._find(operation.id)

    def parts(self) -> list[Upload]:
        """The uploads that a new one is made of, which also need to be authorized."""
        return [self._find(id) for id in self._operation.parts] if isinstance(self._operation, Create) else []

    def open(self, owner: str) -> Intake | None:
        """Do all that needs no content. Return where the content goes; None if there is none to be taken.

        :param owner: of an upload that is created.
        """
        operation, upload = self._operation, self.upload
        if isinstance(operation, Create):
            return self._create(operation, owner)
        if isinstance(operation, Append) and upload is not None:
            return self._append(operation, upload)
        if isinstance(operation, Cancel):
            self._storage.remove(operation.id)
        elif upload is not None:
            self.upload = self._look(upload)
        return None

    def _look(self, upload: Upload) -> Upload:
        """The upload as the client is told about it. What a crash or a hook kept from being complete is completed."""
        if upload.has_all:
            return self.finish(upload)
        ends_others = isinstance(self._operation, Look) and self._operation.ends_others
        is_left = upload.has_unchecked and self._context.now - upload.touched > _LEFT
        if upload.is_complete or not (ends_others or is_left):
            return upload
        try:
            with contextlib.closing(self._storage.claim(upload.id)) as writer:  # a request that hangs writes no more
                return writer.flush()
        except Refusal as refusal:
            if refusal.reason is not Reason.WRONG_OFFSET or refusal.upload is None:
                raise
            return refusal.upload  # that request has come to its end by itself

    @property
    def sends_content(self) -> bool:
        """True if the response is the content of the upload."""
        return isinstance(self._operation, Read) and self.upload is not None and self.upload.is_complete

    def content(self) -> BinaryIO:
        """Open the content of the upload."""
        return self._storage.open(self._request.id)

    def complete(self, intake: Intake) -> None:
        """Bring the content to the disk, and complete the upload if this is all of it."""
        try:
            upload, is_all = intake.end()
            self.upload = self.finish(upload) if is_all and not upload.is_partial else upload
        except Refusal as refusal:
            self._end_invalid(intake.upload, refusal)
            self._tidy(intake.upload, refusal)
            raise

    def respond(self) -> Response:
        """Make the response for what has been done."""
        assert self._operation is not None
        return dialects.answer(self._request, self._operation, self.upload, self._context)

    def refuse(self, refusal: Refusal) -> Response:
        """Make the response for what has been refused."""
        return dialects.refuse(self._request, self._operation, refusal, self._context)

    def _find(self, id: str) -> Upload:
        upload = self._storage.find(id)
        expiry = self._context.expiry(upload)
        if expiry is not None and expiry < self._context.now and not upload.has_all:
            raise Refusal(Reason.GONE)
        return upload

    def _create(self, operation: Create, owner: str) -> Intake | None:
        parts = [_checked_part(part) for part in self.parts()]
        length = sum(part.offset for part in parts) if parts else operation.upload.length
        upload = replace(
            operation.upload, id=secrets.token_hex(16), owner=owner, length=length, touched=self._context.now
        )
        _check_size(upload.length, self._context.limits)
        append = operation.append
        if append is not None:
            _check_content(self._request.content_length, append, upload, self._context.limits)
        self._storage.create(upload)
        self.upload = upload
        if parts:
            self.upload = self._concatenate(upload, parts)
        return None if append is None else self._take(append._replace(id=upload.id), upload)

    def _concatenate(self, upload: Upload, parts: list[Upload]) -> Upload:
        try:
            with contextlib.closing(self._storage.claim(upload.id, 0)) as writer:
                for block in self._blocks(parts):
                    writer.write(block)
                upload = writer.flush()
            return self.finish(upload)
        except Refusal as refusal:
            self._tidy(upload, refusal, kept=(Reason.HOOK,))
            raise

    def _blocks(self, parts: list[Upload]) -> Iterator[bytes]:
        for part in parts:
            with self._storage.open(part.id) as file:
                yield from iter(lambda: file.read(_BLOCK), b"")  # noqa: B023 - used up before the next part

    def _append(self, append: Append, upload: Upload) -> Intake | None:
        if upload.concat.startswith("final"):
            raise Refusal(Reason.FINAL)
        if append.offset != upload.offset:
            raise Refusal(Reason.WRONG_OFFSET, upload)
        if upload.length is not None and append.length not in (None, upload.length):
            raise Refusal(Reason.INCONSISTENT_LENGTH, upload)
        if append.length is not None and append.length < upload.offset:
            raise Refusal(Reason.INCONSISTENT_LENGTH, upload)
        _check_size(append.length, self._context.limits)
        self._check_surplus(append, upload)
        if upload.is_complete or upload.is_pending:
            self.upload = self._append_nothing(append, upload)
            return None
        return self._take(append, upload)

    def _append_nothing(self, append: Append, upload: Upload) -> Upload:
        if upload.is_complete and append.completes is not None:
            raise Refusal(Reason.ALREADY_COMPLETE, upload)
        return self.finish(upload)

    def _check_surplus(self, append: Append, upload: Upload) -> None:
        length = self._request.content_length
        if length is None and (upload.is_complete or upload.is_pending):
            raise Refusal(Reason.LENGTH_REQUIRED)
        try:
            _check_content(length, append, upload, self._context.limits)
        except Refusal as refusal:
            self._end_invalid(upload, refusal)
            raise

    def _take(self, append: Append, upload: Upload) -> Intake:
        writer = self._storage.claim(append.id, append.offset)
        try:
            if append.length is not None and writer.upload.length is None:
                writer.describe(replace(upload, length=append.length))
            if append.length not in (None, writer.upload.length):
                raise Refusal(Reason.INCONSISTENT_LENGTH, writer.upload)
            self._intake = Intake(writer, append, self._request.content_length, self._context.limits)
            return self._intake
        except BaseException:
            writer.close()
            raise

    def finish(self, upload: Upload) -> Upload:
        """Check the whole file, move it to its place, and have the hook accept it.

        :raises Refusal: WRONG_DIGEST, after which the upload is removed, or what the hook raised.
        """
        if upload.digest is not None and not upload.is_complete:
            self._check_digest(upload, upload.digest)
        return self._storage.finish(upload.id, self._accept)

    def _check_digest(self, upload: Upload, digest: Digest) -> None:
        if FinishedUpload(self._storage, upload).digest(digest.algorithm) != digest.value:
            self._storage.remove(upload.id)
            raise Refusal(Reason.WRONG_DIGEST, text="the file does not have the promised digest, and is removed")

    def _accept(self, upload: Upload) -> None:
        try:
            if self._finished is not None:
                self._finished(FinishedUpload(self._storage, upload))
        except Refusal:
            raise
        except Exception as exc:
            _LOG.exception("the finished hook failed for upload %s", upload.id)
            raise Refusal(Reason.HOOK) from exc

    def _end_invalid(self, upload: Upload, refusal: Refusal) -> None:
        if refusal.reason is Reason.SURPLUS and not (upload.is_complete or upload.is_pending):
            with contextlib.suppress(Refusal):
                self._storage.remove(upload.id)

    def _tidy(self, upload: Upload, refusal: Refusal, kept: tuple[Reason, ...] = _KEPT) -> None:
        """After a refused creation: remove the upload, or have the client told its address."""
        if not isinstance(self._operation, Create):
            return
        if refusal.reason in kept:
            refusal.upload = refusal.upload or upload
            return
        refusal.upload = None
        with contextlib.suppress(Refusal):
            self._storage.remove(upload.id)


class Intake:
    """The content of one request on its way into an upload, in pieces that are stored one by one.

    :param declared: bytes that the content has; None if that is not known.
    """

    def __init__(self, writer: Writer, append: Append, declared: int | None, limits: Limits) -> None:
        self._writer = writer
        self._append = append
        self._declared = declared
        self._room = _room(writer.upload, limits)
        self._pace = Pace()
        self._count = 0
        self._is_cut = False
        self._refusal: Refusal | None = None
        self._digest = None if append.digest is None else hashlib.new(append.digest.algorithm)
        self.upload = writer.upload
        if append.digest is not None:
            writer.hold_back()

    @property
    def wanted(self) -> int:
        """Bytes to read next; 0 if all has come, or no more is taken."""
        if self._refusal is not None:
            return 0
        left = self._pace.size if self._declared is None else self._declared - self._count
        return min(self._pace.size, left)

    def take(self, block: bytes) -> None:
        """Store a piece. If it is refused, ``end`` says why."""
        try:
            if self._room is not None and self._count + len(block) > self._room:
                raise Refusal(_surplus(self._append, self.upload, self._count + len(block)))
            self._writer.write(block)
        except Refusal as refusal:
            self._refusal = refusal
            return
        if self._digest is not None:
            self._digest.update(block)
        self._count += len(block)
        self._pace.note()

    def bound(self, largest: int) -> None:
        """Take pieces of so many bytes at most, for a server that loses the one it reads when a connection breaks."""
        self._pace = Pace(largest)

    def cut(self) -> None:
        """Note that the connection broke."""
        self._is_cut = True

    def end(self) -> tuple[Upload, bool]:
        """Bring all to the disk. Return the upload as it is then, and True if it is all of the file.

        :raises Refusal: if a piece was refused; CUT_SHORT, WRONG_DIGEST or INCONSISTENT_LENGTH.
        """
        is_whole = not self._is_cut and self._declared in (None, self._count)
        refusal = self._refusal or (None if is_whole else Refusal(Reason.CUT_SHORT))
        if self._digest is not None and self._append.digest is not None:
            if refusal is None and self._digest.digest() != self._append.digest.value:
                refusal = Refusal(Reason.WRONG_DIGEST)
            self._writer.release(keep=refusal is None or refusal.reason is not Reason.WRONG_DIGEST)
        self.upload = upload = self._writer.flush()
        if self._append.completes and upload.length not in (None, upload.offset):
            refusal = refusal or Refusal(Reason.INCONSISTENT_LENGTH)
        if self._append.completes and upload.length is None and refusal is None:
            self._writer.describe(replace(upload, length=upload.offset))  # nobody adds a byte to it from here on
        if refusal is not None:
            refusal.upload = upload
            raise refusal
        completes = self._append.completes
        return upload, upload.offset == upload.length if completes is None else completes

    def close(self) -> None:
        """Release what is held open."""
        self._writer.close()


def _room(upload: Upload, limits: Limits) -> int | None:
    """Bytes that may still come; None for any number."""
    ends = [end for end in (upload.length, limits.max_size) if end is not None]
    return min(ends) - upload.offset if ends else None


def _check_size(length: int | None, limits: Limits) -> None:
    if length is not None and limits.max_size is not None and length > limits.max_size:
        raise Refusal(Reason.TOO_LARGE)


def _check_content(count: int | None, append: Append, upload: Upload, limits: Limits) -> None:
    """Refuse content that is declared to be longer than what is left."""
    room = _room(upload, limits)
    if count is not None and room is not None and count > room:
        raise Refusal(_surplus(append, upload, count))


def _surplus(append: Append, upload: Upload, count: int) -> Reason:
    """Why ``count`` bytes are too many: the upload has another length, or it would become too large."""
    is_beyond = upload.length is not None and count > upload.length - append.offset
    return Reason.SURPLUS if append.ends_on_surplus and is_beyond else Reason.TOO_LARGE


def _checked_part(part: Upload) -> Upload:
    if not part.is_partial:
        raise Refusal(Reason.MALFORMED, text="only partial uploads can be concatenated")
    if part.offset != part.length:
        raise Refusal(Reason.NOT_FINISHED)
    return part
