"""Apps that take uploads into the directory that RANGEWARE_MATRIX_DIR names."""

from __future__ import annotations

import os

from rangeware.uploads import AsgiUploadApp, FileStorage, UploadApp

DIRECTORY = "RANGEWARE_MATRIX_DIR"
PATH = "/files/"
MAX_SIZE = 1_000_000_000

wsgi = UploadApp(FileStorage(os.environ.get(DIRECTORY, ".")), path=PATH, max_size=MAX_SIZE, expires=3600)
asgi = AsgiUploadApp(FileStorage(os.environ.get(DIRECTORY, ".")), path=PATH, max_size=MAX_SIZE, expires=3600)
