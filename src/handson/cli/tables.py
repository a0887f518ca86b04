"""What the commands show in the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from handson.core import console
from handson.core.console import shown
from handson.data.reading.keypoints import find_points

if TYPE_CHECKING:
    from pandas import DataFrame

    from handson.data.reading.explore import Exploration
    from handson.estimators.baseline import Baseline
    from handson.workflow.runs import Run

# Longer lists are cut: the picture sheet and the run folder have everything.
MOST_ROWS = 40


class _Console(Console):
    """A console that gets text of files only as the terminal can show it."""

    def render_str(self, text: str, **options: Any) -> Text:
        return super().render_str(shown(text), **options)


def _console() -> Console:
    """A console that shows brackets and colons in names as they are."""
    return _Console(file=console.output, highlight=False, markup=False, emoji=False)


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for position, column in enumerate(columns):
        table.add_column(column, justify="left" if position == 0 else "right", no_wrap=position == 0)
    return table


def show_exploration(found: Exploration) -> None:
    """Print what `explore` found."""
    screen, data = _console(), found.data
    kind = "images" if data.kind == "images" else f"rows, {len(data.input_names)} inputs"
    screen.print(Text(shown(data.source), "bold"), f": {len(data)} {kind}, task: {data.task}", sep="")
    if found.images:
        table = _table("\nimages", "", "")
        for name, value in found.images.items():
            table.add_row(name, f"{value:.4g}" if isinstance(value, float) else str(value))
        screen.print(table)
    if found.columns:
        screen.print(_columns_table(found))
    if found.classes:
        table = _table("\nclasses", "class", "rows", "share")
        for name, count in found.classes.items():
            table.add_row(name, str(count), f"{100 * count / len(data):.1f} %")
        screen.print(table)
    if found.patterns:
        screen.print(_patterns_table(found))
    screen.print(f"\nduplicates: {len(found.duplicates)}")
    if data.groups is not None:
        screen.print(f"groups: {len(set(data.groups.tolist()))}")
    for remark in found.remarks:
        screen.print(Text("note", "yellow"), f": {remark}", sep="")


def _columns_table(found: Exploration) -> Table:
    table = _table("\ncolumns", "name", "role", "type", "present", "distinct", "lowest", "mean", "highest")
    for column in found.columns[:MOST_ROWS]:
        numbers = [f"{value:.4g}" for value in (column.low, column.mean, column.high)]
        table.add_row(column.name, column.role, column.type, str(column.present), str(column.distinct), *numbers)
    if len(found.columns) > MOST_ROWS:
        table.add_row(f"... and {len(found.columns) - MOST_ROWS} more")
    return table


def _patterns_table(found: Exploration) -> Table:
    from handson.data.reading.explore import MOST_PATTERNS

    table = _table("\nwhich targets are missing together", "rows", "present", "missing", "which")
    for pattern in found.patterns[:MOST_PATTERNS]:
        table.add_row(str(pattern.rows), str(len(pattern.present)), str(len(pattern.missing)), _which(pattern))
    rest = found.patterns[MOST_PATTERNS:]
    if rest:
        table.add_row(str(sum(pattern.rows for pattern in rest)), "", "", f"in {len(rest)} more patterns")
    table.columns[3].justify = "left"
    return table


def _which(pattern: Any) -> str:
    present, missing = _points(pattern.present), _points(pattern.missing)
    if not missing:
        return "complete"
    if len(missing) <= len(present):
        return "without " + ", ".join(missing[:4]) + (", ..." if len(missing) > 4 else "")
    return "only " + ", ".join(present[:8]) + (", ..." if len(present) > 8 else "") if present else "none present"


def _points(columns: tuple[str, ...]) -> list[str]:
    """Columns by name, the x and y of a point as one."""
    pairs = {columns[x]: columns[y] for x, y in find_points(columns)}
    second = set(pairs.values())
    return [name[:-2] if name in pairs else name for name in columns if name not in second]


def show_means(means: dict[str, float], rows: int) -> None:
    """Print loss and metrics."""
    table = _table(f"{rows} rows", *means)
    table.add_row(*(f"{value:.5g}" for value in means.values()))
    _console().print(table)


def show_errors(tables: dict[str, dict[str, Any]]) -> None:
    """Print root mean square errors, column by column, of one or several predictors."""
    table = _table("\nroot mean square error", "column", *tables)
    first = next(iter(tables.values()))
    for column in first["rmse_of_columns"]:
        table.add_row(column, *(f"{entry['rmse_of_columns'][column]:.4g}" for entry in tables.values()))
    table.add_row("all", *(f"{entry['rmse']:.4g}" for entry in tables.values()), style="bold")
    _console().print(table)


def show_baseline(found: Baseline, title: str) -> None:
    """Print the comparison of models, the best first, and what follows from it."""
    first, second = found.scores
    table = _table(f"\n{title}", "model", first, second, "net ahead by", "training", "1,000 rows")
    for name, row in found.table.iterrows():
        ahead, error = (0.0, 0.0) if name == "net" else found.against_net(str(name))
        table.add_row(
            str(name),
            f"{row[first]:.3f} ± {row['±']:.3f}",
            f"{row[second]:#.3g}" if second == "rmse" else f"{row[second]:.3f}",
            "" if name == "net" else f"{ahead:+.3f} ± {error:.3f}",
            f"{row['seconds']:.2f} s",
            f"{row['milliseconds']:.3g} ms",
            style="bold" if name == "net" else None,
        )
    _console().print(table)
    _console().print(f"\n{found.verdict}")


def show_frame(frame: DataFrame, title: str) -> None:
    """Print a table; NaN, where nothing is measured, as an empty cell."""
    table = _table(title, *_short(list(map(str, frame.columns))))
    for row in frame.itertuples(index=False):
        table.add_row(*map(_cell, row))
    _console().print(table)


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return "" if value != value else f"{value:.4g}"
    return str(value)


def _short(paths: list[str]) -> list[str]:
    """Dotted names by their last part, where no other one has it."""
    ends = [path.rpartition(".")[2] for path in paths]
    return [end if ends.count(end) == 1 else path for path, end in zip(paths, ends, strict=True)]


def show_report(run: Run, name: str) -> None:
    """What a training was worth, and where it lies."""
    report = run.report(name)
    if report is not None:
        means = report.validation | ({} if report.rmse is None else {"rmse": report.rmse})
        line = "  ".join(f"{key} {value:.4g}" for key, value in means.items())
        console.say(f"validation: {line}  ({report.seconds:.0f} s)")
    console.say(f"run folder: {run.folder}")
