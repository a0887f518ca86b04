"""A training in a forked process whose parent has computed with several threads: an error, and two ways out."""

import subprocess
import sys

import pytest

SCRIPT = """
import multiprocessing, sys
import numpy as np, torch
import handson
from handson.layers import Dense

def net():
    model = handson.Sequential([Dense(4, input_dim=600), Dense(1)], seed=0)
    model.compile("adam", "mse")
    return model

x = np.ones((2000, 600), np.float32)

def child(cure):
    if cure == "one thread":
        torch.set_num_threads(1)
    for verb in ("fit", "evaluate", "train_on_batch", "predict"):
        arguments = (x,) if verb == "predict" else (x, x[:, 0])
        try:
            getattr(net(), verb)(*arguments)
        except handson.HandsonError as error:
            print(error, file=sys.stderr)
            print(verb, "refused", "torch.set_num_threads(1)" in str(error), "spawn" in str(error), flush=True)
        else:
            print(verb, "done", flush=True)

if __name__ == "__main__":
    if sys.argv[1] != "unused":
        torch.set_num_threads(2)
        torch.ones(1 << 22).add_(1)
        (torch.rand(600, 600) @ torch.rand(600, 600)).sum()
    kind = "spawn" if sys.argv[2] == "spawn" else "fork"
    process = multiprocessing.get_context(kind).Process(target=child, args=(sys.argv[2],))
    process.start()
    process.join(50)
    print("ended", process.exitcode)
    process.kill()
"""
VERBS = ("fit", "evaluate", "train_on_batch", "predict")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="threads are counted in /proc")
@pytest.mark.parametrize(
    ("parent", "cure", "expected"),
    [("used", "none", "refused True True"), ("used", "one thread", "done"), ("unused", "none", "done"),
     ("used", "spawn", "done")],
)  # fmt: skip
def test_a_forked_process_is_told_and_not_left_hanging(tmp_path, parent, cure, expected):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    done = subprocess.run([sys.executable, script, parent, cure], capture_output=True, text=True, timeout=120)
    lines = [line for line in done.stdout.splitlines() if line.startswith((*VERBS, "ended"))]
    assert lines == [*(f"{verb} {expected}" for verb in VERBS), "ended 0"], done.stderr
