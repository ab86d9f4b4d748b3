"""The project's speed goals, and the results that were reached."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from benchmarks.figures import (
    GIB,
    KIB,
    Results,
    added,
    best_python_peer,
    cells,
    cost_ratio,
    cpu_seconds,
    duration,
    floor_of,
    median,
    ratio,
    server_of,
    size,
    table,
    targets,
    times,
)
from benchmarks.instructions import Counts, over_floor

_NS = 1e-9
_MIB_IN_KIB = 1 << 10
_HOSTILE_NS = 1_000_000
_HOSTILE_KIB = 256
_INSTRUCTIONS = 50_000
_FLOORS = ("gunicorn", "gthread", "uwsgi", "waitress", "cheroot")
_MEMORY_MIB = {"waitress": 20}  # waitress reads ahead; all others: 1


class Goal(NamedTuple):
    """A row of the table. ``met`` is None if it was not measured."""

    what: str
    goal: str
    reached: str
    met: bool | None

    def row(self) -> tuple[str, str, str, str]:
        """Return the cells of the row."""
        return self.what, self.goal, self.reached, {True: "yes", False: "**no**", None: "not measured"}[self.met]


def goals_table(results: Results) -> str:
    """Format all goals as a Markdown table, with the number of goals met."""
    found = list(goals(results))
    known = [goal for goal in found if goal.met is not None]
    count = f"{sum(map(bool, (goal.met for goal in known)))} of {len(known)} met"
    unknown = f", {len(found) - len(known)} not measured" if len(found) > len(known) else ""
    return table(("what", "goal", "reached", "met"), (goal.row() for goal in found), words=4) + f"\n{count}{unknown}.\n"


def goals(results: Results) -> Iterator[Goal]:
    """Yield every goal, in the order of the measures. Groups of measures that were not run at all are left out."""
    yield from _in_process(results)
    yield from _instructions(results)
    yield from _single_ranges(results)
    yield from _several_ranges(results)
    if results.get("ttfb"):
        yield from _deep(results)
    if results.get("memory"):
        yield from _memory(results)
    yield from _hostile(results)
    if results.get("hostile"):
        yield from _hostile_bodies(results)
    yield from _flask(results)
    yield from _asgi(results)


def _at_most(what: str, value: float | None, bound: float, comment: str = "") -> Goal:
    reached = times(value) + (f" ({comment})" if comment and value is not None else "")
    return Goal(what, f"<= {times(bound)}", reached, None if value is None else value <= bound)


def _below(what: str, value: float | None, comment: str) -> Goal:
    return _at_most(what, value, 1, comment)._replace(goal="below 1 x", met=None if value is None else value < 1)


def _at_least(what: str, value: float | None, bound: float, comment: str = "") -> Goal:
    goal = _at_most(what, value, bound, comment)
    return goal._replace(goal=f">= {times(bound)}", met=None if value is None else value >= bound)


def _within(what: str, nanoseconds: float | None, bound: float) -> Goal:
    reached = "-" if nanoseconds is None else duration(nanoseconds * _NS)
    return Goal(what, f"<= {duration(bound * _NS)}", reached, None if nanoseconds is None else nanoseconds <= bound)


def _in_process(results: Results) -> Iterator[Goal]:
    for measure, what, bound in (
        ("json", "JSON answer", 1_000), ("file", "file answer without Last-Modified", 4_500),
        ("file-dated", "file answer with Last-Modified", 3_500),
    ):
        yield _within(f"no Range, {what}: added", median(added(results, measure, "rangeware")), bound)
    yield _within("range of a list body: added", median(added(results, "list-range", "rangeware")), 3_500)
    for measure, what, bound in (
        ("parse-one", "parse one range", 700), ("parse-100", "parse 100 ranges", 32_000),
        ("parse-10000", "refuse 10,000 ranges", 75_000), ("parse-10000-zeros", "refuse 10,000 times `0-`", 75_000),
    ):
        yield _within(what, median(cells(results, "inprocess", measure, "rangeware")), bound)
    skip = ratio(*(cells(results, "inprocess", "skip", name) for name in ("rangeware", "bare")))
    yield _at_most("skip a generator, over a bare loop", skip, 1.3)


def _instructions(results: Results) -> Iterator[Goal]:
    """Count only where valgrind was there."""
    counts: Counts = results.get("instructions", {})
    for place, by_app in counts.items():
        over, least = (over_floor(by_app, app) for app in ("rangeware", "minimum"))
        if over is not None:
            comment = "" if least is None else f" (smallest middleware: {least:,.0f})"
            yield Goal(f"4 KiB, {place}: instructions over the floor", f"<= {_INSTRUCTIONS:,}",
                       f"{over:,.0f}{comment}", over <= _INSTRUCTIONS)


def _single_ranges(results: Results) -> Iterator[Goal]:
    for measure, what, bound in (
        ("range-4k", "4 KiB", 1.1), ("range-1m", "1 MiB", 1.05), ("range-512m", "512 MiB", 1.05),
    ):
        for server in _FLOORS:
            limit = 1.12 if (measure, server) == ("range-4k", "uwsgi") else bound
            yield _over_floor(results, measure, what, server, limit)
    for peer in ("baize-gthread", "whitenoise-gthread", "static-ranges-gthread"):
        yield _below("4 KiB on gthread, over a peer there", *_over(results, "range-4k", "rangeware-gthread", peer))
    for server in _FLOORS:
        yield from _below_peers(results, "range-4k", "4 KiB", server)
    for server in ("gunicorn", "gthread"):
        over = cost_ratio(results, "range-512m", f"rangeware-{server}", "nginx")
        yield _at_most(f"512 MiB on {server}, over nginx", over, 1.05)


def _over_floor(results: Results, measure: str, what: str, server: str, bound: float) -> Goal:
    own = f"rangeware-{server}"
    floor = floor_of(results, own)
    comment = " against ".join(duration(median(cpu_seconds(results, measure, name))) for name in (own, floor))
    return _at_most(f"{what} on {server}, over the floor", cost_ratio(results, measure, own, floor), bound, comment)


def _over(results: Results, measure: str, target: str, other: str) -> tuple[float | None, str]:
    """Return the ratio to another target, and the name of that target."""
    return cost_ratio(results, measure, target, other), other


def _below_peers(results: Results, measure: str, what: str, server: str) -> Iterator[Goal]:
    """Compare with the best Python peer on this server, if there is one."""
    peer = best_python_peer(results, measure, server)
    if peer is not None:
        what = f"{what} on {server}, over the best peer there"
        yield _below(what, *_over(results, measure, f"rangeware-{server}", peer))


def _several_ranges(results: Results) -> Iterator[Goal]:
    for measure, what, gunicorn, uwsgi in (
        ("multi-10x4k", "10 x 4 KiB", 2.0, 0.8), ("multi-100x4k", "100 x 4 KiB", 0.56, 0.43),
    ):
        for server, bound in (("gunicorn", gunicorn), ("gthread", gunicorn), ("uwsgi", uwsgi)):
            over = cost_ratio(results, measure, f"rangeware-{server}", "nginx")
            yield _at_most(f"{what} on {server}, over nginx", over, bound)
    for server in _FLOORS:
        yield from _peers_over(results, "multi-10x4k", "10 x 4 KiB", server, 2)
    yield from _over_baize(results, "multi-100x4k", "100 x 4 KiB", 0.25, ("gunicorn", "gthread", "uwsgi"))
    for server in ("gunicorn", "gthread"):
        over = cost_ratio(results, "multi-10x1m", f"rangeware-{server}", "nginx")
        yield _at_most(f"10 x 1 MiB on {server}, over nginx", over, 2)
    yield from _over_baize(results, "multi-10x1m", "10 x 1 MiB", 0.9, ("gunicorn", "gthread"))


def _over_baize(results: Results, measure: str, what: str, bound: float, servers: Iterable[str]) -> Iterator[Goal]:
    for server in servers:
        over = cost_ratio(results, measure, f"rangeware-{server}", "baize-gthread")
        yield _at_most(f"{what} on {server}, over baize on gthread", over, bound)


def _peers_over(results: Results, measure: str, what: str, server: str, bound: float) -> Iterator[Goal]:
    """Compare with the best Python peer on any server."""
    peer = best_python_peer(results, measure)
    if peer is not None:
        less = cost_ratio(results, measure, peer, f"rangeware-{server}")
        yield _at_least(f"{what}: the best Python peer, over {server}", less, bound, peer)


def _deep(results: Results) -> Iterator[Goal]:
    for target in targets(results, "rangeware"):
        last, first = (cells(results, "ttfb", measure, target) for measure in ("file-last", "file-first"))
        comment = " against ".join(duration((median(found) or 0) / 1_000) for found in (last, first))
        what = f"first byte of the last 1 KiB of 8 GiB, over the first: {target}"
        yield _at_most(what, ratio(last, first), 1.1, comment)


def _memory(results: Results) -> Iterator[Goal]:
    for measure, what in (("512m", "one 512 MiB range"), ("10x32m", "10 x 32 MiB")):
        for target in targets(results, "rangeware"):
            grown = median(cells(results, "memory", measure, target))
            bound = _MEMORY_MIB.get(server_of(results, target), 1)
            met = None if grown is None else grown <= bound * _MIB_IN_KIB
            reached = "-" if grown is None else size(grown * KIB)
            yield Goal(f"memory growth, {what}: {target}", f"<= {bound} MiB", reached, met)


def _hostile(results: Results) -> Iterator[Goal]:
    times_of: dict[str, list[float]] = results.get("inprocess", {}).get("hostile-1mb", {})
    kib_of: dict[str, float] = results.get("inprocess_kib", {}).get("hostile-1mb", {})
    for kind, rounds in times_of.items():
        cpu, kib = median(rounds) or 0, kib_of.get(kind, 0)
        reached = f"{duration(cpu * _NS)}, {size(kib * KIB)}"
        met = cpu < _HOSTILE_NS and kib < _HOSTILE_KIB
        yield Goal(f"field of 1 MB, in process: {kind}", "< 1 ms, < 256 KiB", reached, met)


def _hostile_bodies(results: Results) -> Iterator[Goal]:
    sent = {(cell["bytes"], measure, target) for measure, found in results.get("hostile", {}).items()
            for target in targets(results, "rangeware") for cell in found.get(target, ())}
    most = max(sent, default=None)
    reached = "-" if most is None else f"{most[0]:,} bytes ({most[2]}, {most[1]})"
    met = None if most is None else most[0] <= GIB
    yield Goal("body of a hostile field, at most", f"<= {GIB:,} bytes", reached, met)


def _flask(results: Results) -> Iterator[Goal]:
    for measure, what, bound in (("range-4k", "4 KiB", 500), ("range-512m", "512 MiB", 6)):
        less = cost_ratio(results, measure, "flask-gunicorn", "rangeware-flask-gunicorn")
        yield _at_least(f"{what}, gunicorn: Flask alone, over the same app with rangeware", less, bound)


def _asgi(results: Results) -> Iterator[Goal]:
    for measure, what in (("range-4k", "4 KiB"), ("range-1m", "1 MiB"), ("range-512m", "512 MiB")):
        yield _over_starlette(results, measure, f"ASGI: {what} on uvicorn, over Starlette's own range", "uvicorn", 1)
    for measure, what, server, bound in (
        ("json", "plain JSON", "uvicorn", 1.15), ("whole-1m", "a whole file of 1 MiB", "uvicorn", 1.02),
        ("whole-1m", "a whole file of 1 MiB", "granian", 1.05), ("whole-1g", "a whole file of 1 GiB", "uvicorn", 1.05),
        ("whole-1g", "a whole file of 1 GiB", "granian", 1.05),
    ):
        yield _over_starlette(results, measure, f"ASGI: {what} on {server}, over Starlette alone", server, bound)


def _over_starlette(results: Results, measure: str, what: str, server: str, bound: float) -> Goal:
    own, alone = f"rangeware-starlette-{server}", f"starlette-{server}"
    comment = " against ".join(duration(median(cpu_seconds(results, measure, name))) for name in (own, alone))
    return _at_most(what, cost_ratio(results, measure, own, alone), bound, comment)
