"""The benchmark of a GPU, as far as it goes without one."""

from pathlib import Path

import pytest
import torch

CPU = torch.device("cpu")


@pytest.fixture
def gpu(monkeypatch):
    """The benchmark."""
    monkeypatch.syspath_prepend(str(Path(__file__).resolve().parents[1]))
    from benchmarks import gpu

    return gpu


@pytest.mark.skipif(torch.cuda.is_available(), reason="is about a machine without a GPU")
def test_without_a_gpu_it_says_so(gpu, monkeypatch):
    monkeypatch.setattr("sys.argv", ["gpu.py"])
    with pytest.raises(SystemExit, match="measures steps on a GPU, and torch sees none here"):
        gpu.main()


def test_the_work_of_a_step_is_that_of_its_formulas(gpu):
    small = gpu.works(CPU, 1)[1]
    forward = 2 * 32 * (5 * 64 + 64 * 64 + 64)
    assert gpu.operations(small) == 3 * forward - 2 * 32 * 5 * 64  # nobody asks for the gradient of the inputs
    weights, outputs = 6 * 64 + 65 * 64 + 65, 32 * (64 + 64 + 1)
    assert gpu.least_bytes(small) == 4 * (10 * weights + 5 * outputs + 32 * 5)


@pytest.mark.parametrize("net", ["lecture", "small"])
def test_both_libraries_have_the_same_weights(gpu, net):
    ours, plain = getattr(gpu, net)("float32"), getattr(gpu, f"plain_{net}")()
    assert ours.count_params() == sum(weight.numel() for weight in plain.parameters())


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_every_epoch_after_the_first_is_timed(gpu, precision):
    small = gpu.works(CPU, 1)[1]
    for found in (gpu.engine(small, "eager", precision, 2), gpu.loop(small, None, precision, 2)):
        assert len(found) == 2
        assert min(found) > 0
