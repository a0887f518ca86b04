"""Tensor files beside the safetensors library, which reads them."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import load

from handson.core.errors import HandsonError
from handson.files import tensor_file

shapes = st.lists(st.integers(0, 5), max_size=3)
tensors = st.dictionaries(
    st.text(max_size=8).filter(lambda name: name != "__metadata__"),
    st.builds(
        lambda dtype, shape, seed: torch.randint(0, 2, shape, generator=torch.Generator().manual_seed(seed)).to(dtype),
        st.sampled_from(list(tensor_file.TYPES)),
        shapes,
        st.integers(0, 99),
    ),
    max_size=5,
)


def whole(held, metadata=None):
    return b"".join(tensor_file.pieces(held, metadata or {}))


@given(tensors)
def test_the_library_reads_what_was_written(held):
    found = load(whole(held))
    assert set(found) == set(held)
    for name, tensor in held.items():
        assert found[name].dtype == tensor.dtype
        assert torch.equal(found[name], tensor)


def test_the_metadata_are_those_given(tmp_path):
    (tmp_path / "a").write_bytes(whole({"x": torch.ones(2)}, {"format": "ä", "b": '"'}))
    with safe_open(tmp_path / "a", framework="pt") as file:
        assert file.metadata() == {"format": "ä", "b": '"'}


def test_tensors_that_do_not_lie_in_order_are_written_in_order():
    held = {"a": torch.arange(6).reshape(2, 3).T, "b": torch.arange(10)[::2]}
    assert all(torch.equal(found, held[name]) for name, found in load(whole(held)).items())


def test_no_tensor_is_copied():
    tensor = torch.zeros(1000)
    last = tensor_file.pieces({"a": tensor}, {})[-1]
    tensor.fill_(1)
    assert bytes(last) == tensor.numpy().tobytes()


def test_complex_numbers_are_refused():
    with pytest.raises(HandsonError, match=r"a is of type torch.complex64, which no file of weights can hold"):
        tensor_file.pieces({"a": torch.zeros(1, dtype=torch.complex64)}, {})


@given(tensors, st.text(max_size=5), st.data())
def test_the_checksum_changes_with_any_bit(held, text, data):
    before = tensor_file.checksum(held, text)
    assert tensor_file.checksum(dict(reversed(held.items())), text) == before
    assert tensor_file.checksum(held, text + "x") != before
    filled = [name for name, tensor in held.items() if tensor.numel()]
    if filled:
        changed = held[data.draw(st.sampled_from(filled))].reshape(-1).view(torch.uint8)
        changed[data.draw(st.integers(0, len(changed) - 1))] ^= 1 << data.draw(st.integers(0, 7))
        assert tensor_file.checksum(held, text) != before


def test_the_checksum_of_many_blocks_does_not_depend_on_threads(monkeypatch):
    held = {"a": torch.arange(1000.0), "b": torch.arange(7)}
    monkeypatch.setattr(tensor_file, "BLOCK", 96)
    together = tensor_file.checksum(held)
    monkeypatch.setattr(tensor_file, "ThreadPoolExecutor", None)
    monkeypatch.setattr(tensor_file, "sum", lambda sizes: 0, raising=False)
    assert tensor_file.checksum(held) == together
