"""Two pages as they are found on the web, and the app that takes their chunks; served by gunicorn.

The environment tells the folders: ``FORMS_DATA`` for uploads, ``FORMS_NODE`` with node_modules. ``FORMS_FAULTS`` tells
as JSON which uploads are answered with an error, as by a proxy that stands in front: {"2": 503} is for the third.
"""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rangeware.uploads import FileStorage, FinishedUpload
from rangeware.uploads.chunked import ChunkedUploadApp

DATA, NODE = Path(os.environ["FORMS_DATA"]), Path(os.environ["FORMS_NODE"])
FAULTS: dict[str, int] = json.loads(os.environ["FORMS_FAULTS"])

WEB_UPLOADER = """<!DOCTYPE html><meta charset="utf-8"><title>WebUploader</title>
<div id="picker">choose</div>
<script src="/node/jquery/dist/jquery.min.js"></script>
<script src="/node/webuploader/dist/webuploader.min.js"></script>
<script>
var log = [], binary = location.search === '?binary';
WebUploader.Uploader.register({'before-send-file': 'beforeSendFile', 'before-send': 'beforeSend'}, {
  beforeSendFile: function (file) {
    var deferred = WebUploader.Deferred();
    this.owner.md5File(file, 0, 100 * 1024).then(function (md5) { file.md5 = md5; deferred.resolve(); });
    return deferred.promise();
  },
  beforeSend: function (block) {
    var deferred = WebUploader.Deferred();
    $.ajax({
      type: 'POST', url: '/UploadVideo/checkChunk', dataType: 'json', cache: false, timeout: 5000,
      data: {fileMd5: block.file.md5, chunk: block.chunk, chunkSize: block.end - block.start},
      success: function (response) {
        if (response.ifExist) { log.push('skipped'); deferred.reject(); } else { deferred.resolve(); }
      },
      error: function () { deferred.resolve(); }
    });
    return deferred.promise();
  }
});
var uploader = WebUploader.create({
  pick: '#picker', server: '/UploadVideo/upload', chunked: true, chunkSize: 256 * 1024, threads: 3, auto: true,
  resize: false, compress: false, duplicate: true, sendAsBinary: binary
});
uploader.on('uploadBeforeSend', function (block, data) { data.fileMd5 = block.file.md5; });
uploader.on('uploadAccept', function () { log.push('accepted'); });
uploader.on('uploadError', function () { log.push('error'); });
uploader.on('uploadSuccess', function (file) {
  var merge = {fileMd5: file.md5, fileName: file.name, fileId: file.id};
  $.post('/UploadVideo/mergeChunks', merge, function (response) { log.push(response); }, 'json');
});
</script>"""

RESUMABLE = """<!DOCTYPE html><meta charset="utf-8"><title>Resumable.js</title>
<input type="file" id="picker">
<script src="/node/resumablejs/resumable.js"></script>
<script>
var log = [];
var uploader = new Resumable({
  target: '/UploadVideo/', chunkSize: 256 * 1024, simultaneousUploads: 3,
  method: location.search === '?binary' ? 'octet' : 'multipart'
});
uploader.assignBrowse(document.getElementById('picker'));
uploader.on('fileAdded', function () { uploader.upload(); });
uploader.on('fileRetry', function () { log.push('retry'); });
uploader.on('fileError', function () { log.push('error'); });
uploader.on('fileSuccess', function () { log.push('success'); });
</script>"""

PAGES = {"/webuploader": WEB_UPLOADER, "/resumable": RESUMABLE}


def finished(file: FinishedUpload) -> None:
    """Note the name of the file and its SHA-256."""
    with open(DATA / "finished", "a") as notes:
        print(file.digest().hex(), file.upload.metadata["filename"], file=notes)


upload = ChunkedUploadApp(FileStorage(DATA / "uploads"), path="/UploadVideo/", finished=finished)


def fault_of_this_upload() -> int | None:
    """Count the uploads, across processes; return the status of an error."""
    for number in itertools.count():
        try:
            os.close(os.open(DATA / f"upload-{number}", os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            continue
        return FAULTS.get(str(number))
    raise AssertionError


def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Serve the pages, what they load, and the uploads."""
    path = environ["PATH_INFO"]
    if path in PAGES:
        start_response("200 OK", [("Content-Type", "text/html")])
        return [PAGES[path].encode()]
    if path.startswith("/node/"):
        start_response("200 OK", [("Content-Type", "text/javascript")])
        return [(NODE / "node_modules" / path.removeprefix("/node/")).read_bytes()]
    is_upload = environ["REQUEST_METHOD"] == "POST" and path in ("/UploadVideo/", "/UploadVideo/upload")
    status = fault_of_this_upload() if is_upload else None
    if status is None:
        return upload(environ, start_response)
    environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
    start_response(f"{status} Fault", [("Content-Length", "0")])
    return []
