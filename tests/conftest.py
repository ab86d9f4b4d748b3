"""Settings for all tests."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

# Who runs the tests in the background may have SIGINT ignored, which children inherit, and Ctrl-C is tested.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def moto_url() -> Iterator[str]:
    """The URL of moto's S3 server. All servers of moto in a process share their buckets, so that one will do."""
    from moto.server import ThreadedMotoServer  # takes a second

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()
