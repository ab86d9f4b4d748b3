"""Run the benchmark: ``python -m benchmarks --help``.

``benchmarks/run`` measures everything, which takes long. ``benchmarks/run --goals --out DIR`` measures only what the
goals of speed need, in some ten minutes; without ``--out`` it would replace the complete results.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import re
import signal
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

from benchmarks import data, goal_cells, inprocess, instructions, nginx, origin, plots, report, rounds
from benchmarks.targets import TARGETS

RESULTS = Path(__file__).with_name("results")
"""Default directory for the results."""
_NAME = "results.json"
_SECONDS = 0.4
_GOALS_SECONDS = 0.3


def main() -> int:
    """Measure (except with ``--report-only``), and write results, tables and plots."""
    arguments = _arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that all servers are stopped
    arguments.out.mkdir(parents=True, exist_ok=True)
    file = arguments.out / _NAME
    if not arguments.report_only:
        try:
            results = _measure(arguments)
        except rounds.BenchmarkError as exc:
            print(f"nothing was timed: {exc}", file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            print("stopped: nothing was written", file=sys.stderr)
            return 130
        file.write_text(json.dumps(results, indent=1) + "\n")
    results = json.loads(file.read_text())
    report.write(results, arguments.out)
    plots.write(results, arguments.out)
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks/run", description="Compare rangeware with its peers.")
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="number of rounds (%(default)s)")
    parser.add_argument("--seconds", type=float, metavar="S",
                        help=f"duration of each throughput measurement ({_SECONDS}; {_GOALS_SECONDS} with --goals)")
    parser.add_argument("--quick", action="store_true", help="one round of 0.1 s, to test the benchmark itself")
    parser.add_argument("--only", default="", metavar="REGEX", help="run only targets whose name matches")
    parser.add_argument("--measures", default="", metavar="REGEX", help="run only measures whose name matches")
    parser.add_argument("--goals", action="store_true",
                        help="only what the goals of speed need, in rounds of 0.3 s: some ten minutes")
    parser.add_argument("--out", type=Path, default=RESULTS, metavar="DIR", help="results directory (%(default)s)")
    parser.add_argument("--report-only", action="store_true", help="tables and plots from existing results only")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.rounds, arguments.seconds = 1, 0.1
    if arguments.seconds is None:
        arguments.seconds = _GOALS_SECONDS if arguments.goals else _SECONDS
    return arguments


def _measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Run all measures and return the content of ``results.json``."""
    targets = [target for target in TARGETS if re.search(arguments.only, target.name)]
    measures = rounds.chosen_measures(arguments.measures)
    wanted: rounds.Wanted = goal_cells.is_needed if arguments.goals else lambda measure, target: True
    targets = [target for target in targets if any(wanted(measure, target) for measure in measures)]
    data.make()
    about = {
        "machine": _machine(), "versions": _versions(), "date": datetime.date.today().isoformat(),
        "commit": origin.commit(), "rounds": arguments.rounds, "seconds": arguments.seconds,
        "targets": {target.name: {"server": target.server, "kind": target.kind} for target in targets},
    }
    over_the_wire = rounds.run(targets, measures, arguments.rounds, arguments.seconds, wanted)
    return {**about, **over_the_wire, **_in_process(arguments)}


def _in_process(arguments: argparse.Namespace) -> dict[str, Any]:
    """Run the measures in process, and count instructions if valgrind is there."""
    print("in process", file=sys.stderr, flush=True)
    pattern = goal_cells.IN_PROCESS if arguments.goals and not arguments.measures else arguments.measures
    measured = inprocess.measure(arguments.rounds, pattern)
    if not instructions.is_possible() or not re.search(arguments.measures, "instructions"):
        return measured
    return {**measured, **instructions.measure(goal_cells.INSTRUCTIONS if arguments.goals else "")}


def _machine() -> dict[str, Any]:
    """Describe this machine."""
    return {
        "cpu": origin.processor(), "cores": os.cpu_count(), "memory_gib": origin.memory_gib(),
        "kernel": platform.release(), "python": platform.python_version(),
    }


def _versions() -> dict[str, str]:
    """Return the versions of all peers. The commit identifies rangeware."""
    names = re.findall(r"^[\w-]+", Path(__file__).with_name("requirements.txt").read_text(), re.MULTILINE)
    versions = {name: metadata.version(name) for name in sorted((*names, "httptools", "uvloop", "werkzeug"))}
    return {**versions, "nginx": origin.version_of(nginx.PROGRAM, "-v"), "go": origin.version_of("go", "version")}


if __name__ == "__main__":
    sys.exit(main())
