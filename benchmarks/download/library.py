"""Run ``rangeware.client.download`` with one connection, and print its seconds, without the start of Python.

``python -m benchmarks.download.library URL FILE``
"""

import sys
import time

from rangeware.client import download

begun = time.perf_counter()
download(sys.argv[1], sys.argv[2], segments=1)
print(time.perf_counter() - begun)
