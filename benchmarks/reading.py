"""Reading the competition's CSV beside pandas, and what `import handson` adds to importing torch.

    python benchmarks/reading.py

A file like the competition's is written first: 7,049 rows of 30 coordinates, some missing, and an image of 96x96 whole
numbers as text. Every reading and every import is a process of its own, in turn; the figures are medians with the
lowest and the highest. 'First' is the first reading of a process, with whatever is imported and loaded for it; 'again'
comes after the reading of another, smaller file. Memory is the peak of what the second reading added to the process,
beside the size of the final arrays.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

import handson

ROWS, SIDE, COLUMNS = 7049, 96, 30

# Each prints its seconds, its peak of memory beyond the imports, the bytes of its arrays, and a sum to compare.
PROLOGUE = """
import json, sys, time
def held(field):
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(field))
def report(read):
    start = time.perf_counter()
    x, y = read(sys.argv[1])
    first = time.perf_counter() - start
    print(json.dumps([first, float(x.sum(dtype="float64"))]))
def report_again(read):
    read(sys.argv[2])
    before, start = held("VmRSS"), time.perf_counter()
    x, y = read(sys.argv[1])
    again = time.perf_counter() - start
    print(json.dumps([again, float(x.sum(dtype="float64")), (held("VmHWM") - before) / (x.nbytes + y.nbytes)]))
"""
READERS = {
    "handson": """
import handson.data
def read(path):
    data = handson.data.read(path)
    return data.inputs, data.targets
""",
    "pandas and np.fromstring": """
import warnings
import numpy as np, pandas
warnings.simplefilter("ignore", DeprecationWarning)
def read(path):
    table = pandas.read_csv(path)
    images = np.vstack([np.fromstring(text, sep=" ", dtype=np.uint8) for text in table["Image"]])
    return images, table.drop(columns="Image").to_numpy(np.float32)
""",
}
IMPORTS = {"import torch": "import torch", "import torch, handson": "import torch, handson"}


def write_file(path: Path, rows: int) -> None:
    """A table of coordinates and images, like the competition's."""
    rng = np.random.default_rng(0)
    coordinates = rng.uniform(0, SIDE, (rows, COLUMNS)).round(3)
    coordinates[rng.random(coordinates.shape) < 0.5] = np.nan
    table = pd.DataFrame(coordinates, columns=[f"point_{column}" for column in range(COLUMNS)])
    images = rng.integers(0, 256, (rows, SIDE * SIDE), dtype=np.uint8)
    table["Image"] = [" ".join(map(str, image)) for image in images.tolist()]
    table.to_csv(path, index=False)


def output(program: str, *arguments: str) -> str:
    """What a program prints, in a process of its own."""
    command = [sys.executable, "-c", program, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def reading(repetitions: int) -> None:
    """Read the file in turn."""
    ways = [(name, report) for report in ("report", "report_again") for name in READERS]
    found: dict[tuple[str, str], list[list[float]]] = {way: [] for way in ways}
    with tempfile.TemporaryDirectory() as folder:
        large, small = Path(folder, "large.csv"), Path(folder, "small.csv")
        write_file(large, ROWS)
        write_file(small, ROWS // 5)
        print(f"{ROWS} rows, {large.stat().st_size / 1e6:.0f} MB")
        for _ in range(repetitions):
            for name, report in ways:
                program = f"{PROLOGUE}{READERS[name]}{report}(read)"
                found[name, report].append(json.loads(output(program, str(large), str(small))))
    sums = {round(run[1]) for runs in found.values() for run in runs}
    assert len(sums) == 1, f"not the same pixels: {sums}"
    for (name, report), runs in found.items():
        seconds, ours = [run[0] for run in runs], statistics.median(run[0] for run in found["handson", report])
        middle, word = statistics.median(seconds), "again" if report == "report_again" else "first"
        memory = (
            f", memory {statistics.median(run[2] for run in runs):.2f} times its arrays" if len(runs[0]) > 2 else ""
        )
        spread = f"({min(seconds):.2f} to {max(seconds):.2f})"
        print(f"{name:25} {word}  {middle:6.2f} s {spread}, {middle / ours:5.2f} times handson{memory}")


def importing(repetitions: int) -> None:
    """Import in turn."""
    timer = "import time; start = time.perf_counter()\n{}\nprint(time.perf_counter() - start)"
    found: dict[str, list[float]] = {name: [] for name in IMPORTS}
    for _ in range(repetitions):
        for name, statement in IMPORTS.items():
            found[name].append(float(output(timer.format(statement))))
    for name, seconds in found.items():
        print(f"{name:25} {statistics.median(seconds):6.2f} s ({min(seconds):.2f} to {max(seconds):.2f})")
    alone, both = found.values()
    print(f"handson adds {statistics.median(two - one for one, two in zip(alone, both, strict=True)):.2f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repetitions", type=int, default=7)
    arguments = parser.parse_args()
    versions = f"handson {handson.__version__}, NumPy {np.__version__}, pandas {pd.__version__}"
    print(f"{platform.machine()}, {versions}, n = {arguments.repetitions}")
    reading(arguments.repetitions)
    importing(arguments.repetitions)


if __name__ == "__main__":
    main()
