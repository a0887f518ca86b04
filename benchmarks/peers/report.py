"""The results as a page of Markdown."""

from __future__ import annotations

import math
import platform
import re
import statistics
from pathlib import Path

from benchmarks.peers.jobs import Job, lecture_operations
from benchmarks.peers.measure import Result
from benchmarks.peers.peers import MATRIX_PRODUCT
from benchmarks.peers.records import Record

COLUMNS = ("lowest to highest", "beside the fastest", "beside handson", "first round", "import", "memory", "loss")

HOW = """\
Each library does each job in a process of its own, as its users call it, on the CPU; all processes of a job stay and
are asked in turn, one round of each after the other. The first round is apart, with whatever happens only once:
compiling, tracing, loading. *import* is the time from the start of Python until the library is imported. *memory* is
the most that was resident at once, without the evaluation at the end. Ratios are medians of the ratios of each turn's
two rounds; *the fastest* is the fastest library that is not handson. *loss* is that of the net after the last round, on
training rows in evaluation mode (of `folds`, on the rows left out): the same number of epochs for all, so similar
losses say that all learned the same. No library has a validation split, a logger or a progress bar; where it takes a
batch size in a prediction, it is the job's.
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


def peak_notes(record: Record) -> list[str]:
    """The lecture's net beside the machine's matrix product."""
    measured = done(record.results)
    product = next((result for result in measured if result.peer == MATRIX_PRODUCT), None)
    if product is None:
        return []
    operations = lecture_operations(record.job.batch) / 1e9
    speed = operations / product.median * record.job.steps
    shares = [f"{r.peer.label} {ratio(product, r):.0%}" for r in measured if r is not product]
    return [
        f"A step has {operations:.1f} GFLOP in its products; `torch.mm` makes {speed:.0f} GFLOP/s in float32.",
        "Shares of that peak, as if all of these operations were done (handson leaves out products with zeros that the "
        f"pooling made): {', '.join(shares)}.",
    ]


def member_notes(record: Record, records: list[Record]) -> list[str]:
    """Several members beside one, if one was measured too."""
    alone = next((other for other in records if other.job.kind == "ensemble" and other.job.members == 1), None)
    if record.job.members == 1 or alone is None:
        return []
    single = {result.peer.name: result.median for result in done(alone.results)}
    measured = [result for result in done(record.results) if result.peer.name in single]
    times = [f"{result.peer.label} {result.median / single[result.peer.name]:.1f}" for result in measured]
    return [f"Times of {record.job.members} members beside that of one: {', '.join(times)}."]


def versions(records: list[Record]) -> str:
    """All that was imported, each once."""
    results = [result for record in records for result in record.results]
    found = {f"{name} {number}" for result in results for name, number in result.versions.items()}
    return ", ".join(sorted(found, key=str.lower))


def section(record: Record, records: list[Record]) -> list[str]:
    """A job's part of the page."""
    job = record.job
    epochs = "" if job.kind == "predict" else f", epochs in a round: {job.epochs}"
    size = f"{job.rows:,} rows, batches of {job.batch:,}{epochs}"
    lines = ["", f"## {job.name}: {job.title}", "", f"{size}; n = {record.rounds} rounds of each; {record.day}."]
    if record.scale != 1:
        lines.append(f"**Made with {record.scale:g} of the rows: these figures say nothing about speed.**")
    lines += ["", *table(job, record.results)]
    return lines + [line for note in [*peak_notes(record), *member_notes(record, records)] for line in ("", note)]


def page(records: list[Record], threads: int, picture: str) -> str:
    """All results as Markdown."""
    head = ["# handson beside its peers", "", f"{machine_name()}, {threads} threads; {versions(records)}."]
    head += ["`python -m benchmarks.peers` made this page.", "", HOW, f"![times beside handson's]({picture})"]
    return "\n".join(head + [line for record in records for line in section(record, records)]) + "\n"
