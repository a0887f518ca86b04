"""Feed every parser with files that a fuzzer makes, led by the code that they reach; only expected errors may come.

    pip install atheris
    python benchmarks/fuzz_parsers.py --minutes 60

Each parser gets an equal share of the time, in a process of its own that starts from good files. Expected are
`HandsonError` and `OSError`; anything else, more than five seconds for one file or more than 2 GiB of memory ends the
program, with the file that did it in `--out`.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

MOST_SECONDS, MOST_MEGABYTES = 5, 2048
EXPERIMENT = """name: a
data: {path: a.csv, targets: y, image_shape: [2, 3]}
augment: {rotation: 5}
model:
- Conv2D: {filters: 3, kernel_size: [3, 3], activation: relu}
- Dropout: 0.5
- Dense: {units: 1}
compile: {optimizer: {SGD: {learning_rate: {Cosine: {start: 1e-2}}}}, loss: mse, metrics: [mae]}
fit: {epochs: 3, callbacks: [{EarlyStopping: {patience: 2}}], class_weight: {0: 1.5}}
"""


def reading(read: Callable[[Path], object], path: Path) -> Callable[[bytes], None]:
    """A test that writes bytes into a file and reads it."""
    from handson.core.errors import HandsonError

    def test(content: bytes) -> None:
        path.write_bytes(content)
        with suppress(HandsonError, OSError):
            read(path)

    return test


def parsing(parse: Callable[[str], object]) -> Callable[[bytes], None]:
    """A test that parses bytes as a text."""
    from handson.core.errors import HandsonError

    def test(content: bytes) -> None:
        with suppress(HandsonError):
            parse(content.decode("utf-8", "replace"))

    return test


def make_net() -> object:
    import numpy as np

    from handson import Sequential
    from handson.layers import BatchNormalization, Dense

    net = Sequential([Dense(2, activation="relu", input_dim=2, name="a"), BatchNormalization(), Dense(1, name="b")])
    net.compile("adam", "mse", metrics=["mae"], scale_inputs="standard")
    net.fit(np.ones((4, 2), np.float32), np.ones(4, np.float32), verbose=0)
    return net


def target_model(folder: Path) -> tuple[list[bytes], Callable[[bytes], None]]:
    """Model files."""
    import handson

    make_net().save(folder / "good.handson")  # type: ignore[attr-defined]
    return [(folder / "good.handson").read_bytes()], reading(handson.load, folder / "a.handson")


def target_description(folder: Path) -> tuple[list[bytes], Callable[[bytes], None]]:
    """The description of a net in a model file, built: what a class raises becomes an expected error there."""
    from handson.files import description

    def rebuild(text: str) -> None:
        parsed = description.parse(text)
        with suppress(Exception):
            description.rebuild(parsed, 10_000)

    net = make_net()
    from handson.state.state import TrainingState

    text = description.describe(net, TrainingState.of(net, net.optimizer))  # type: ignore[attr-defined]
    return [text.encode()], parsing(rebuild)


def target_weights(folder: Path) -> tuple[list[bytes], Callable[[bytes], None]]:
    """Files of weights."""
    net = make_net()
    net.save_weights(folder / "good.safetensors")  # type: ignore[attr-defined]
    load = lambda path: net.load_weights(path, by_name=True)  # type: ignore[attr-defined]  # noqa: E731
    return [(folder / "good.safetensors").read_bytes()], reading(load, folder / "a.safetensors")


def target_hdf5(folder: Path) -> tuple[list[bytes], Callable[[bytes], None]]:
    """Weights in Keras's HDF5, each read in a process of its own, as in handson: the library may crash or hang."""
    import os

    from handson.files.hdf5_reader import RefusedError, limit_time, pack, read

    make_net().save_weights(folder / "good.h5")  # type: ignore[attr-defined]

    def test(content: bytes) -> None:
        (folder / "a.h5").write_bytes(content)
        child = os.fork()
        if not child:
            limit_time(len(content))
            with suppress(RefusedError), (folder / "a.h5").open("rb") as file:
                pack(read(file, len(content)))
            os._exit(0)
        ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert ended <= 0, "an error that is not expected"

    return [(folder / "good.h5").read_bytes()], test


def target_manifest(folder: Path) -> tuple[list[bytes], Callable[[bytes], None]]:
    """The manifest of a checkpoint."""
    return checkpoint_target(folder, "manifest.json")


def target_state(folder: Path) -> tuple[list[bytes], Callable[[bytes], None]]:
    """The state in a checkpoint."""
    return checkpoint_target(folder, "state.json")


def checkpoint_target(folder: Path, name: str) -> tuple[list[bytes], Callable[[bytes], None]]:
    """One file of a checkpoint; with another content its hash is wrong, so the state is parsed without its hash too."""
    import torch

    from handson.training.recording import checkpoint

    snapshot = checkpoint.Snapshot(3, "", {"weights/a": torch.arange(3.0)}, {"position": {"epoch": 1}, "seconds": 0.5})
    made = checkpoint.write(folder, snapshot)
    good = (made / name).read_bytes()

    def test(content: bytes) -> None:
        (made / name).write_bytes(content)
        with suppress(checkpoint.DamagedCheckpoint):
            checkpoint.read(made)
        if name == "state.json":
            with suppress(ValueError, RecursionError):
                checkpoint._loads(content)

    return [good], test


def target_table(folder: Path) -> tuple[list[bytes], Callable[[bytes], None]]:
    """CSV tables with a column of images, by the compiled way."""
    from handson.data import read
    from handson.data.reading import tables

    tables.WORTH_A_KERNEL = 0
    seeds = [b'x,y,Image\n1,2,"1 2 3 4"\n3,,5 6 7 8\n', b"x;y\n1;2\n3;4\n", b"a,y\r\nred,1\r\nblue,2\r\n"]
    return seeds, reading(lambda path: read(path, targets="y"), folder / "a.csv")


def target_npy(folder: Path) -> tuple[list[bytes], Callable[[bytes], None]]:
    """Arrays."""
    import numpy as np

    from handson.data import read

    np.save(folder / "good.npy", np.ones((3, 2)))
    return [(folder / "good.npy").read_bytes()], reading(read, folder / "a.npy")


def target_npz(folder: Path) -> tuple[list[bytes], Callable[[bytes], None]]:
    """Archives of arrays."""
    import numpy as np

    from handson.data import read

    np.savez(folder / "good.npz", x=np.ones((3, 2)), y=np.array(["a", "b", "a"]))
    np.savez_compressed(folder / "packed.npz", x=np.ones((3, 2)), y=np.arange(3))
    seeds = [(folder / name).read_bytes() for name in ("good.npz", "packed.npz")]
    return seeds, reading(lambda path: read(path, targets="y"), folder / "a.npz")


def target_images(folder: Path) -> tuple[list[bytes], Callable[[bytes], None]]:
    """Images in a folder; the format is found from the content."""
    import numpy as np
    from PIL import Image

    from handson.data import read

    seeds = []
    for suffix in ("png", "jpg", "gif", "bmp"):
        path = folder / f"good.{suffix}"
        Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8)).save(path)
        seeds.append(path.read_bytes())
    images = folder / "images"
    images.mkdir()
    return seeds, reading(lambda path: read(path.parent), images / "a.png")


def target_yaml(folder: Path) -> tuple[list[bytes], Callable[[bytes], None]]:
    """Experiments."""
    from handson.workflow.experiment import Experiment

    return [EXPERIMENT.encode()], parsing(lambda text: Experiment.from_yaml_text(text).build())


def target_json(folder: Path) -> tuple[list[bytes], Callable[[bytes], None]]:
    """JSON, and what a run's folder holds of it."""
    from handson.ensembles.specialists import Index
    from handson.files import strict_json
    from handson.files.stored_history import StoredHistory
    from handson.workflow.run_files import Columns

    seeds = [b'{"columns": ["y"], "groups": {"a": ["y"]}, "output": "new", "histories": {"a": {"loss": [1.0]}}}']

    def read(path: Path) -> None:
        for kind in (Columns, StoredHistory, Index):
            with suppress(strict_json.HandsonError):
                strict_json.read(path, kind)
        strict_json.loads(path.read_bytes())

    return seeds, reading(read, folder / "a.json")


TARGETS: dict[str, Callable[[Path], tuple[list[bytes], Callable[[bytes], None]]]] = {
    name.removeprefix("target_"): function for name, function in list(globals().items()) if name.startswith("target_")
}


def fuzz(name: str, seconds: int, out: Path) -> None:
    """Fuzz one parser in this process, which then ends."""
    import atheris

    with tempfile.TemporaryDirectory() as scratch:
        corpus, place = Path(scratch) / "corpus", Path(scratch) / "files"
        corpus.mkdir()
        place.mkdir()
        # Compiled functions cannot be instrumented; everything else that the good files need is imported here.
        with atheris.instrument_imports(include=["handson"], exclude=["handson.kernels", "handson.randomness"]):
            seeds, test = TARGETS[name](place)
            for number, seed in enumerate(seeds):
                test(seed)
                (corpus / str(number)).write_bytes(seed)
        options = {
            "max_total_time": seconds, "max_len": 2 * max(map(len, seeds)), "timeout": MOST_SECONDS,
            "rss_limit_mb": MOST_MEGABYTES, "print_final_stats": 1, "artifact_prefix": f"{out}/{name}-",
        }  # fmt: skip
        atheris.Setup([sys.argv[0], str(corpus), *(f"-{key}={value}" for key, value in options.items())], test)
        atheris.Fuzz()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60.0, help="for all parsers together")
    parser.add_argument("--out", type=Path, default=Path("fuzzed"), help="where files go that end the program")
    parser.add_argument("--targets", nargs="*", default=list(TARGETS), choices=TARGETS)
    parser.add_argument("--here", action="store_true", help="fuzz the one target in this process")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    seconds = max(1, round(60 * arguments.minutes / len(arguments.targets)))
    if arguments.here:
        fuzz(arguments.targets[0], seconds, arguments.out)
        return
    print("| parser | files | places of the code that were reached | failures |\n|---|---|---|---|")
    failed = [name for name in arguments.targets if not report(name, seconds, arguments.out)]
    sys.exit(f"failures in {', '.join(failed)}: see {arguments.out}" if failed else 0)


def report(name: str, seconds: int, out: Path) -> bool:
    """Fuzz one parser in a process of its own, and print the row of the table; whether nothing was found."""
    command = [sys.executable, __file__, "--here", "--targets", name, "--minutes", str(seconds / 60), "--out", str(out)]
    ended = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    (out / f"{name}.log").write_text(ended.stdout + ended.stderr)
    files = re.findall(r"stat::number_of_executed_units:\s*(\d+)", ended.stderr)
    reached = re.findall(r"cov: (\d+)", ended.stderr)
    print(f"| {name} | {int(files[-1]) if files else 0:,} | {reached[-1] if reached else 0} | "
          f"{'none' if ended.returncode == 0 else f'ended with status {ended.returncode}'} |", flush=True)  # fmt: skip
    return ended.returncode == 0


if __name__ == "__main__":
    main()
