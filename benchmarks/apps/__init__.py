"""The apps that the benchmark serves: each answers ``/1g`` and ``/8g`` (files) and, where it can, ``/gen``."""
