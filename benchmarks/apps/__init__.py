"""The apps that the benchmark serves: all answer ``/1m``, ``/1g`` and ``/8g`` (files), some ``/gen`` and ``/json``."""
