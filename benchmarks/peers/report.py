"""The results as a page of Markdown."""

from __future__ import annotations

import math
import platform
import re
import statistics
from datetime import date
from pathlib import Path

from benchmarks.peers.jobs import Job, lecture_operations
from benchmarks.peers.measure import Result, Settings
from benchmarks.peers.peers import MATRIX_PRODUCT

Results = dict[Job, list[Result]]

COLUMNS = ("lowest to highest", "beside the fastest", "beside handson", "first round", "import", "memory", "loss")

HOW = """\
Each library does each job in a process of its own, as its users call it, on the CPU; all processes of a job stay and
are asked in turn, one round of each after the other. The first round is apart, with whatever happens only once:
compiling, tracing, loading. *import* is the time from the start of Python until the library is imported. *memory* is
the most that was resident at once, without the evaluation at the end. Ratios are medians of the ratios of each turn's
two rounds; *the fastest* is the fastest library that is not handson. *loss* is that of the net after the last round, on
training rows in evaluation mode (of `folds`, on the rows left out; of `predict`, after one epoch): the same number of
epochs for all, so similar losses say that all learned the same. No library has a validation split, a logger or a
progress bar; where it takes a batch size in a prediction of 100,000 rows, it is 1,000.
"""


def machine_name() -> str:
    """The model of the processor."""
    information = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*:\s*(.+)", information.read_text()) if information.exists() else None
    return found[1].strip() if found else platform.processor() or platform.machine()


def file_name(threads: int) -> str:
    """The name of a machine's results, without ending."""
    plain = re.sub(r"\((r|tm)\)", "", machine_name().lower())
    return re.sub(r"[^a-z0-9]+", "-", f"{plain} {threads} cores").strip("-")


def duration(seconds: float) -> str:
    """Seconds in three digits and a unit that suits.

    Examples
    --------
    >>> duration(0.0000527), duration(0.33), duration(1234)
    ('52.7 µs', '330 ms', '1,234 s')
    """
    factor, unit = next((f, u) for f, u in [(1, "s"), (1e3, "ms"), (1e6, "µs")] if seconds * f >= 1 or u == "µs")
    value = seconds * factor
    digits = max(0, 2 - math.floor(math.log10(value))) if value > 0 else 0
    return f"{value:,.{digits}f} {unit}"


def ratio(one: Result, other: Result) -> float:
    """How many times longer one takes than another: the median over the turns."""
    return statistics.median(a / b for a, b in zip(one.rounds, other.rounds, strict=True))


def done(results: list[Result]) -> list[Result]:
    """The results that were measured, the fastest first."""
    return sorted((result for result in results if not result.error), key=lambda result: result.median)


def fastest_peer(results: list[Result]) -> Result | None:
    """The fastest library other than handson."""
    return next((r for r in done(results) if r.peer.name not in ("handson", MATRIX_PRODUCT.name)), None)


def ours(results: list[Result]) -> Result | None:
    """handson's result."""
    return next((result for result in done(results) if result.peer.name == "handson"), None)


def _row(job: Job, result: Result, results: list[Result]) -> list[str]:
    steps, others = job.steps, [fastest_peer(results), ours(results)]
    ratios = ["" if other is None else f"{ratio(result, other):.2f}" for other in others]
    memory = "?" if result.memory is None else f"{result.memory:,.0f} MiB"
    spread = f"{duration(min(result.rounds) / steps)} to {duration(max(result.rounds) / steps)}"
    loss = "" if math.isnan(result.loss) else f"{result.loss:.4f}"
    times = [f"**{duration(result.median / steps)}**", spread, *ratios, duration(result.first)]
    return [result.peer.label, *times, duration(statistics.median(result.imports)), memory, loss]


def table(job: Job, results: list[Result]) -> list[str]:
    """A job's measured peers, the fastest first, and then what could not be measured."""
    what = "a step" if job.kind == "fit" else "all of it"
    head = ["", what, *COLUMNS]
    rows = [_row(job, result, results) for result in done(results)]
    rows += [
        [result.peer.label, result.error.replace("|", "\\|"), *[""] * len(COLUMNS)]
        for result in results
        if result.error
    ]
    return [f"| {' | '.join(cells)} |" for cells in [head, ["---"] * len(head), *rows]]


def notes(job: Job, results: Results) -> list[str]:
    """What else can be said of a job."""
    measured, found = results[job], []
    product = next((result for result in done(measured) if result.peer is MATRIX_PRODUCT), None)
    if product is not None:
        operations = lecture_operations(job.batch) / 1e9
        speed = operations / product.median * job.steps
        shares = [f"{r.peer.label} {ratio(product, r):.0%}" for r in done(measured) if r is not product]
        found.append(f"A step has {operations:.1f} GFLOP in its products; `torch.mm` makes {speed:.0f} GFLOP/s.")
        found.append(f"Shares of that peak: {', '.join(shares)}.")
    alone = next((results[other] for other in results if other.kind == "ensemble" and other.members == 1), None)
    if job.members > 1 and alone is not None:
        single = {result.peer: result for result in done(alone)}
        shares = [f"{r.peer.label} {r.median / single[r.peer].median:.1f}" for r in done(measured) if r.peer in single]
        found.append(f"Times of {job.members} members beside that of one: {', '.join(shares)}.")
    return found


def versions(results: Results) -> str:
    """All that was imported, each once."""
    found = {name: number for measured in results.values() for r in measured for name, number in r.versions.items()}
    return ", ".join(f"{name} {found[name]}" for name in sorted(found))


def page(results: Results, settings: Settings, picture: str) -> str:
    """All results as Markdown."""
    lines = ["# handson beside its peers", ""]
    python = f"Python {platform.python_version()}"
    lines.append(f"{machine_name()}, {settings.threads} threads, {date.today()}; {python}, {versions(results)}.")
    lines.append(f"n = {settings.rounds} rounds of each; `python -m benchmarks.peers` made this page.")
    if settings.scale != 1:
        lines.append(f"**Made with {settings.scale:g} of the rows: these figures say nothing about speed.**")
    lines += ["", HOW, f"![times beside handson's]({picture})"]
    for job, measured in results.items():
        size = f"{job.rows:,} rows, batches of {job.batch}, {job.epochs} epochs a round"
        lines += ["", f"## {job.name}: {job.title}", "", f"{size}.", "", *table(job, measured)]
        lines += [line for note in notes(job, results) for line in ("", note)]
    return "\n".join(lines) + "\n"
