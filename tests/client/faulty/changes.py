"""Files that change between two answers, and validators that do not say so."""

from __future__ import annotations

from collections.abc import Callable
from email.utils import formatdate

from tests.client.fault_server import COMPLETE_LENGTH, Act, Call, FaultServer, Reply, Version, random_bytes, well_made
from tests.client.faulty.table import CHANGED, DIGEST, NETWORK, RIGHT, RIGHT_SHA256, Change, Fault, Spoil

_CUT = 150_000
_VALIDATORS = ("ETag", "Last-Modified")
_MAYBE_CHANGED = f"{RIGHT}|{CHANGED}|{NETWORK}"


def _next(server: FaultServer, **fields: object) -> Version:
    version = Version.make(len(server.versions) + 1)
    return server.change(version._replace(**fields))  # type: ignore[arg-type]


def _under_the_same_etag(server: FaultServer) -> None:
    _next(server, etag=server.version.etag)


def _under_the_same_validators(server: FaultServer) -> None:
    _next(server, etag=server.version.etag, changed=server.version.changed)


def _in_the_front_only(server: FaultServer) -> None:
    """Bytes that were fetched before the break, under the same validators: no overlap shows it."""
    before = server.version
    content = random_bytes(99, 50_000) + before.content[50_000:]
    server.change(before._replace(number=before.number + 1, content=content))


def _grow(server: FaultServer) -> None:
    server.change(Version.make(len(server.versions) + 1, COMPLETE_LENGTH + 1000))


def _grow_at_the_end(server: FaultServer) -> None:
    """A log: what was there stays, more is added; new validators."""
    content = server.version.content + random_bytes(98, 5000)
    _next(server, content=content)


def _shrink(server: FaultServer) -> None:
    server.change(Version.make(len(server.versions) + 1, 70_000))


def _shrink_to_a_part(server: FaultServer) -> None:
    """Shrink the file under the same validators."""
    before = server.version
    server.change(before._replace(number=before.number + 1, content=before.content[:70_000]))


def _empty(server: FaultServer) -> None:
    server.change(Version.make(len(server.versions) + 1, 0))


def same(reply: Reply) -> Reply:
    """Spoils nothing."""
    return reply


def no_validators(reply: Reply) -> Reply:
    """Without ETag and Last-Modified."""
    return reply.without(*_VALIDATORS)


def no_etag(reply: Reply) -> Reply:
    """With Last-Modified only."""
    return reply.without("ETag")


def weak_etag(reply: Reply) -> Reply:
    """With a weak ETag only."""
    return reply.put("ETag", f"W/{reply.field('ETag')}").without("Last-Modified")


def date_now(reply: Reply) -> Reply:
    """With a Last-Modified that is Date itself, so that it is weak (RFC 9110 8.8.2.2)."""
    return reply.without("ETag").put("Last-Modified", reply.field("Date"))


def same_date(reply: Reply) -> Reply:
    """With a Last-Modified that is Date, and always the same, as after a change within the second."""
    date = formatdate(1_700_000_000, usegmt=True)
    return reply.without("ETag").put("Last-Modified", date).put("Date", date)


def _no_validators_in_206(reply: Reply) -> Reply:
    return no_validators(reply) if reply.status == 206 and reply.first_pos else reply


def ignoring_if_range(call: Call) -> Reply:
    """The answer of a server that serves the range whatever If-Range says."""
    fields = tuple(line for line in call.request.fields if line[0] != "if-range")
    return Call(call.line, call.request._replace(fields=fields), call.number).reply


def _changing(change: Change, spoil: Spoil = same, ignores_if_range: bool = False) -> Act:
    """The first answer is cut, then the file changes, once."""

    def act(call: Call) -> None:
        reply = spoil(ignoring_if_range(call) if ignores_if_range else call.reply)
        if call.number:
            call.send(reply)
            return
        change(call.server)
        call.bite()
        call.send_cut(reply, _CUT)

    return act


def _plain(spoil: Spoil) -> Act:
    return lambda call: call.send(spoil(ignoring_if_range(call)))


def _row(
    name: str,
    change: Change,
    spoil: Spoil = same,
    ignores_if_range: bool = False,
    ends: str = RIGHT,
    why: str = "the new version can be fetched whole",
    **more: object,
) -> Fault:
    act = _changing(change, spoil, ignores_if_range)
    before = _plain(spoil)
    return Fault(name, act, ends, why, before=before, between=change, **more)  # type: ignore[arg-type]


def _change_always(call: Call) -> None:
    reply = call.reply
    call.server.change()
    call.bite()
    call.send_cut(reply, _CUT)


def _change_after_each(call: Call) -> None:
    reply = call.reply
    call.server.change()
    call.bite()
    call.send(reply)


def _alternate(length: int) -> Act:
    """Two servers behind one address, with another version each."""

    def act(call: Call) -> None:
        server = call.server
        if len(server.versions) == 1:
            server.change()
        version = server.versions[call.number % 2]
        server.version = version
        call.bite()
        call.send_cut(call.reply, length)

    return act


def _new_etag_each_time(length: int, ignores_if_range: bool) -> Act:
    def act(call: Call) -> None:
        server = call.server
        server.version = server.version._replace(etag=f'"answer-{server.count("answers")}"')
        call.bite()
        call.send_cut(ignoring_if_range(call) if ignores_if_range else call.reply, length)

    return act


def _cut_once(spoil: Spoil, serves: Callable[[Call], Reply] = ignoring_if_range) -> Act:
    def act(call: Call) -> None:
        reply = spoil(serves(call))
        if call.is_among("cut", 1):
            call.send_cut(reply, _CUT)
        else:
            call.send(reply)

    return act


def _unchanged(name: str, spoil: Spoil, why: str) -> Fault:
    return Fault(name, _cut_once(spoil), why=why, before=_plain(spoil))


def _changed_back(server: FaultServer) -> None:
    """As it was before: the same content under the same validators."""
    first = server.versions[0]
    server.change()
    server.change(first)


def _old(call: Call) -> None:
    call.send(well_made(call.request, call.server.versions[0]))


def _old_then_new(call: Call) -> None:
    if call.number:
        call.send(call.reply)
        return
    call.bite()
    call.send_cut(well_made(call.request, call.server.versions[0]), _CUT)


def _dated_by_the_clock(ahead: int) -> Act:
    """Last-Modified is the time of the response, or so many seconds later; each response is cut."""

    def act(call: Call) -> None:
        now = 1_700_000_000 + 7 * call.server.count("seconds")
        dates = (formatdate(now, usegmt=True), formatdate(now + ahead, usegmt=True))
        call.bite()
        reply = ignoring_if_range(call).without("ETag").put("Date", dates[0]).put("Last-Modified", dates[1])
        call.send_cut(reply, 150_000)

    return act


FAULTS = (
    _row("changed: new ETag, same size", FaultServer.change),
    _row("changed: new Last-Modified, same ETag", _under_the_same_etag, why="the ETag lies; overlap or date show it"),
    _row("changed: Last-Modified only", FaultServer.change, no_etag),
    _row("changed: no validators", FaultServer.change, no_validators, why="only the overlap shows it"),
    _row("changed: weak ETag only", FaultServer.change, weak_etag),
    _row("changed: within the second of Last-Modified", FaultServer.change, same_date, why="the overlap shows it"),
    _row("changed: the same validators", _under_the_same_validators, why="only the overlap shows it"),
    _row("changed: the same ETag, If-Range ignored", _under_the_same_etag, ignores_if_range=True),
    Fault(
        "changed in front of the break, same validators",
        _old_then_new,
        f"{RIGHT}|{DIGEST}",
        "nothing but --sha256 shows it",
        before=_old,
        setup=_in_the_front_only,
        options={"sha256": RIGHT_SHA256},
    ),
    _row("changed: If-Range ignored", FaultServer.change, ignores_if_range=True),
    _row("changed: If-Range ignored, no ETag in 206", FaultServer.change, _no_validators_in_206, ignores_if_range=True),
    _row("grown, new validators", _grow),
    _row("grown at its end, If-Range ignored", _grow_at_the_end, ignores_if_range=True),
    _row("shrunk below what is on disk", _shrink),
    _row("shrunk, If-Range ignored", _shrink, ignores_if_range=True, why="416 tells another length"),
    _row("shrunk, the same validators", _shrink_to_a_part, why="the complete length differs"),
    _row("emptied", _empty, why="an empty file is a file"),
    _row("changed and changed back", _changed_back, why="the strong ETag is right about it"),
    Fault("changes with each answer, each cut", _change_always, f"{CHANGED}|{NETWORK}", "no version is ever whole"),
    Fault("changes after each answer", _change_after_each, _MAYBE_CHANGED, "one plain answer is whole", resumed=RIGHT),
    Fault("two versions in turn", _alternate(10**9), _MAYBE_CHANGED, "one plain answer is whole"),
    Fault("two versions in turn, each cut", _alternate(350_000), _MAYBE_CHANGED, "parts of the one may meet"),
    Fault(
        "new ETag with each answer, same file",
        _new_etag_each_time(10**9, ignores_if_range=False),
        why="each answer is whole where ranges are given up",
    ),
    Fault(
        "new ETag with each answer, If-Range ignored",
        _new_etag_each_time(10**9, ignores_if_range=True),
        why="a plain GET is whole",
    ),
    Fault(
        "new ETag with each answer, each cut",
        _new_etag_each_time(350_000, ignores_if_range=False),
        why="the same length, strong date and overlap",
    ),
    Fault("Last-Modified is always now, each cut", _dated_by_the_clock(0), RIGHT, "the same length and overlap"),
    Fault("Last-Modified is always tomorrow, each cut", _dated_by_the_clock(86_400), RIGHT,
          "the same length and overlap"),
    _unchanged("unchanged: weak ETag only, cut", weak_etag, "the overlap vouches"),
    _unchanged("unchanged: no validators, cut", no_validators, "the overlap vouches"),
    _unchanged("unchanged: Last-Modified is Date, cut", date_now, "the overlap vouches"),
    _unchanged("unchanged: Last-Modified only, cut", no_etag, "a strong date (RFC 9110 8.8.2.2)"),
)
