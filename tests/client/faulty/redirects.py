"""Redirects, and signed addresses that expire."""

from __future__ import annotations

from tests.client.fault_server import Act, Call, page
from tests.client.faulty.table import NETWORK, Fault


def _to(location: str | None, status: int = 302) -> Act:
    """Every request is redirected there; None: without Location."""

    def act(call: Call) -> None:
        call.bite()
        fields = [("Location", location.format(port=call.server.port))] if location is not None else []
        call.send(page(status, *fields))

    return act


def _through(status: int, location: str) -> Act:
    """The first address redirects to one that serves the file."""

    def act(call: Call) -> None:
        if call.request.target == "/file.bin":
            call.bite()
            call.send(page(status, ("Location", location.format(port=call.server.port))))
        else:
            call.send_cut(call.reply, 150_000)

    return act


def _onwards(call: Call) -> None:
    """A redirect to another address each time, for ever."""
    call.bite()
    call.send(page(302, ("Location", f"/on/{call.server.count('on')}")))


def _expiring(status: int) -> Act:
    """The first address redirects to a signed one; each of these can be used once, and its answer is cut.

    That of an earlier run has expired.
    """

    def act(call: Call) -> None:
        server, target = call.server, call.request.target
        if target == "/file.bin":
            call.send(page(302, ("Location", f"/signed/{server.count('signed')}")))
        elif target != "/signed/0" and server.count(target) == 1:
            call.send_cut(call.reply, 150_000)
        else:
            call.bite()
            call.send(page(status))

    return act


def _signed(call: Call) -> None:
    """The first address redirects to a signed one, which works."""
    if call.request.target == "/file.bin":
        call.send(page(302, ("Location", "/signed/0")))
    else:
        call.send(call.reply)


def _gone_later(call: Call) -> None:
    """The first address works once; then it is gone, and so is what it led to."""
    if call.number == 0 and not call.request.is_later:
        call.send(page(302, ("Location", "/signed")))
    elif call.number == 1 and not call.request.is_later:
        call.send_cut(call.reply, 150_000)
    else:
        call.bite()
        call.send(page(404))


def _other_file_after(call: Call) -> None:
    """The first address leads to another mirror each time, with another ETag for the same bytes."""
    server = call.server
    if call.request.target == "/file.bin":
        call.bite()
        call.send(page(302, ("Location", f"/mirror/{server.count('mirror')}")))
        return
    mirror = call.request.target.rpartition("/")[2]
    server.version = server.version._replace(etag=f'"mirror-{mirror}"')
    call.send(call.reply)


def _by_cookie(call: Call) -> None:
    """The first address redirects, and sets a cookie; the other serves the file only to those who bring it."""
    if call.request.target == "/file.bin":
        call.bite()
        call.send(page(302, ("Location", "/real"), ("Set-Cookie", "pass=1; Path=/; HttpOnly")))
    elif "pass=1" in call.request.field("cookie"):
        call.send_cut(call.reply, 150_000)
    else:
        call.send(page(403))


_ELSEWHERE = "http and https only"

FAULTS = (
    *(Fault(f"{status} to the file, cut", _through(status, "/real")) for status in (301, 302, 303, 307, 308)),
    Fault("redirect with a cookie that is needed", _by_cookie, why="RFC 6265", before=_signed),
    Fault("redirect by a full address", _through(302, "http://127.0.0.1:{port}/real")),
    Fault("redirect without scheme", _through(302, "//127.0.0.1:{port}/real")),
    Fault("redirect to itself", _to("/file.bin"), NETWORK, "a loop"),
    Fault("redirect to another address for ever", _onwards, NETWORK, "no end"),
    Fault("redirect to file:", _to("file:///etc/hostname"), NETWORK, _ELSEWHERE),
    Fault("redirect to ftp:", _to("ftp://127.0.0.1:{port}/x"), NETWORK, _ELSEWHERE),
    Fault("redirect to data:", _to("data:text/plain,hello"), NETWORK, _ELSEWHERE),
    Fault("redirect to garbage", _to("http://[::1"), NETWORK, "no address"),
    Fault("redirect to a port that is none", _to("http://127.0.0.1:99999/"), NETWORK, "no address"),
    Fault("redirect to nothing", _to(""), NETWORK, "an empty reference is the same address: a loop"),
    Fault("redirect without Location", _to(None), NETWORK, "no address"),
    Fault("300 without Location", _to(None, 300), NETWORK, "nobody chooses"),
    *(
        Fault(
            f"signed address: {status} the second time",
            _expiring(status),
            why="the first address gives a new one",
            before=_signed,
        )
        for status in (403, 404, 410)
    ),
    Fault("signed address and first one gone", _gone_later, NETWORK, "nothing is left to ask"),
    Fault("a mirror with another ETag each time", _other_file_after, why="the address that answered is kept to"),
)
