"""The bucket that the tests of the stores share."""

from __future__ import annotations

from typing import Any, NamedTuple

from tests.stores.store_log import StoreLog

BUCKET, KEY = "film-store", "a/film one.bin"
CONTENT = b"".join(b"%8d" % number for number in range(32_768))
"""256 KiB of which each eight bytes tell where they are."""
BLOCK = 16_384


class Bucket(NamedTuple):
    """A bucket.

    :param log: of the store, which sees what ``client`` asks.
    :param client: of boto3, through the log.
    :param direct: of boto3, past the log.
    """

    log: StoreLog
    client: Any
    direct: Any

    def put(self, key: str, content: bytes, **more: Any) -> str | None:
        """Put an object there, and return its version, if the bucket has versions."""
        version: str | None = self.direct.put_object(Bucket=BUCKET, Key=key, Body=content, **more).get("VersionId")
        return version
