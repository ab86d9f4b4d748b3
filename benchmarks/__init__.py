"""Benchmarks of rangeware and its alternatives: server CPU per request, time to first byte and memory."""
