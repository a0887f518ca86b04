"""Hashes of data: the same bytes in another shape or of another type are other data."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from handson.training.recording import fingerprint
from handson.training.recording.fingerprint import of_tensor

VALUES = torch.arange(24, dtype=torch.int32)


@given(st.permutations([2, 3, 4]), st.permutations([2, 3, 4]))
def test_another_shape_is_other_data(first, second):
    assert (of_tensor(VALUES.reshape(first)) == of_tensor(VALUES.reshape(second))) == (first == second)


@pytest.mark.parametrize("dtype", [torch.float32, torch.int16, torch.uint8, torch.int64])
def test_another_type_is_other_data(dtype):
    other = VALUES.view(dtype)
    assert other.numpy().tobytes() == VALUES.numpy().tobytes()
    assert of_tensor(other) != of_tensor(VALUES)
    assert of_tensor(torch.zeros(4)) != of_tensor(torch.zeros(4, dtype=torch.int32))


@pytest.mark.parametrize("whole", [1 << 30, 64])
def test_one_changed_value_is_other_data(monkeypatch, whole):
    """Of large data too, as far as they are looked into."""
    monkeypatch.setattr(fingerprint, "WHOLE_BYTES", whole)
    rows = torch.from_numpy(np.random.default_rng(0).normal(size=(100, 3)))
    for place in (0, 50, 99):
        other = rows.clone()
        other[place, 1] += 1
        assert of_tensor(other) != of_tensor(rows)
    assert of_tensor(rows.clone()) == of_tensor(rows)
