"""A plain download loop without any safety: ``python loop.py URL FILE``."""

import os
import sys
import urllib.request

BLOCK = 64 << 10

with urllib.request.urlopen(sys.argv[1]) as answer, open(sys.argv[2], "wb") as file:
    while block := answer.read(BLOCK):
        file.write(block)
    file.flush()
    os.fsync(file.fileno())
