"""Write the results as Markdown: ``RESULTS.md``, and the short table in ``docs/performance.md``.

``python -m benchmarks.report [DIR]`` writes both from the ``results.json`` in that directory.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.figures import Results, cells, cpu_seconds, duration, median, table, unbroken
from benchmarks.goals import goals_table
from benchmarks.tables import reason, tables

_ROOT = Path(__file__).resolve().parents[1]
_RESULTS = Path(__file__).with_name("results")
_MS = 1e-3
_REPOSITORY = "https://github.com/rangeware/rangeware/blob/main"
_MARKS = ("<!-- benchmark -->", "<!-- /benchmark -->")
_PAGE_TARGETS = {
    "rangeware-flask-gunicorn": "**Flask with rangeware**, gunicorn", "flask-gunicorn": "Flask alone, gunicorn",
    "rangeware-gunicorn": "**small app with rangeware**, gunicorn", "floor-open-gunicorn": "written by hand, gunicorn",
    "rangeware-uwsgi": "**small app with rangeware**, uWSGI", "floor-open-uwsgi": "written by hand, uWSGI",
    "rangeware-waitress": "**small app with rangeware**, waitress", "floor-open-waitress": "written by hand, waitress",
    "baize-gthread": "baize, gunicorn", "whitenoise-gthread": "WhiteNoise, gunicorn",
    "rangeware-starlette-uvicorn": "**Starlette with rangeware**, uvicorn",
    "starlette-uvicorn": "Starlette alone, uvicorn", "aiohttp": "aiohttp", "nginx": "nginx",
}
_PAGE_HEADS = (
    "server CPU of one answer", "4 KiB", "1 MiB", "512 MiB", "10 x 4 KiB, multipart",
    "last 1 KiB of 8 GiB: first byte after",
)
_PAGE_SERVERS = {"gunicorn": "gunicorn, sync", "gthread": "gunicorn, threads", "uwsgi": "uWSGI",
                   "waitress": "waitress", "cheroot": "cheroot"}
_PAGE_APPS = {
    "floor-open": "range written by hand", "minimum": "smallest middleware", "rangeware": "**rangeware**",
    "floor-open-dated": "by hand, with Last-Modified", "rangeware-dated": "**rangeware**, with Last-Modified",
}
_PAGE_MEASURES = ("range-4k", "range-1m", "range-512m", "multi-10x4k")


def write(results: Results, directory: Path) -> None:
    """Write ``RESULTS.md`` into the directory."""
    Path(directory, "RESULTS.md").write_text("\n".join(_sections(results)), encoding="utf-8")


def splice(text: str, replacement: str, marks: tuple[str, str] = _MARKS) -> str:
    """Return a page with another text between its two marks.

    :raises ValueError: unless each mark occurs exactly once.
    """
    before, begin, rest = text.partition(marks[0])
    _, end, after = rest.partition(marks[1])
    if not (begin and end) or any(text.count(mark) > 1 for mark in marks):
        raise ValueError(f"the text must have {marks[0]} and after it {marks[1]}, once each")
    return f"{before}{begin}\n{replacement.strip()}\n{end}{after}"


def page_table(results: Results, directory: str = "benchmarks/results") -> str:
    """Format the section of the page: a short table, the plots, the machine and the date.

    :param directory: of the results, relative to the root. The page is one folder below the root.
    """
    rows = [_page_row(results, name, words) for name, words in _PAGE_TARGETS.items() if name in results["targets"]]
    return "\n".join((
        unbroken(table(_PAGE_HEADS, rows)),
        "On each server, for 4 KiB of a file that the app opens with `open` and sends with an ETag:\n",
        unbroken(table(("server CPU of one answer", *_PAGE_APPS.values()), _page_floors(results))),
        f"Medians of {results['rounds']} interleaved rounds; one worker on one core, {_machine(results)}; "
        f"{results['date']}. More of it, and how it is measured: "
        f"[{directory}/RESULTS.md]({_REPOSITORY}/{directory}/RESULTS.md).\n",
        f"![Server CPU of one answer against the size of the range](../{directory}/cpu.png)\n",
        f"![Time to the first byte at the beginning and at the end of 8 GiB](../{directory}/deep.png)",
    ))


def _page_row(results: Results, target: str, words: str) -> list[str]:
    cpu = [_or_reason(results, measure, target, median(cpu_seconds(results, measure, target)))
           for measure in _PAGE_MEASURES]
    last = median(cells(results, "ttfb", "file-last", target))
    return [words, *cpu, _or_reason(results, "file-last", target, None if last is None else last * _MS)]


def _page_floors(results: Results) -> Iterator[list[str]]:
    """Yield a row for each server, with the CPU of each small app at 4 KiB."""
    for server, words in _PAGE_SERVERS.items():
        found = (median(cpu_seconds(results, "range-4k", f"{app}-{server}")) for app in _PAGE_APPS)
        yield [words, *map(duration, found)]


def _or_reason(results: Results, measure: str, target: str, seconds: float | None) -> str:
    return duration(seconds) if seconds is not None else reason(results, measure, target) or "-"


def _machine(results: Results) -> str:
    machine = results["machine"]
    return f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_gib']} GiB, Linux {machine['kernel']}"


def _sections(results: Results) -> Iterator[str]:
    yield f"# Results\n\n{_about(results)}"
    yield f"## Speed to reach\n\n{goals_table(results)}"
    yield from tables(results)


def _about(results: Results) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in results["versions"].items())
    return (
        f"{_machine(results)}, Python {results['machine']['python']}. Commit {results['commit']}, {results['date']}; "
        f"{results['rounds']} interleaved rounds, {results['seconds']} s a cell. Over loopback, from the page cache. "
        "One worker each, on a core of its own; the client has another.\n\nCPU is that of all processes of the server, "
        "in user and in kernel mode. Figures are medians of the rounds, ratios the median of the ratios within each "
        "round. GB = 10^9 bytes. The bytes that each target sends were checked before it was timed. `floor-open` is "
        "an app written by hand for that server, which answers single ranges itself and opens the file with `open`, "
        "as the small app inside rangeware does: \"the floor\" below. `floor` opens with `os.open`, which costs less. "
        "`minimum` is the smallest middleware that answers one small range. The small app sends an ETag; `dated` also "
        "Last-Modified. uvicorn runs on uvloop and httptools, "
        "granian on uvloop.\n\n"
        f"Versions: {versions}.\n\nRun it anew: `benchmarks/run`.\n"
    )


def main() -> int:
    """Write ``RESULTS.md`` and the table in the page from existing results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", nargs="?", type=Path, default=_RESULTS, metavar="DIR")
    parser.add_argument("--page", type=Path, default=_ROOT / "docs" / "performance.md",
                        help="has the two marks (%(default)s)")
    arguments = parser.parse_args()
    results = json.loads(Path(arguments.directory, "results.json").read_text(encoding="utf-8"))
    write(results, arguments.directory)
    directory = Path(os.path.relpath(arguments.directory, _ROOT)).as_posix()
    text = splice(arguments.page.read_text(encoding="utf-8"), page_table(results, directory))
    arguments.page.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
