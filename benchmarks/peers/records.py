"""Measured jobs in a file, so that a long run can be done job by job, and the page made of what is there."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.peers.jobs import JOBS, Job
from benchmarks.peers.measure import Result
from benchmarks.peers.peers import MATRIX_PRODUCT, PEERS


@dataclass(frozen=True)
class Record:
    """A job as it was measured.

    Attributes
    ----------
    job : Job
        With the sizes that were used.
    day : str
        When.
    rounds : int
        How many of each peer, beside its first.
    scale : float
        The share of the job's rows.
    results : list of Result
        One for each peer.
    """

    job: Job
    day: str
    rounds: int
    scale: float
    results: list[Result]


def write(records: list[Record], path: Path) -> None:
    """Write records to a file."""
    content = [asdict(record) | {"results": [_plain(result) for result in record.results]} for record in records]
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def read(path: Path) -> list[Record]:
    """The records of a file; none of jobs that are not asked like this any more, nor of a file that is not there."""
    content = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    return [record for record in map(_record, content) if record.job == _present(record)]


def merged(old: list[Record], new: Record) -> list[Record]:
    """All records, the new one in place of an older one of its job, in the order of the jobs."""
    kept = {record.job.name: record for record in [*old, new]}
    return [kept[name] for name in JOBS if name in kept]


def _present(record: Record) -> Job | None:
    return JOBS[record.job.name].scaled(record.scale) if record.job.name in JOBS else None


def _plain(result: Result) -> dict[str, Any]:
    return asdict(result) | {"peer": result.peer.name}


def _record(content: dict[str, Any]) -> Record:
    peers = {**PEERS, MATRIX_PRODUCT.name: MATRIX_PRODUCT}
    results = [Result(**{**one, "peer": peers[one["peer"]]}) for one in content["results"] if one["peer"] in peers]
    return Record(**{**content, "job": Job(**content["job"]), "results": results})
