"""The libraries that can be measured, what each needs, and which jobs it has a net for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec

from benchmarks.peers.jobs import Job

ALL_NETS = ("lecture", "dense", "lstm", "digits", "transformer", "text")


@dataclass(frozen=True)
class Peer:
    """A library, or a way of using one.

    Attributes
    ----------
    name, label : str
        What it is called on the command line and in the report.
    module : str
        The module of `benchmarks.peers.workers` that drives it.
    packages : tuple of str
        What must be importable.
    nets : tuple of str
        The nets that it can train.
    environment : mapping of str to str
        Variables of its process.
    """

    name: str
    label: str
    module: str
    packages: tuple[str, ...]
    nets: tuple[str, ...] = ALL_NETS
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def missing(self) -> list[str]:
        """The packages that are not installed."""
        return [package for package in self.packages if find_spec(package) is None]

    def can(self, job: Job) -> bool:
        """Whether the library has a net for a job."""
        return job.net in self.nets


def _keras(backend: str, label: str) -> Peer:
    environment = {"KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
    return Peer(f"keras-{backend}", f"Keras on {label}", "keras", ("keras", backend), environment=environment)


PEERS = {
    peer.name: peer
    for peer in [
        Peer("handson", "handson", "handson", ("handson", "torch")),
        _keras("tensorflow", "TensorFlow"),
        _keras("jax", "JAX"),
        _keras("torch", "torch"),
        Peer("skorch", "skorch", "skorch", ("skorch", "torch")),
        Peer("lightning", "Lightning", "lightning", ("lightning", "torch")),
        Peer("fastai", "fastai", "fastai", ("fastai", "torch")),
        Peer("pytorch", "plain PyTorch", "pytorch", ("torch",)),
        Peer("pytorch-channels-last", "plain PyTorch, channels-last", "pytorch", ("torch",), ("lecture", "digits")),
        Peer("scikit-learn", "scikit-learn's MLP", "scikit_learn", ("sklearn",), ("dense",)),
        Peer("jax-scan", "JAX, a `lax.scan` program", "jax_scan", ("jax",), ("dense",)),
    ]
}

# Beside the lecture's net: as many floating-point operations as a step has, in one matrix product.
MATRIX_PRODUCT = Peer("matrix-product", "the matrix product alone", "matrix_product", ("torch",), ("lecture",))
