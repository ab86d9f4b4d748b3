"""Uploads that resume: ``UploadApp`` for WSGI, ``AsgiUploadApp`` for ASGI.

Both speak tus 1.0 and the IETF draft "Resumable Uploads for HTTP", and store the files in a ``FileStorage`` (a folder)
or an ``S3Storage`` (a bucket). For pages that have WebUploader or Resumable.js, ``rangeware.uploads.chunked`` has
``ChunkedUploadApp``.
"""

# ``protocol`` decides, ``engine`` carries it out on a storage, such as ``file_storage`` or ``s3_storage``. ``service``
# is what both apps share.

from .asgi import AsgiUploadApp
from .engine import FinishedUpload, Refused
from .file_storage import FileStorage
from .protocol.values import Upload
from .s3_storage import S3Storage
from .wsgi import UploadApp

__all__ = ["AsgiUploadApp", "FileStorage", "FinishedUpload", "Refused", "S3Storage", "Upload", "UploadApp"]
