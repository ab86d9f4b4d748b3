"""``S3Body``: an object in S3, or in a store with the same interface, read by a client of boto3.

One HEAD when the body is made, and one GET for each part that is sent. The GET is conditional on the entity tag that
HEAD gave, if that is a strong one, and its answer must have the same: parts of two versions are never joined.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import Any

from botocore.exceptions import ClientError

from ..bodies.openable import OpenableBody
from ..core.options import Options
from ..errors import SourceChanged
from ..http.etags import parse_entity_tag
from ..http.ranges import ByteRange

_HEADERS = {
    "Cache-Control": "CacheControl",
    "Content-Disposition": "ContentDisposition",
    "Content-Encoding": "ContentEncoding",
    "Content-Language": "ContentLanguage",
    "Content-Length": "ContentLength",
    "Content-Type": "ContentType",
    "ETag": "ETag",
    "Expires": "ExpiresString",
}
"""By the name of a header: its name in boto3's answer to HEAD."""


class S3Body(OpenableBody):
    """The content of an object in S3, for the body of a response.

    >>> @app.get("/films/<name>")
    ... def film(name):
    ...     try:
    ...         body = S3Body(client, "films", name)
    ...     except client.exceptions.ClientError as exc:
    ...         flask.abort(exc.response["ResponseMetadata"]["HTTPStatusCode"])
    ...     return flask.Response(body, headers=body.headers, direct_passthrough=True)

    A client of boto3 may be shared by threads. The constructor asks the store, so that an asynchronous view has to call
    it in a thread. The danger: a client that has sent a request before a fork must not be used after it, as would
    happen under ``gunicorn --preload``: the processes would share its connections.

    :param client: a client of boto3: ``boto3.client("s3")``.
    :param bucket: the name of the bucket.
    :param key: the key of the object in it.
    :param version_id: the id of the version to send, in a bucket with versions; None for the current one.
    :param block_size: bytes per read, at most.
    :param extra_args: further arguments for HEAD and GET, such as ``{"RequestPayer": "requester"}``.
    :ivar headers: the headers that the store has for the content: Content-Type, Content-Encoding, Cache-Control ...
        With Content-Length and ETag, for a framework that leaves the body out on HEAD.
    :ivar metadata: the metadata that the object was given when it was uploaded.
    :raises ClientError: from the constructor, if there is no such object, or it may not be read.
    """

    def __init__(
        self, client: Any, bucket: str, key: str, *, version_id: str | None = None, block_size: int = 126_976,
        extra_args: Mapping[str, Any] | None = None,
    ) -> None:
        self._client, self._block_size = client, Options(block_size=block_size).block_size
        version = {} if version_id is None else {"VersionId": version_id}
        self._object = {"Bucket": bucket, "Key": key, **version, **(extra_args or {})}
        head = client.head_object(**self._object)
        self.complete_length: int = head["ContentLength"]
        self.etag = head.get("ETag")
        self.last_modified = head.get("LastModified")
        self.content_type: str | None = head.get("ContentType")
        self.headers = {name: str(head[key]) for name, key in _HEADERS.items() if head.get(key) not in (None, "")}
        self.metadata: dict[str, str] = head.get("Metadata", {})

    def open_range(self, first_pos: int, last_pos: int) -> Iterator[bytes]:
        """See ``OpenableBody.open_range``.

        :raises SourceChanged: if the object has been replaced.
        :raises ClientError: if it can no longer be read.
        :raises OSError: if the store sends other bytes than asked for.
        """
        answer = self._get(ByteRange(first_pos, last_pos))
        # Closing a connection that was read half drops it; one that was read to its end is used again.
        with closing(answer["Body"]) as content:
            self._check(answer, ByteRange(first_pos, last_pos))
            yield from content.iter_chunks(self._block_size)

    def _get(self, part: ByteRange) -> dict[str, Any]:
        # RFC 9110 13.1.1: strong comparison only, which a weak tag never passes; the answer's is compared all the same
        condition = {"IfMatch": self.etag} if self.etag and not parse_entity_tag(self.etag).weak else {}
        asked = f"bytes={part.first_pos}-{part.last_pos}"
        try:
            answer: dict[str, Any] = self._client.get_object(**self._object, **condition, Range=asked)
        except ClientError as exc:
            if exc.response.get("ResponseMetadata", {}).get("HTTPStatusCode") == 412:
                raise SourceChanged("the object in S3 was replaced while it was sent") from exc
            raise
        return answer

    def _check(self, answer: Mapping[str, Any], part: ByteRange) -> None:
        """Refuse an answer that is not about the bytes asked for: some stores ignore If-Match, or Range."""
        if answer.get("ETag") != self.etag:
            raise SourceChanged(f"the object in S3 was {self.etag}, and is now {answer.get('ETag')}")
        wanted = part.content_range(self.complete_length)
        if answer.get("ContentRange") != wanted:
            raise OSError(f"the store was asked for {wanted!r}, and sent {answer.get('ContentRange', 'no range')!r}")
