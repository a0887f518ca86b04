"""A real Slurm on this one machine: as many nodes as asked for, each a process of its own that can be killed.

    with Slurm(Path("cluster"), nodes=3) as slurm:
        subprocess.run(["sbatch", "job.sh"], env=slurm.environment)

It needs Debian's packages slurmctld, slurmd, slurm-client and munge, and leaves nothing outside of its folder.
"""

from __future__ import annotations

import getpass
import os
import platform
import shutil
import socket
import subprocess
import time
from pathlib import Path

NEEDED = ("slurmctld", "slurmd", "munged", "sbatch", "sinfo")
SEARCHED = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
CONF = """
ClusterName=handson
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=5
CredType=cred/munge
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=sched_interval=1,bf_interval=1,batch_sched_delay=0,sched_min_interval=0
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
JobRequeue=1
ReturnToService=2
SlurmdParameters=config_overrides
SlurmdTimeout=10
KillWait=5
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/%n.pid
DefMemPerCPU=100
{nodes}
PartitionName=normal Nodes=ALL Default=YES MaxTime=INFINITE State=UP PriorityTier=1
PartitionName=urgent Nodes=ALL MaxTime=INFINITE State=UP PriorityTier=10
"""


def missing() -> str | None:
    """Why there can be no Slurm here, None if there can."""
    absent = [name for name in NEEDED if shutil.which(name, path=SEARCHED) is None]
    return f"{', '.join(absent)} not installed" if absent else None


class Slurm:
    """A Slurm of one's own, while a `with` block lasts.

    Parameters
    ----------
    folder : Path
        Where everything of it lies.
    nodes : int
        How many nodes: node1, node2, ...
    cpus : int
        The processors of each, whatever the machine has.
    """

    def __init__(self, folder: Path, nodes: int = 3, cpus: int = 2) -> None:
        self.folder, self.nodes, self.cpus = folder.absolute(), [f"node{number + 1}" for number in range(nodes)], cpus
        self.environment = os.environ | {"SLURM_CONF": f"{self.folder}/slurm.conf", "PATH": SEARCHED}
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Slurm:
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        if "slurmctld" in self._running:
            self.call("scancel", f"--user={getpass.getuser()}")
            end = time.monotonic() + 15
            while self.call("squeue", "-h") and time.monotonic() < end:
                time.sleep(0.2)
        for process in reversed(self._running.values()):
            process.terminate()
        for process in self._running.values():
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _start(self) -> None:
        (self.folder / "state").mkdir(parents=True)
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o400)
        self._write_configuration()
        place = self.folder
        files = {"socket": "munge.socket", "key-file": key.name, "pid-file": "munge.pid", "log-file": "munge.log",
                 "seed-file": "munge.seed"}  # fmt: skip
        own = [f"--{option}={place}/{name}" for option, name in files.items()]
        self._run("munged", "munged", "--foreground", "--force", *own)
        self._wait(lambda: (place / "munge.socket").exists(), "munged")
        self._run("slurmctld", "slurmctld", "-D", "-c")
        for node in self.nodes:
            self.start_node(node)
        self._wait(lambda: self.call("sinfo", "-h", "-p", "normal", "-t", "idle", "-o", "%D") == str(len(self.nodes)),
                   "idle nodes")  # fmt: skip

    def _write_configuration(self) -> None:
        host, ports = platform.node().partition(".")[0], _free_ports(len(self.nodes) + 1)
        lines = [
            f"NodeName={node} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs={self.cpus} Boards=1 "
            f"SocketsPerBoard=1 CoresPerSocket={self.cpus} ThreadsPerCore=1 RealMemory=8192 State=UNKNOWN"
            for node, port in zip(self.nodes, ports[1:], strict=True)
        ]
        text = CONF.format(host=host, port=ports[0], user=getpass.getuser(), folder=self.folder, nodes="\n".join(lines))
        (self.folder / "slurm.conf").write_text(text)
        (self.folder / "cgroup.conf").write_text("CgroupPlugin=cgroup/v1\n")

    def _run(self, name: str, *command: str) -> None:
        with (self.folder / f"{name}.log").open("ab") as log:
            self._running[name] = subprocess.Popen(command, env=self.environment, stdout=log, stderr=log)

    def _wait(self, ready: object, what: str, seconds: float = 30.0) -> None:
        end = time.monotonic() + seconds
        while not ready():  # type: ignore[operator]
            if time.monotonic() > end:
                raise TimeoutError(f"no {what} after {seconds:.0f} s; see the logs in {self.folder}")
            time.sleep(0.1)

    def call(self, *command: str) -> str:
        """What a command of Slurm prints; empty where it fails, or hangs on a node that is gone."""
        try:
            done = subprocess.run(
                command, env=self.environment, capture_output=True, text=True, timeout=20, check=False
            )
        except subprocess.TimeoutExpired:
            return ""
        return done.stdout.strip() if done.returncode == 0 else ""

    def start_node(self, node: str) -> None:
        """Start the daemon of a node, also of one that was killed."""
        self._run(node, "slurmd", "-D", "-c", "-N", node)

    def kill_node(self, node: str) -> None:
        """Let a node go down: its daemon is killed, and the controller is told, which requeues its jobs."""
        process = self._running.pop(node)
        process.kill()
        process.wait()
        self.call("scontrol", "update", f"nodename={node}", "state=down", "reason=killed")


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()
