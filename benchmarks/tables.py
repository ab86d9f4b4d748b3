"""The tables of ``RESULTS.md``: one for each measure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from benchmarks.figures import (
    IN_BULK,
    KIB,
    Results,
    added,
    alone,
    cells,
    cost_ratio,
    costs,
    duration,
    floor_of,
    median,
    ratio,
    size,
    span,
    table,
    times,
    written,
)
from benchmarks.instructions import Counts, over_floor

_WIRE = {
    "range-4k": "Random 4 KiB of 1 GiB, 4 connections",
    "range-64k": "Random 64 KiB of 1 GiB, 4 connections",
    "range-1m": "Random 1 MiB of 1 GiB, 2 connections",
    "range-16m": "Random 16 MiB of 1 GiB, 1 connection",
    "range-512m": "One 512 MiB range of 1 GiB, 1 connection",
    "multi-2x4k": "2 ranges of 4 KiB, 2 connections",
    "multi-10x4k": "10 ranges of 4 KiB, 2 connections",
    "multi-100x4k": "100 ranges of 4 KiB, 2 connections",
    "multi-10x1m": "10 ranges of 1 MiB, 1 connection",
    "whole-1m": "The whole of 1 MiB, no Range, 2 connections",
    "whole-1g": "The whole of 1 GiB, no Range, 1 connection",
    "json": "A small JSON answer, no Range, 4 connections",
}
_TTFB = ("file-first", "file-last", "generator-first", "generator-last")
_MEMORY = {"512m": "one 512 MiB range", "10x32m": "10 ranges of 32 MiB"}
_HOSTILE = {
    "zeros-7800": "2,600 times `0-` (7.8 kB)",
    "ones-900": "900 ranges of one byte (7.9 kB)",
    "ones-10000": "10,000 ranges of one byte (119 kB)",
    "one-mb": "1 MB of ranges of one byte",
}
_CALLS = {"json": "JSON, no Range", "file": "file, no Range", "file-dated": "file with Last-Modified, no Range",
          "list-range": "10 KiB list, Range"}
_PARSERS = {
    "parse-one": "`0-499`", "parse-suffix": "`0-0,-1`", "parse-100": "100 ranges", "parse-10000": "10,000 ranges",
    "parse-10000-zeros": "10,000 x `0-`",
}
_NS = 1e-9
_LONGEST_REASON = 120  # characters in a cell


def tables(results: Results) -> Iterator[str]:
    """Yield the sections with all results."""
    yield "## Server CPU\n\n![Server CPU against the size of the range](cpu.png)\n"
    for measure, title in _WIRE.items():
        if measure in results.get("wire", {}):
            yield f"### {title}\n\n{_wire_table(results, measure)}{_unsupported(results, measure)}"
    if results.get("ttfb"):
        yield "## Time to first byte\n\n![Time to the first byte, first and last 1 KiB of 8 GiB](deep.png)\n"
        yield _ttfb_table(results) + "".join(_unsupported(results, measure, measure) for measure in _TTFB)
    if results.get("memory"):
        yield "## Memory growth\n\nOf all processes of the server; the client waits 0.3 s before it reads.\n"
        yield _memory_table(results) + "".join(
            _unsupported(results, measure, title) for measure, title in _MEMORY.items())
    if results.get("hostile"):
        yield "## Hostile fields\n\nThe body is as long as declared; after its first 4 MiB the client hangs up.\n"
    for measure, title in _HOSTILE.items():
        if measure in results.get("hostile", {}):
            yield f"### {title}\n\n{_hostile_table(results, measure)}"
    yield from _in_process(results)


def reason(results: Results, measure: str, target: str) -> str:
    """Return the reason why a target was not timed; empty if it was."""
    found: str = results.get("unsupported", {}).get(measure, {}).get(target, "")
    return _in_a_cell(found)


def _in_a_cell(text: str) -> str:
    return re.sub(r"\s+", " ", text).replace("|", "\\|")[:_LONGEST_REASON]


def _wire_table(results: Results, measure: str) -> str:
    """Format a table sorted by CPU, the lowest first."""
    bulk = measure in IN_BULK
    cpu, speed = ("CPU s/GB", "MB/s") if bulk else ("CPU µs/request", "requests/s")
    found = {name: median(costs(results, measure, name)) or 0 for name in results["wire"][measure]}
    heads = ("target", cpu, "min - max", "over nginx", "over the floor", "over the app alone", speed, "p50 ms",
             "p99 ms", "client busy")
    return table(heads, (_wire_row(results, measure, name) for name in sorted(found, key=found.__getitem__)))


def _wire_row(results: Results, measure: str, target: str) -> list[str]:
    found = cells(results, "wire", measure, target)
    cost = costs(results, measure, target)
    amounts = [cell["bytes"] / 1e6 if measure in IN_BULK else cell["requests"] for cell in found]
    speeds = [amount / cell["elapsed_s"] for amount, cell in zip(amounts, found, strict=True)]
    busy = median(cell["client_cpu_s"] / cell["elapsed_s"] for cell in found if "client_cpu_s" in cell)
    return [
        _named(results, target), written(median(cost)), span(cost),
        times(cost_ratio(results, measure, target, "nginx")),
        times(cost_ratio(results, measure, target, floor_of(results, target))),
        times(cost_ratio(results, measure, target, alone(results, target) or "")), written(median(speeds)),
        *(written(median(cell[key] for cell in found)) for key in ("p50_ms", "p99_ms")),
        "-" if busy is None else f"{busy:.0%}",
    ]


def _named(results: Results, target: str) -> str:
    return f"**{target}**" if results["targets"].get(target, {}).get("kind") == "rangeware" else target


def _unsupported(results: Results, measure: str, title: str = "") -> str:
    """List the targets that were not timed, with the reasons."""
    by_reason: dict[str, list[str]] = {}
    for name, reason in results.get("unsupported", {}).get(measure, {}).items():
        by_reason.setdefault(_in_a_cell(reason), []).append(name)
    if not by_reason:
        return ""
    lines = [f"* {reason}: {', '.join(names)}\n" for reason, names in by_reason.items()]
    return f"\nNot timed{', ' if title else ''}{title}:\n\n{''.join(lines)}"


def _of_all(results: Results, group: str, measures: Iterable[str]) -> list[str]:
    """Return all targets with a result in any of these measures."""
    return [name for name in results["targets"] if any(cells(results, group, measure, name) for measure in measures)]


def _ttfb_table(results: Results) -> str:
    heads = ("target", "first 1 KiB of 8 GiB", "last 1 KiB", "last over first", "generator of 1 GiB: first 1 KiB",
             "generator: last 1 KiB")
    order = sorted(_of_all(results, "ttfb", _TTFB),
                   key=lambda name: median(cells(results, "ttfb", "file-last", name)) or float("inf"))
    return table(heads, (_ttfb_row(results, name) for name in order))


def _ttfb_row(results: Results, target: str) -> list[str]:
    found = [cells(results, "ttfb", measure, target) for measure in _TTFB]
    first, last, *generated = (duration(ms / 1e3) if (ms := median(rounds)) is not None else "-" for rounds in found)
    return [_named(results, target), first, last, times(ratio(found[1], found[0])), *generated]


def _memory_table(results: Results) -> str:
    rows = ([_named(results, name), *(_grown(results, measure, name) for measure in _MEMORY)]
            for name in _of_all(results, "memory", _MEMORY))
    return table(("target", *_MEMORY.values()), rows)


def _grown(results: Results, measure: str, target: str) -> str:
    found = cells(results, "memory", measure, target)
    return f"{size((median(found) or 0) * KIB)} (to {size(max(found) * KIB)})" if found else "-"


def _hostile_table(results: Results, measure: str) -> str:
    heads = ("target", "status", "body", "CPU ms", "memory growth")
    return table(heads, (_hostile_row(results, measure, name) for name in _of_all(results, "hostile", [measure])))


def _hostile_row(results: Results, measure: str, target: str) -> list[str]:
    found = cells(results, "hostile", measure, target)
    statuses = sorted({cell["status"] for cell in found})
    return [
        _named(results, target), ", ".join(str(status) if status else "hangs up" for status in statuses),
        size(median(cell["bytes"] for cell in found)), written(median(cell["cpu_ms"] for cell in found)),
        size((median(cell["growth_kib"] for cell in found) or 0) * KIB),
    ]


def _in_process(results: Results) -> Iterator[str]:
    found = results.get("inprocess", {})
    if any(measure in found for measure in _CALLS):
        yield f"## Added to a call, in process\n\n{_calls_table(results)}"
    if "instructions" in results:
        yield f"## Instructions of one 4 KiB range\n\n{_instructions_table(results)}"
    if any(measure in found for measure in _PARSERS):
        yield f"## Parsers of Range\n\n{_parsers_table(results)}"
    if "skip" in found:
        yield f"## Skipping a generator, a block of 64 KiB\n\n{_skip_table(results)}"
    if "hostile-1mb" in found:
        yield f"## Fields of 1 MB through the whole middleware, in process\n\n{_megabyte_table(results)}"


def _names(results: Results, measures: Iterable[str]) -> list[str]:
    """Return the names in these measures, in order and without duplicates."""
    return list(dict.fromkeys(name for measure in measures for name in results["inprocess"].get(measure, ())))


def _calls_table(results: Results) -> str:
    names = [name for name in _names(results, _CALLS) if name != "bare"]
    heads = ["around the app", *(head for title in _CALLS.values() for head in (title, "over empty"))]
    return table(heads, ([name, *_call_cells(results, name)] for name in names)) + (
        "\nNanoseconds a call, beyond those of the app alone. `call`: a class that only calls the app; `empty`: one "
        "that also puts its own start_response around that of the server. static-ranges sends lists whole.\n")


def _call_cells(results: Results, name: str) -> Iterator[str]:
    for measure in _CALLS:
        own = added(results, measure, name)
        yield written(median(own))
        yield times(ratio(own, added(results, measure, "empty")))


def _instructions_table(results: Results) -> str:
    counts: Counts = results["instructions"]
    rows = ([app, place, f"{count:,.0f}", "-" if (over := over_floor(by_app, app)) is None else f"{over:,.0f}"]
            for place, by_app in counts.items() for app, count in by_app.items())
    return table(("app", "where", "instructions", "over the floor"), rows, words=2) + (
        "\nCounted by callgrind, outside of the kernel. On a server, its own work is in it too.\n")


def _parsers_table(results: Results) -> str:
    heads = ("parser", *_PARSERS.values(), "peak memory, 10,000 ranges", "what it makes of 10,000")
    return table(heads, (_parser_row(results, name) for name in _names(results, _PARSERS))) + (
        "\n`rangeware` is the parser alone; on 10,000 ranges the whole decision, which refuses them before it parses. "
        "`rangeware-decide` is the whole decision: counting, parsing, resolving, merging. The parsers of the peers "
        "that ask for the length also resolve; those of Starlette and baize merge too.\n")


def _parser_row(results: Results, name: str) -> list[str]:
    medians = (median(cells(results, "inprocess", measure, name)) for measure in _PARSERS)
    peak = results["inprocess_kib"].get("parse-10000", {}).get(name)
    note = results.get("inprocess_notes", {}).get("parse-10000", {}).get(name, "-")
    return [name, *(duration(None if ns is None else ns * _NS) for ns in medians),
            size(None if peak is None else peak * KIB), note]


def _skip_table(results: Results) -> str:
    bare = cells(results, "inprocess", "skip", "bare")
    rows = ([name, written(median(rounds)), times(ratio(rounds, bare))]
            for name, rounds in results["inprocess"]["skip"].items())
    return table(("how", "ns a block", "over a bare loop"), rows)


def _megabyte_table(results: Results) -> str:
    peaks = results["inprocess_kib"].get("hostile-1mb", {})
    rows = ([kind, duration((median(rounds) or 0) * _NS), size(peaks.get(kind, 0) * KIB)]
            for kind, rounds in results["inprocess"]["hostile-1mb"].items())
    return table(("field", "CPU", "peak memory"), rows)
