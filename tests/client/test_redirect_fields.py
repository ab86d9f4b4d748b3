"""The Location of a redirect, where a server says it twice or not at all."""

from __future__ import annotations

import contextlib

import pytest

from rangeware.client.io.transport import RequestFailed, Transport, parse_address
from rangeware.client.options import DownloadOptions
from tests.client.fault_server import Call, FaultServer, page


@pytest.mark.parametrize(("locations", "said"), [
    (("/a", "/b"), r"a redirect \(302\) to several URLs"), ((), r"a redirect \(302\) without Location"),
])
def test_which_location_is_meant(locations, said):
    with FaultServer(lambda call: call.send(page(302, *(("Location", each) for each in locations)))) as server, \
            pytest.raises(RequestFailed, match=said) as caught:
        Transport(parse_address(server.url), DownloadOptions()).open(server.url, {})
    assert caught.value.permanent


def test_the_same_location_twice():
    def act(call: Call) -> None:
        call.send(call.reply if call.number else page(302, ("Location", "/a"), ("Location", "/a")))

    with FaultServer(act) as server, contextlib.closing(
            Transport(parse_address(server.url), DownloadOptions()).open(server.url, {})) as response:
        assert response.address == server.url.replace("/file.bin", "/a")
