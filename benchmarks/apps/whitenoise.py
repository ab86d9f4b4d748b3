"""WhiteNoise, which serves the files of a directory. It cannot serve a generator."""

from __future__ import annotations

from whitenoise import WhiteNoise

from benchmarks.apps.plain import plain
from benchmarks.data import SERVED

app = WhiteNoise(plain, root=SERVED)
