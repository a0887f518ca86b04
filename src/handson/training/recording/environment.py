"""What a training ran on: versions, machine, the state of the working folder's git."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from handson.core.version import __version__
from handson.files import atomic, strict_json

# What may change the last digits of a training that goes on.
DECISIVE = ("python", "handson", "torch", "numpy", "machine", "processor", "device", "threads")


def environment(device: torch.device) -> dict[str, Any]:
    """Versions, machine and git state of this process, as JSON.

    Examples
    --------
    >>> sorted(environment(torch.device("cpu")))[:4]
    ['command', 'device', 'git', 'handson']
    """
    return {
        "time": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "command": sys.argv,
        "python": platform.python_version(),
        "handson": __version__,
        "torch": torch.__version__,
        "numpy": np.__version__,
        "machine": f"{platform.node()}, {platform.system()} {platform.release()}",
        "processor": f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores",
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "threads": torch.get_num_threads(),
        "git": _git(),
    }


def _git() -> dict[str, Any] | None:
    """Commit and changed files of the repository around the working folder, None where there is none."""
    try:
        commit, changes = (
            subprocess.run(["git", *arguments], capture_output=True, text=True, timeout=5, check=True).stdout
            for arguments in (["rev-parse", "HEAD"], ["status", "--porcelain", "--untracked-files=no"])
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return {"commit": commit.strip(), "changed": [line[3:] for line in changes.splitlines()]}


def append(path: Path, device: torch.device) -> list[str]:
    """Add this start to the starts of a run, one line of JSON each; what differs from the last one, a line each."""
    now, before = environment(device), _last(path)
    atomic.append(path, json.dumps(now) + "\n")
    if before is None:
        return []
    return [f"{key} was {before.get(key)!r}, is {now[key]!r}" for key in DECISIVE if before.get(key) != now[key]]


def _last(path: Path) -> dict[str, Any] | None:
    """The last whole line; a line that a crash cut off does not count."""
    lines = path.read_bytes().splitlines() if path.is_file() else []
    for line in reversed(lines):
        try:
            value = strict_json.loads(line)
        except ValueError:
            continue
        return value if isinstance(value, dict) else None
    return None
