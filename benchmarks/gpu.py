"""What a step costs on a GPU: plain PyTorch, compiled PyTorch, and the engines `eager` and `graph`.

    python benchmarks/gpu.py
    python benchmarks/gpu.py --precision bfloat16

The nets are the fourth lecture's (96x96, batches of 128, SGD with Nesterov's momentum) and one so small that everything
but the arithmetic counts (5-64-64-1, batches of 32, Adam). The data lies on the GPU, and everybody shuffles it there.
All train in turn, in one process. The figures are milliseconds per step, medians over epochs after the first, with the
lowest and the highest, and the shares of the arithmetic and of the memory bandwidth that this GPU reaches at its best,
measured in the same run: a product of large matrices in the same precision, and a copy of a large array.

The work of a step is counted, not measured: multiplications and additions by torch's counter, and the bytes that must
move at least (`least_bytes`). So a share is what a step needs, over what the GPU could have done in its time.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

import handson
from handson.callbacks import Callback
from handson.layers import Conv2D, Dense, Dropout, Flatten, MaxPooling2D
from handson.optimizers import SGD, Adam
from handson.state.precision import PRECISIONS, arithmetic


@dataclass
class Work:
    """A net in both libraries, and its data.

    Attributes
    ----------
    name : str
        What it is called in the table.
    ours, plain : function
        The compiled net of handson, given a precision; the module of torch.
    optimizer : function
        The optimizer of torch for the module's weights.
    x, y : Tensor
        Inputs, channels-last, and targets, on the GPU.
    batch : int
        Rows in a step.
    """

    name: str
    ours: Callable[[str], handson.Sequential]
    plain: Callable[[], nn.Module]
    optimizer: Callable[[Any], torch.optim.Optimizer]
    x: Tensor
    y: Tensor
    batch: int

    @property
    def steps(self) -> int:
        """Steps in an epoch."""
        return len(self.x) // self.batch

    @property
    def plain_x(self) -> Tensor:
        """The inputs as torch's layers want them: channels second, in the same memory."""
        return self.x.permute(0, 3, 1, 2) if self.x.dim() == 4 else self.x


def lecture(precision: str) -> handson.Sequential:
    """The fourth lecture's largest net."""
    net = handson.Sequential(
        [
            *(Conv2D(32, 3, activation="relu", input_shape=(96, 96, 1)), MaxPooling2D(), Dropout(0.1)),
            *(Conv2D(64, 2, activation="relu"), MaxPooling2D(), Dropout(0.2)),
            *(Conv2D(128, 2, activation="relu"), MaxPooling2D(), Dropout(0.3), Flatten()),
            *(Dense(1000, activation="relu"), Dropout(0.5), Dense(1000, activation="relu"), Dense(30)),
        ],
        seed=0,
    )
    net.compile(SGD(0.01, momentum=0.9, nesterov=True), "mse", precision=precision)
    return net


def plain_lecture() -> nn.Module:
    """The same in torch."""
    return nn.Sequential(
        *(nn.Conv2d(1, 32, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.1)),
        *(nn.Conv2d(32, 64, 2), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.2)),
        *(nn.Conv2d(64, 128, 2), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.3), nn.Flatten()),
        *(nn.Linear(128 * 11 * 11, 1000), nn.ReLU(), nn.Dropout(0.5), nn.Linear(1000, 1000), nn.ReLU()),
        nn.Linear(1000, 30),
    ).to(memory_format=torch.channels_last)


def small(precision: str) -> handson.Sequential:
    """A net for a table."""
    layers = [Dense(64, activation="relu", input_dim=5), Dense(64, activation="relu"), Dense(1)]
    net = handson.Sequential(layers, seed=0)
    net.compile(Adam(0.001), "mse", precision=precision)
    return net


def plain_small() -> nn.Module:
    """The same in torch."""
    return nn.Sequential(nn.Linear(5, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 1))


def works(device: torch.device, steps: int) -> list[Work]:
    """The nets with epochs of so many steps."""
    generator = torch.Generator(device).manual_seed(0)

    def random(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator, device=device)

    def nesterov(weights: Any) -> torch.optim.Optimizer:
        return torch.optim.SGD(weights, 0.01, momentum=0.9, nesterov=True, fused=True)

    def adam(weights: Any) -> torch.optim.Optimizer:
        return torch.optim.Adam(weights, fused=True)

    faces, table = steps * 128, 10 * steps * 32
    return [
        Work("lecture", lecture, plain_lecture, nesterov, random(faces, 96, 96, 1), random(faces, 30), 128),
        Work("small", small, plain_small, adam, random(table, 5), random(table, 1), 32),
    ]


def synchronize(device: torch.device) -> None:
    """Wait until the device has done everything."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


class Clock(Callback):
    """The seconds of every epoch but the first."""

    def __init__(self, device: torch.device) -> None:
        self.device, self.last = device, 0.0
        self.seconds: list[float] = []

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        synchronize(self.device)
        now = time.perf_counter()
        if epoch:
            self.seconds.append(now - self.last)
        self.last = now


def engine(work: Work, name: str, precision: str, epochs: int) -> list[float]:
    """Seconds a step of `fit` in each epoch."""
    clock, net, x, y = Clock(work.x.device), work.ours(precision), work.x.cpu().numpy(), work.y.cpu().numpy()
    net.fit(x, y, batch_size=work.batch, epochs=epochs + 1, verbose=0, engine=name, callbacks=[clock])
    return [seconds / work.steps for seconds in clock.seconds]


def loop(work: Work, mode: str | None, precision: str, epochs: int) -> list[float]:
    """Seconds a step of a plain loop in each epoch; `mode` is that of `torch.compile`, None: not compiled."""
    device, x, y = work.x.device, work.plain_x, work.y
    module = work.plain().to(device)
    optimizer = work.optimizer(module.parameters())

    def loss_of(inputs: Tensor, targets: Tensor) -> Tensor:
        with autocast(precision, device):
            outputs = module(inputs)
        return nn.functional.mse_loss(outputs.float(), targets)

    torch.compiler.reset()  # what was compiled for another module is no use to this one
    torch.backends.cudnn.deterministic = False  # as it is by default
    compiled = loss_of if mode is None else torch.compile(loss_of, mode=mode)
    found = []
    for epoch in range(epochs + 1):
        synchronize(device)
        started = time.perf_counter()
        order, total = torch.randperm(len(x), device=device), torch.zeros((), device=device)
        for rows in order.split(work.batch):
            optimizer.zero_grad()
            loss = compiled(x[rows], y[rows])
            loss.backward()
            optimizer.step()
            total += loss.detach()
        total.item()
        if epoch:
            found.append((time.perf_counter() - started) / work.steps)
    return found


def autocast(precision: str, device: torch.device) -> AbstractContextManager[Any]:
    """The precision of a plain loop's forward pass."""
    return torch.autocast(device.type, torch.bfloat16) if precision == "bfloat16" else nullcontext()


def operations(work: Work) -> int:
    """Multiplications and additions of matrix products and convolutions in a step."""
    module = work.plain().to(work.x.device)
    with FlopCounterMode(display=False) as counter:
        module(work.plain_x[: work.batch]).sum().backward()
    return int(counter.get_total_flops())


def least_bytes(work: Work) -> int:
    """Bytes that a step in float32 must move at least, unless layers are computed together.

    A weight is read forwards and backwards, its gradient is written and read, and the optimizer reads and writes the
    weight and each of its slots. What a layer gives is written, read by the next, read again backwards, and its
    gradient is written and read. Activations and dropout count as part of the layer before them.
    """
    module = work.plain().to(work.x.device)
    sizes = []
    for layer in module.modules():
        if isinstance(layer, (nn.Conv2d, nn.Linear, nn.MaxPool2d)):
            layer.register_forward_hook(lambda layer, inputs, output: sizes.append(output.numel()))
    with torch.no_grad():
        module(work.plain_x[: work.batch])
    weights = sum(weight.numel() for weight in module.parameters())
    slots = 2 if isinstance(work.optimizer(module.parameters()), torch.optim.Adam) else 1
    return 4 * (weights * (6 + 2 * slots) + 5 * sum(sizes) + work.x[0].numel() * work.batch)


def best_arithmetic(precision: str, device: torch.device, size: int = 8192) -> float:
    """Operations a second in a product of large matrices."""
    dtype = torch.bfloat16 if precision == "bfloat16" else torch.float32
    a, b = (torch.randn(size, size, device=device, dtype=dtype) for _ in range(2))
    with arithmetic(precision, device):
        return 2 * size**3 / shortest(lambda: a @ b, device)


def best_bandwidth(device: torch.device, size: int = 1 << 28) -> float:
    """Bytes a second in a copy of a large array: each is read and written."""
    a = torch.zeros(size, device=device)
    b = torch.empty_like(a)
    return 2 * a.element_size() * size / shortest(lambda: b.copy_(a), device)


def shortest(action: Callable[[], Any], device: torch.device, times: int = 20) -> float:
    """Seconds of the fastest of some runs."""
    found = []
    for _ in range(times):
        synchronize(device)
        started = time.perf_counter()
        action()
        synchronize(device)
        found.append(time.perf_counter() - started)
    return min(found)


def contestants(work: Work, precision: str, epochs: int) -> dict[str, Callable[[], list[float]]]:
    """Who takes part, each a function that trains a fresh net."""
    return {
        "plain loop": lambda: loop(work, None, precision, epochs),
        "torch.compile": lambda: loop(work, "default", precision, epochs),
        "torch.compile, graphs": lambda: loop(work, "reduce-overhead", precision, epochs),
        "handson, eager": lambda: engine(work, "eager", precision, epochs),
        "handson, graph": lambda: engine(work, "graph", precision, epochs),
    }


def measure(work: Work, precision: str, epochs: int, rounds: int) -> None:
    """Train in turn and print a line for each."""
    device, taking_part = work.x.device, contestants(work, precision, epochs)
    times: dict[str, list[float]] = {name: [] for name in taking_part}
    for _ in range(rounds):
        for name, train in taking_part.items():
            with arithmetic(precision, device):
                times[name] += train()
    needed, moved = operations(work), least_bytes(work)
    peak, bandwidth = best_arithmetic(precision, device), best_bandwidth(device)
    print(f"{work.name}: {needed / 1e6:,.2f} million operations and {moved / 1e6:.1f} MB a step; this GPU at its best: "
          f"{peak / 1e12:.1f} trillion operations and {bandwidth / 1e9:.0f} GB a second")  # fmt: skip
    first = statistics.median(times["plain loop"])
    for name, found in times.items():
        median = statistics.median(found)
        print(f"  {name:22} {median * 1e3:8.3f} ms ({min(found) * 1e3:.3f} to {max(found) * 1e3:.3f})  "
              f"{median / first:.2f} of the plain loop, {needed / median / peak:.1%} of the arithmetic, "
              f"{moved / median / bandwidth:.1%} of the bandwidth")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--precision", choices=PRECISIONS, default="float32")
    parser.add_argument("--steps", type=int, default=50, help="steps in an epoch of the lecture's net")
    parser.add_argument("--epochs", type=int, default=5, help="epochs measured in each round")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    if not torch.cuda.is_available():
        raise SystemExit("benchmarks/gpu.py measures steps on a GPU, and torch sees none here.")
    device = torch.device("cuda", torch.cuda.current_device())
    print(f"{torch.cuda.get_device_name(device)}, {arguments.precision}, handson {handson.__version__}, torch "
          f"{torch.__version__}, CUDA {torch.version.cuda}, n = {arguments.rounds * arguments.epochs}")  # fmt: skip
    for work in works(device, arguments.steps):
        measure(work, arguments.precision, arguments.epochs, arguments.rounds)


if __name__ == "__main__":
    main()
