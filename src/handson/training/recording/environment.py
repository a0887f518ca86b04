"""What a training ran on: versions, machine, the commit of the working folder's repository."""

from __future__ import annotations

import json
import os
import platform
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import torch

from handson.core import regular
from handson.core.version import __version__
from handson.files import atomic, strict_json
from handson.kernels.library import variant
from handson.parallel.launch import launch_name
from handson.training.recording.commit import commit_of
from handson.training.recording.secrets import redacted

# What may change the last digits of a training that goes on.
LIBRARIES = ("pandas", "scikit-learn", "safetensors")
DECISIVE = (
    "python", "handson", "torch", "numpy", *LIBRARIES, "machine", "processor", "instructions", "kernels",
    "device", "threads",
)  # fmt: skip
PROCESSORS = Path("/proc/cpuinfo")
# A training that is not cut into shards.
ALONE: Mapping[str, Any] = {}
# A million starts.
MOST_STARTS = 1 << 30


def environment(device: torch.device) -> dict[str, Any]:
    """Versions, machine and commit of this process, as JSON.

    Examples
    --------
    >>> sorted(environment(torch.device("cpu")))[:4]
    ['command', 'device', 'git', 'handson']
    """
    return {
        "time": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "command": redacted(sys.argv),
        "python": platform.python_version(),
        "handson": __version__,
        "torch": torch.__version__,
        "numpy": np.__version__,
        **{name: _version(name) for name in LIBRARIES},
        "machine": f"{platform.node()}, {platform.system()} {platform.release()}",
        "processor": f"{_processor()}, {os.cpu_count()} cores",
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "kernels": variant(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "threads": torch.get_num_threads(),
        "git": commit_of(Path.cwd()),
        "launch": launch_name(),
    }


def _version(library: str) -> str | None:
    """The version of an installed library, without importing it; None where it is not installed."""
    try:
        return metadata.version(library)
    except metadata.PackageNotFoundError:
        return None


def _processor() -> str:
    """The model of the processor: a node of a cluster may have another one under the same name."""
    try:
        lines = PROCESSORS.read_text(errors="replace").splitlines()
        models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
        return next(models, "") or platform.processor() or platform.machine()
    except OSError:
        return platform.processor() or platform.machine()


def append(path: Path, device: torch.device, spread: Mapping[str, Any] = ALONE) -> list[str]:
    """Add this start to the starts of a run, one line of JSON each; what differs from the last one, a line each.

    `spread`: over how many workers and shards.
    """
    now, before = {**environment(device), **spread}, _last(path)
    atomic.append(path, json.dumps(now) + "\n")
    if before is None:
        return []
    known = [key for key in (*DECISIVE, "shards") if key in before]  # older versions wrote down less
    return [f"{key} was {before[key]!r}, is {now.get(key)!r}" for key in known if before[key] != now.get(key)]


def launches(path: Path) -> set[str]:
    """The names of the launches that have started a run; see `launch_name`."""
    return {str(start["launch"]) for start in _starts(path) if start.get("launch")}


def _last(path: Path) -> dict[str, Any] | None:
    return next(_starts(path), None)


def _starts(path: Path) -> Iterator[dict[str, Any]]:
    """The starts of a run, the last one first; a line that a crash cut off does not count."""
    try:
        lines = regular.read_bytes(path, MOST_STARTS, follow=False).splitlines()
    except FileNotFoundError:
        return
    for line in reversed(lines):
        with suppress(ValueError):
            value = strict_json.loads(line)
            if isinstance(value, dict):
                yield value
