"""handson and every peer that is installed, on the same jobs, in turn: a page of results and a picture.

    python -m benchmarks.peers

Start it in the root of the repository. Peers that are not installed are reported as that; so are those that fail. The
page is written anew after each job.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

from benchmarks.peers import plot, report
from benchmarks.peers.jobs import JOBS
from benchmarks.peers.measure import Settings, measure
from benchmarks.peers.peers import MATRIX_PRODUCT, PEERS

RESULTS = Path(__file__).resolve().parents[1] / "results"


def arguments() -> argparse.Namespace:
    """What was asked for on the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", nargs="+", choices=list(JOBS), default=list(JOBS))
    parser.add_argument("--peers", nargs="+", choices=list(PEERS), default=list(PEERS))
    parser.add_argument("--rounds", type=int, default=5, help="rounds of each peer after its first")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="default: all cores")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the rows, to try the program")
    parser.add_argument("--out", type=Path, default=RESULTS, help="the folder of the page and the picture")
    return parser.parse_args()


def run(jobs: list[str], peers: list[str], settings: Settings, out: Path) -> None:
    """Measure jobs one after another, and keep the page up to date."""
    out.mkdir(parents=True, exist_ok=True)
    results: report.Results = {}
    name = report.file_name(settings.threads)
    for job in (JOBS[chosen].scaled(settings.scale) for chosen in jobs):
        able = [PEERS[peer] for peer in peers if PEERS[peer].can(job)]
        able += [MATRIX_PRODUCT] if MATRIX_PRODUCT.can(job) else []
        print(f"{job.name}: {', '.join(peer.name for peer in able)}", file=sys.stderr, flush=True)
        results[job] = measure(job, able, settings)
        print("\n".join(report.table(job, results[job])), flush=True)
        plot.plot(results, out / f"{name}.png")
        (out / f"{name}.md").write_text(report.page(results, settings, f"{name}.png"), encoding="utf-8")
    print(out / f"{name}.md")


def main() -> None:
    chosen = arguments()
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: chosen.threads])  # the workers inherit it
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(chosen.rounds, chosen.scale, chosen.threads, Path(folder))
        run(chosen.jobs, chosen.peers, settings, chosen.out)


if __name__ == "__main__":
    main()
