"""Ranks are found in the environment of torchrun and Slurm."""

import pytest

from handson.core.errors import HandsonError
from handson.parallel.launch import check_devices, launched

SRUN = {
    "SLURM_JOB_ID": "12", "SLURM_STEP_ID": "0", "SLURM_PROCID": "3", "SLURM_NTASKS": "4", "SLURM_LOCALID": "1",
    "SLURM_STEP_NODELIST": "node[1-2]", "SLURM_STEP_TASKS_PER_NODE": "2(x2)",
}  # fmt: skip


def test_srun_says_where_everything_is():
    found = launched(SRUN)
    assert found[:6] == ("srun", 3, 4, 1, 2, "node1")
    assert launched(SRUN | {"SLURM_PROCID": "0"}).port == found.port
    assert launched(SRUN | {"SLURM_STEP_ID": "1"}).port != found.port
    assert launched(SRUN | {"SLURM_STEP_NODELIST": "node1"}).host == "127.0.0.1"


def test_a_batch_script_is_no_task_of_srun():
    assert launched({name: value for name, value in SRUN.items() if not name.startswith("SLURM_STEP")}) is None


def test_half_an_environment_says_nothing():
    """What another program left behind is no launcher."""
    assert launched({"RANK": "0", "WORLD_SIZE": "2"}) is None
    assert launched({"WORLD_SIZE": "2", "MASTER_ADDR": "n1", "MASTER_PORT": "29500"}) is None


def test_another_number_of_processes_than_asked_for_is_refused():
    with pytest.raises(HandsonError, match=r"devices=3, but srun started 4 processes. Start 3 \(--ntasks\)"):
        check_devices(3, launched(SRUN))
    assert check_devices(4, launched(SRUN)) == check_devices(None, launched(SRUN)) == 4


@pytest.mark.parametrize("devices", [0, -1, True, "2", 1.5])
def test_devices_is_a_number_of_workers(devices):
    with pytest.raises(HandsonError, match="number of workers"):
        check_devices(devices, None)
