"""Who started this process, as one of how many: `torchrun` and Slurm's `srun` say so in the environment."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, NamedTuple

from handson.core.errors import HandsonError
from handson.parallel.cut_links import noticing_cuts

# Where ports for trainings begin, if the launcher names none: below those that systems give to whoever asks for any.
FIRST_PORT, PORTS = 20_000, 12_000
# Names of this machine, under which others do not find it.
LOCAL = ("127.0.0.1", "localhost")
# How long a process may take to come.
START_SECONDS = 120.0


class Launch(NamedTuple):
    """The place of a process among those that were launched together.

    Attributes
    ----------
    by : {'torchrun', 'srun'}
        What started them.
    rank, size : int
        The number of this process, and how many there are.
    local_rank, local_size : int
        The same among those on this machine.
    host, port : str, int
        Where process 0 can be reached.
    """

    by: str
    rank: int
    size: int
    local_rank: int
    local_size: int
    host: str
    port: int


class Place(NamedTuple):
    """Where the workers of a training meet.

    Attributes
    ----------
    host, port : str, int
        The address of their store.
    prefix : str
        What all their keys in it begin with.
    """

    host: str
    port: int
    prefix: str = "handson"

    @property
    def is_local(self) -> bool:
        """Whether only processes on this machine can come there."""
        return self.host in LOCAL

    def store(self, serves: bool = False) -> Any:
        """The store: served by this process, or that of another one.

        Raises
        ------
        HandsonError
            When nobody serves it.
        """
        import torch.distributed as dist

        seconds = timedelta(seconds=START_SECONDS)
        try:
            with noticing_cuts():
                store = dist.TCPStore(self.host, self.port, None, serves, seconds, wait_for_workers=False)
        except dist.DistError as error:
            raise HandsonError(
                f"worker 0 cannot be reached at {self.host}:{self.port} ({str(error).splitlines()[0]}). Where it has "
                f"another address, the launcher's environment says so: MASTER_ADDR and MASTER_PORT."
            ) from None
        return dist.PrefixStore(self.prefix, store)


# What torchrun sets; a part of it says nothing.
TORCHRUN = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


def launched(environment: Mapping[str, str] | None = None) -> Launch | None:
    """The place of this process; None for one that was started by itself.

    Examples
    --------
    >>> launched({"RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "1", "MASTER_ADDR": "n1", "MASTER_PORT": "29500"})[:3]
    ('torchrun', 1, 2)
    >>> launched({}) is None
    True
    """
    known = os.environ if environment is None else environment
    if all(name in known for name in TORCHRUN):
        return _by_torchrun(known)
    if "SLURM_STEP_ID" in known and "SLURM_PROCID" in known and known.get("SLURM_STEP_NODELIST"):
        return _by_srun(known)
    return None


def launch_name(environment: Mapping[str, str] | None = None) -> str | None:
    """What a launch of torchrun is called (`--rdzv-id`); it stays when nodes come and go. None for others.

    Examples
    --------
    >>> launch_name({"TORCHELASTIC_RUN_ID": "faces"}), launch_name({"TORCHELASTIC_RUN_ID": "none"})
    ('torchrun faces', None)
    """
    name = (os.environ if environment is None else environment).get("TORCHELASTIC_RUN_ID", "none")
    return None if name in ("", "none") else f"torchrun {name}"


def _by_torchrun(known: Mapping[str, str]) -> Launch:
    rank, size = int(known["RANK"]), int(known["WORLD_SIZE"])
    local_rank, local_size = int(known.get("LOCAL_RANK", 0)), int(known.get("LOCAL_WORLD_SIZE", size))
    return Launch("torchrun", rank, size, local_rank, local_size, known["MASTER_ADDR"], int(known["MASTER_PORT"]))


def _by_srun(known: Mapping[str, str]) -> Launch:
    rank, size = int(known["SLURM_PROCID"]), int(known.get("SLURM_STEP_NUM_TASKS") or known["SLURM_NTASKS"])
    first, several = first_host(known["SLURM_STEP_NODELIST"])
    host = known.get("MASTER_ADDR") or (first if several else "127.0.0.1")
    key = int(known.get("SLURM_JOB_ID", 0)) * 7 + int(known["SLURM_STEP_ID"])
    port = int(known.get("MASTER_PORT") or FIRST_PORT + key % PORTS)
    local_size = int(known.get("SLURM_STEP_TASKS_PER_NODE", str(size)).split("(")[0].split(",")[0])
    return Launch("srun", rank, size, int(known.get("SLURM_LOCALID", 0)), local_size, host, port)


def first_host(hosts: str) -> tuple[str, bool]:
    """The first of Slurm's list of hosts, and whether there are others.

    Examples
    --------
    >>> first_host("node[03-05,9]"), first_host("gpu1")
    (('node03', True), ('gpu1', False))
    """
    found = re.match(r"([^,\[]*)(?:\[([0-9]+)[^\]]*\])?([^,]*)", hosts)
    assert found is not None  # noqa: S101
    prefix, number, suffix = found.groups()
    first = f"{prefix}{number or ''}{suffix}"
    return first, first != hosts


def check_devices(devices: Any, launch: Launch | None) -> int:
    """How many workers there are, for what was asked and what was launched.

    Raises
    ------
    HandsonError
        When another number was launched than asked for.

    Examples
    --------
    >>> check_devices(4, None), check_devices(None, None)
    (4, 1)
    """
    if devices is not None and (isinstance(devices, bool) or not isinstance(devices, int) or devices < 1):
        raise HandsonError(f"devices is a number of workers, such as 4; got {devices!r}.")
    if launch is None or launch.size == 1:
        return devices or 1
    if devices not in (None, launch.size):
        flag = "--nproc-per-node" if launch.by == "torchrun" else "--ntasks"
        raise HandsonError(
            f"devices={devices}, but {launch.by} started {launch.size} processes. Start {devices} ({flag}), or leave "
            f"devices out."
        )
    return launch.size
