"""Several servers behind one address, with ranges, entity tags and dates of their own; If-Range not understood."""

from __future__ import annotations

from tests.client.fault_server import Act, Call, Reply, Version, behave, random_bytes, well_made
from tests.client.faulty.changes import ignoring_if_range
from tests.client.faulty.table import CHANGED, DIGEST, NETWORK, RIGHT, RIGHT_SHA256, Fault, plainly

_CUT = 150_000


def _if_range_not_understood(call: Call) -> None:
    """Each answer is cut, so that the whole file never comes at once."""
    call.bite()
    reply = plainly(call).put("Accept-Ranges", "bytes") if call.request.field("if-range") else call.reply
    call.send_cut(reply, _CUT)


def _every_other_without_ranges(call: Call) -> None:
    call.bite()
    call.send_cut(plainly(call) if call.number % 2 else call.reply, _CUT)


def _node(call: Call, nodes: int, seconds: int) -> Reply:
    """The answer of one of so many servers, in turn. Each has its own tag for the file, and a later date by seconds."""
    node = call.server.count("asked") % nodes
    version = call.server.versions[0]
    return well_made(
        call.request, version._replace(etag=f'"{node}-927c0"', changed=version.changed + seconds * node))


def _nodes(nodes: int, seconds: int = 0) -> Act:
    """Each answer is cut."""

    def act(call: Call) -> None:
        call.bite()
        call.send_cut(_node(call, nodes, seconds), _CUT)

    return act


def _other_version(call: Call) -> Version:
    """Another version, of the same length, that differs in its first and last bytes: few overlaps show it."""
    server = call.server
    first = server.versions[0]
    if len(server.versions) == 1:
        content = random_bytes(99, 50_000) + first.content[50_000:-50_000] + random_bytes(98, 50_000)
        server.versions.append(first._replace(content=content, etag='"other"', changed=first.changed + 7))
    return server.versions[1]


def _versions_in_turn(call: Call) -> None:
    is_other = bool(call.server.count("asked") % 2)
    if is_other:
        call.bite()
    version = _other_version(call) if is_other else call.server.versions[0]
    call.send_cut(well_made(call.request, version), _CUT)


def _change_that_no_overlap_shows(call: Call) -> None:
    version = _other_version(call)
    if call.number == 0 and not call.request.is_later:
        call.send_cut(well_made(call.request, call.server.versions[0]), _CUT)
        return
    call.bite()
    server_has = Call(call.line, call.request, call.number)
    call.server.version = version
    call.send(ignoring_if_range(server_has))


_HONEST = f"{RIGHT}|{CHANGED}|{NETWORK}"
_IN_PARTS = "each answer brings progress"

FAULTS = (
    Fault("If-Range not understood, each cut", _if_range_not_understood, RIGHT, _IN_PARTS),
    Fault("every other server without ranges, each cut", _every_other_without_ranges, RIGHT, _IN_PARTS),
    Fault("two servers with tags of their own, each cut", _nodes(2), RIGHT, "the same strong date", before=_nodes(2)),
    Fault("five servers with tags of their own, each cut", _nodes(5), RIGHT, "the same strong date"),
    Fault("two servers, dates 7 s apart, each cut", _nodes(2, 7), RIGHT, "the first one answers again"),
    Fault(
        "five servers, dates 7 s apart, each cut, --sha256",
        _nodes(5, 7),
        RIGHT,
        "the digest decides",
        options={"sha256": RIGHT_SHA256},
    ),
    Fault("five servers, dates 7 s apart, each cut", _nodes(5, 7), _HONEST, "nothing vouches"),
    Fault("two versions that differ at both ends, in turn, each cut", _versions_in_turn, _HONEST),
    Fault(
        "two versions that differ at both ends, in turn, each cut, --sha256",
        _versions_in_turn,
        f"{_HONEST}|{DIGEST}",
        "the digest decides",
        options={"sha256": RIGHT_SHA256},
    ),
    Fault("changed at both ends, If-Range ignored", _change_that_no_overlap_shows, why="tag and date", before=behave),
)
