"""A store for each test: moto's S3 server, seen through its log, with one object in a bucket."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config

from tests.stores.bucket import BUCKET, CONTENT, KEY, Bucket
from tests.stores.store_log import StoreLog


@pytest.fixture(scope="session")
def log(moto_url: str) -> Iterator[StoreLog]:
    """The log of the store."""
    with StoreLog(moto_url).running() as running:
        yield running


def _client(url: str) -> Any:
    return boto3.client(
        "s3", endpoint_url=url, region_name="us-east-1", aws_access_key_id="key", aws_secret_access_key="secret",
        config=Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}))


@pytest.fixture
def bucket(moto_url: str, log: StoreLog) -> Iterator[Bucket]:
    """A bucket with one object of CONTENT."""
    direct, through = _client(moto_url), _client(log.url)
    direct.create_bucket(Bucket=BUCKET)
    bucket = Bucket(log, through, direct)
    bucket.put(KEY, CONTENT, ContentType="text/plain", CacheControl="max-age=60", Metadata={"by": "me"})
    log.reset()
    yield bucket
    log.reset()
    direct.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Suspended"})
    for found in direct.list_object_versions(Bucket=BUCKET).get("Versions", ()):
        direct.delete_object(Bucket=BUCKET, Key=found["Key"], VersionId=found["VersionId"])
    through.close()
    direct.close()
