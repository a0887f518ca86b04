"""handson and every peer that is installed, on the same jobs, in turn: a page of results and a picture.

    python -m benchmarks.peers

Start it in the root of the repository. Peers that are not installed are reported as that; so are those that fail. The
page is written anew after each job; it keeps the jobs that were measured before and are not now, so that a long run can
be done job by job. All figures are in the JSON file beside it.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from datetime import date
from pathlib import Path

from benchmarks.peers import plot, report
from benchmarks.peers.jobs import JOBS
from benchmarks.peers.measure import Settings, measure
from benchmarks.peers.peers import MATRIX_PRODUCT, PEERS
from benchmarks.peers.records import Record, merged, read, write

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


def publish(known: list[Record], path: Path, threads: int) -> None:
    """Write the records, the page and the picture."""
    write(known, path.with_suffix(".json"))
    plot.plot(known, path.with_suffix(".png"))
    page = report.page(known, threads, path.with_suffix(".png").name)
    path.with_suffix(".md").write_text(page, encoding="utf-8")


def run(jobs: list[str], peers: list[str], settings: Settings, path: Path) -> None:
    """Measure jobs one after another; after each, publish it with all that were measured before."""
    path.parent.mkdir(parents=True, exist_ok=True)
    known = read(path.with_suffix(".json"))
    for job in (JOBS[chosen].scaled(settings.scale) for chosen in jobs):
        able = [PEERS[peer] for peer in peers if PEERS[peer].can(job)]
        able += [MATRIX_PRODUCT] if MATRIX_PRODUCT.can(job) else []
        print(f"{job.name}: {', '.join(peer.name for peer in able)}", flush=True)
        results = measure(job, able, settings)
        known = merged(known, Record(job, str(date.today()), settings.rounds, settings.scale, results))
        publish(known, path, settings.threads)
        print("\n".join(report.table(job, results)), flush=True)
    print(path.with_suffix(".md"))


def main() -> None:
    chosen = arguments()
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: chosen.threads])  # the workers inherit it
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(chosen.rounds, chosen.scale, chosen.threads, Path(folder))
        run(chosen.jobs, chosen.peers, settings, chosen.out / report.file_name(chosen.threads))


if __name__ == "__main__":
    main()
