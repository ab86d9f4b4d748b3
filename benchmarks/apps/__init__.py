"""The apps of the benchmark: all serve ``/1m``, ``/1g`` and ``/8g`` (files), some ``/gen`` and ``/json``."""
