"""Benchmark of downloads against curl and a plain loop, with one and with several connections."""
