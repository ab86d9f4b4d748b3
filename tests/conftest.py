"""Settings for all tests."""

from __future__ import annotations

import signal

# Who runs the tests in the background may have SIGINT ignored, which children inherit, and Ctrl-C is tested.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
