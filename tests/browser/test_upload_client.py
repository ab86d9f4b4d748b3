"""tus-js-client in Debian's Chromium, on a page of another origin than the uploads."""

import contextlib
import functools
import hashlib
import http.server
import shutil
import threading

import pytest

from tests.browser.conftest import start_chromium
from tests.matrix import npm, upload_apps
from tests.matrix.uploading import TUS, CuttingRelay, ask, serving

pytestmark = pytest.mark.browser

LENGTH = 3_000_001
CUT = 2_300_000
PAGE = """<!doctype html><meta charset="utf-8"><title>Upload</title><link rel="icon" href="data:,">
<script src="tus.min.js"></script><script>
const content = Uint8Array.from({ length: LENGTH }, (_, i) => (i * 7 + (i >> 8)) & 255)
function start(options, abortAt, resume) {
  if (!resume) localStorage.clear()  // where it remembers uploads
  window.said = null
  window.first = null
  const upload = new tus.Upload(new File([content], 'f\u00e4st.bin', { type: 'text/html', lastModified: 1 }), {
    retryDelays: null, metadata: { filename: 'f\u00e4st.bin', filetype: 'text/html' }, ...options,
    onError: (error) => { window.said = { error: String(error), url: upload.url } },
    onSuccess: () => { window.said = { done: true, url: upload.url, first: window.first } },
    onProgress: (sent) => {
      window.first ??= sent
      if (abortAt && sent >= abortAt) {
        abortAt = 0
        upload.abort(true).then(() => { window.said = { aborted: true, url: upload.url } })
      }
    },
  })
  if (!resume) return upload.start()
  upload.findPreviousUploads().then((found) => { upload.resumeFromPreviousUpload(found[0]); upload.start() })
}
</script>""".replace("LENGTH", str(LENGTH))
PERIOD = bytes((i * 7 + (i >> 8)) & 255 for i in range(1 << 16))
CONTENT = (PERIOD * (LENGTH // len(PERIOD) + 1))[:LENGTH]  # as the page makes it

WAYS = {
    "in one": {},
    "in chunks": {"chunkSize": 500_000},
    "in parallel": {"parallelUploads": 3},
    "with the creation": {"uploadDataDuringCreation": True},
    "of a length told last": {"uploadLengthDeferred": True, "chunkSize": 500_000},
    "by POST instead of PATCH": {"overridePatchMethod": True},
    "by the IETF draft": {"protocol": "ietf-draft-05"},
}


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format, *args):
        pass


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    (folder / "index.html").write_text(PAGE, encoding="utf-8")
    shutil.copy(npm.install() / "tus-js-client/dist/tus.min.js", folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def driver(page, tmp_path_factory):
    driver = start_chromium(tmp_path_factory.mktemp("profile"), 1280, 900)
    driver.get(page)
    with contextlib.closing(contextlib.ExitStack()) as stack:
        stack.callback(driver.quit)
        yield driver


@pytest.fixture(scope="module", params=["gunicorn-gthread-2", "uvicorn-h11"])
def relay(request, tmp_path_factory):
    with serving(request.param, tmp_path_factory.mktemp("server")) as running:
        relay = CuttingRelay(running.address)
        with relay.serving():
            yield relay


@pytest.fixture
def upload(driver, relay):
    def run(abort_at=0, resume=False, **options):
        options["endpoint"] = relay.url + upload_apps.PATH
        driver.execute_script("start(arguments[0], arguments[1], arguments[2])", options, abort_at, resume)
        wait = "const done = arguments[0], look = () => window.said ? done(window.said) : setTimeout(look, 20); look()"
        return driver.execute_async_script(wait)
    return run


def path_of(said):
    return "/" + said["url"].split("/", 3)[3]


def check_file(relay, said):
    whole = ask(relay.address, "GET", path_of(said), {})
    assert hashlib.sha256(whole.content).digest() == hashlib.sha256(CONTENT).digest()
    return whole


@pytest.mark.parametrize("way", WAYS)
def test_upload(way, relay, upload):
    said = upload(**WAYS[way])
    assert said.get("done"), said
    whole = check_file(relay, said)
    assert whole.fields["content-type"] == "application/octet-stream"
    assert whole.fields["content-disposition"].startswith("attachment")


def cut_upload(relay, upload, options):
    relay.cut_after(CUT)
    return upload(**options)


@pytest.mark.parametrize("options", [{}, {"parallelUploads": 3}], ids=str)
def test_upload_is_resumed(options, relay, upload):
    # Chromium sends a request once more by itself where its connection was an old one, at times in time to succeed.
    assert any("error" in cut_upload(relay, upload, options) for _ in range(5))
    said = upload(resume=True, **options)
    assert said.get("done"), said
    assert said["first"] > 0 or options, "parts count one by one"
    check_file(relay, said)


def test_upload_is_removed(relay, upload):
    said = upload(abort_at=400_000, chunkSize=200_000)
    assert said.get("aborted"), said
    assert ask(relay.address, "HEAD", path_of(said), TUS).status in (404, 410)
