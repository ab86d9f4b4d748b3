"""Side by side: rangeware and what one would pick instead, as server CPU per request, time to first byte and memory."""
