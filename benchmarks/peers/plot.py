"""The results as a picture: for each job, how many times longer than handson each peer takes."""

from __future__ import annotations

from pathlib import Path

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.ticker import NullFormatter

from benchmarks.peers.jobs import Job
from benchmarks.peers.measure import Result
from benchmarks.peers.records import Record
from benchmarks.peers.report import done, duration, fastest_peer, ours, ratio

OURS, SLOWER, FASTER = "#c0392b", "#95a5a6", "#2980b9"
COLUMNS, WIDTH, BAR = 2, 6.5, 0.3


def bars(axes: Axes, job: Job, results: list[Result]) -> None:
    """One job: a bar for each peer, the fastest on top; it begins at handson's time."""
    axes.set_title(job.title.replace("`", ""), fontsize=10, loc="left")
    shown, unit = done(results)[::-1], ours(results) or fastest_peer(results)
    if unit is None:
        axes.set_axis_off()
        return
    lengths = [ratio(result, unit) for result in shown]
    labels = [result.peer.label.replace("`", "") for result in shown]
    colours = [SLOWER if length > 1 else FASTER for length in lengths]
    axes.barh(labels, [length - 1 for length in lengths], left=1, color=colours, height=0.7)
    for place, (length, result) in enumerate(zip(lengths, shown, strict=True)):
        digits = 0 if length >= 10 else 1 if length >= 1 else 2
        text, own = f" {length:,.{digits}f}×  ({duration(result.median / job.steps)})", result is unit
        weight, colour = ("bold", OURS) if own else ("normal", "black")
        axes.text(max(length, 1), place, text, va="center", fontsize=8, weight=weight, color=colour)
    axes.set_xscale("log")
    axes.set_xlim(min(*lengths, 0.5), max(*lengths, 2) * 8)
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.axvline(1, color=OURS, linewidth=1.5)
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)


def plot(records: list[Record], path: Path) -> None:
    """Write the picture of all jobs.

    Parameters
    ----------
    records : list of Record
        What was measured.
    path : Path
        A file of PNG.
    """
    rows = -(-len(records) // COLUMNS)
    most = max(len(done(record.results)) for record in records)
    size = (COLUMNS * WIDTH, rows * (1 + BAR * max(most, 2)))
    figure, grid = plt.subplots(rows, COLUMNS, figsize=size, squeeze=False, layout="constrained")
    for axes in grid.flat[len(records) :]:
        axes.set_axis_off()
    for axes, record in zip(grid.flat, records, strict=False):
        bars(axes, record.job, record.results)
    figure.supxlabel("times beside handson's (logarithmic); in brackets a step, or the whole job", fontsize=9)
    figure.savefig(path, dpi=110)
    plt.close(figure)
