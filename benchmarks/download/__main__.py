"""Run the benchmark of downloads: ``python -m benchmarks.download --help``."""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import signal
import sys
from importlib import metadata
from pathlib import Path

from benchmarks import nginx, origin
from benchmarks.download import measure, report
from benchmarks.download.clients import Failed

RESULTS = Path(__file__).parents[1] / "results" / "download"


def main() -> int:
    """Measure (except with ``--report-only``), write results and tables, and print the tables."""
    arguments = _arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that all servers are stopped
    file = arguments.out / "results.json"
    if not arguments.report_only:
        try:
            with measure.bench(arguments.rounds, arguments.disk) as bench:
                results = {"about": _about(arguments.rounds, arguments.far_rounds), **bench.run(arguments.far_rounds)}
        except Failed as exc:
            print(f"nothing is reported: {exc}", file=sys.stderr)
            return 1
        arguments.out.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(results, indent=1) + "\n")
    text = report.text(json.loads(file.read_text()))
    (arguments.out / "RESULTS.md").write_text(text)
    print(text)
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.download", description="Compare rangeware with curl.")
    parser.add_argument("--rounds", type=int, default=7, metavar="N", help="rounds at full speed (%(default)s)")
    parser.add_argument("--far-rounds", type=int, default=3, metavar="N", help="rounds behind the relay (%(default)s)")
    parser.add_argument("--disk", type=Path, metavar="DIR", help="directory on a disk (default: the checkout)")
    parser.add_argument("--out", type=Path, default=RESULTS, metavar="DIR", help="results directory (%(default)s)")
    parser.add_argument("--report-only", action="store_true", help="make tables of existing results")
    return parser.parse_args()


def _about(rounds: int, far_rounds: int) -> str:
    return (f"{origin.processor()}, {os.cpu_count()} cores, {origin.memory_gib()} GiB, "
            f"Linux {platform.release()}, Python {platform.python_version()}, urllib3 {metadata.version('urllib3')}, "
            f"curl {origin.version_of('curl', '--version')}, nginx {origin.version_of(nginx.PROGRAM, '-v')}. "
            f"Commit {origin.commit()}, {datetime.date.today().isoformat()}; "
            f"{rounds} interleaved rounds, {far_rounds} far away.")


if __name__ == "__main__":
    sys.exit(main())
