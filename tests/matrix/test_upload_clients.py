"""The clients that people have: tus-js-client in Node, and tuspy; against apps of two workers and in an event loop."""

import copy
import hashlib
import json
import os
import subprocess
import time
from random import Random

import pytest

from tests.matrix import npm, upload_apps
from tests.matrix.uploading import TUS, CuttingRelay, ask, serving

pytestmark = pytest.mark.matrix

CONTENT = Random(3).randbytes(3_000_001)
SHA_256 = hashlib.sha256(CONTENT).hexdigest()
CUT = 2_300_000
"""More than two of three parallel parts, so that the third one has been created."""
MOST = 1.4
"""Of the file on the wire: all that the server had not stored yet is sent once more."""
SERVERS = ("gunicorn-sync-2", "gunicorn-gthread-2", "uvicorn-httptools")


@pytest.fixture(scope="session")
def node_modules():
    return npm.install()


@pytest.fixture(scope="module", params=SERVERS)
def address(request, tmp_path_factory):
    with serving(request.param, tmp_path_factory.mktemp("server")) as running:
        yield running.address


@pytest.fixture
def file(tmp_path):
    file = tmp_path / "f\u00e4st.bin"
    file.write_bytes(CONTENT)
    return file


@pytest.fixture
def relay(address):
    with (relay := CuttingRelay(address)).serving():
        yield relay


@pytest.fixture
def javascript(node_modules, relay, file, tmp_path):
    def upload(**given):
        options = {"endpoint": relay.url + upload_apps.PATH, "metadata": {"filename": file.name}}
        options |= given.pop("options", {})
        argument = {"file": str(file), "urls": str(tmp_path / "urls.json"), "options": options, **given}
        node = subprocess.run(["node", str(npm.NODE / "upload.cjs"), json.dumps(argument)], capture_output=True,
                              env={**os.environ, "NODE_PATH": str(node_modules)}, timeout=60, check=False)
        assert node.stdout, node.stderr.decode()
        return json.loads(node.stdout)
    return upload


def path_of(url):
    return "/" + url.split("/", 3)[3]


def check_file(address, url):
    whole = ask(address, "GET", path_of(url), {})
    assert whole.status == 200
    assert hashlib.sha256(whole.content).hexdigest() == SHA_256
    return whole


WAYS = {
    "in one": {},
    "in chunks": {"options": {"chunkSize": 500_000}},
    "in parallel": {"options": {"parallelUploads": 3}},
    "in parallel chunks": {"options": {"parallelUploads": 4, "chunkSize": 200_000}},
    "with the creation": {"options": {"uploadDataDuringCreation": True}},
    "with the creation, in chunks": {"options": {"uploadDataDuringCreation": True, "chunkSize": 500_000}},
    "with the creation, in parallel": {"options": {"uploadDataDuringCreation": True, "parallelUploads": 2}},
    "of a length told last": {"input": "stream", "options": {"uploadLengthDeferred": True, "chunkSize": 500_000}},
    "of a length told last, with the creation": {"input": "stream", "options": {
        "uploadLengthDeferred": True, "uploadDataDuringCreation": True, "chunkSize": 500_000}},
    "by POST instead of PATCH": {"options": {"overridePatchMethod": True, "chunkSize": 1_000_000}},
    "by the IETF draft": {"options": {"protocol": "ietf-draft-05"}},
    # From a file in chunks it never says that a chunk is the last one, in this protocol.
    "by the IETF draft, in chunks":
        {"input": "buffer", "options": {"protocol": "ietf-draft-05", "chunkSize": 1_000_000}},
}


@pytest.mark.parametrize("way", WAYS)
def test_tus_js_client(way, address, javascript):
    said = javascript(**copy.deepcopy(WAYS[way]))
    assert said.get("done"), said
    whole = check_file(address, said["url"])
    if "draft" not in way:
        assert "f%C3%A4st.bin" in whole.fields["content-disposition"]


@pytest.mark.parametrize("options", [{}, {"parallelUploads": 3}, {"chunkSize": 400_000}], ids=str)
def test_tus_js_client_resumes_a_previous_upload(options, address, relay, javascript):
    relay.cut_after(CUT)
    first = javascript(options=options)
    assert "error" in first
    second = javascript(resume=True, options=options)
    assert (second.get("done"), second["resumed"]) == (True, 1), second
    assert relay.carried < len(CONTENT) * MOST
    check_file(address, second["url"])


def test_tus_js_client_retries_by_itself(address, relay, javascript):
    relay.cut_after(CUT)
    said = javascript(options={"retryDelays": [100, 500, 1000]})
    assert said.get("done"), said
    assert relay.carried < len(CONTENT) * MOST
    check_file(address, said["url"])


@pytest.mark.parametrize("options", [{}, {"chunkSize": 200_000}], ids=str)
def test_tus_js_client_removes_an_upload(options, address, javascript):
    said = javascript(abort_at=600_000, options=options)
    assert said.get("aborted"), said
    assert ask(address, "HEAD", path_of(said["url"]), TUS).status in (404, 410)


# --- tuspy ---

@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("given", [
    {}, {"chunk_size": 500_000}, {"chunk_size": 500_000, "upload_checksum": True}, {"upload_checksum": True},
], ids=str)
def test_tuspy(given, address, file):
    from tusclient.client import TusClient

    client = TusClient(f"http://127.0.0.1:{address[1]}{upload_apps.PATH}")
    with open(file, "rb") as stream:
        uploader = client.uploader(file_stream=stream, metadata={"filename": file.name}, **given)
        uploader.upload()
        check_file(address, uploader.url)


@pytest.mark.filterwarnings("ignore")
def test_tuspy_resumes(address, relay, file):
    from tusclient.client import TusClient

    client = TusClient(relay.url + upload_apps.PATH)
    with open(file, "rb") as stream:
        uploader = client.uploader(file_stream=stream, chunk_size=500_000, retries=0)
        relay.cut_after(CUT)
        with pytest.raises(Exception):  # noqa: B017, PT011 - whatever the client makes of it
            uploader.upload()
        time.sleep(0.3)  # the server may still store what had arrived, and this client does not try again at 409
        again = client.uploader(file_stream=stream, chunk_size=500_000, url=uploader.url)
        assert 0 < again.offset < len(CONTENT)
        again.upload()
        check_file(address, again.url)
