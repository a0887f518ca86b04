"""Losses of the user: functions, and classes with a `call` or without."""

import numpy as np
import pytest
import torch

from handson import losses
from handson.core.errors import HandsonError


def test_a_function_is_a_loss_with_its_name():
    def cubed(y_true, y_pred):
        return (y_true - y_pred).abs() ** 3

    loss = losses.get(cubed)
    assert loss.name == "cubed"
    assert loss([[0.0, np.nan]], [[2.0, 5.0]]).item() == 8.0


def test_a_function_of_one_value_per_sample_is_averaged_over_samples():
    loss = losses.get(lambda y_true, y_pred: (y_true - y_pred).square().sum(-1))
    assert loss([[0.0, 0.0], [0.0, 0.0]], [[1.0, 1.0], [2.0, 2.0]], [1.0, 0.5]).item() == 3.0


def test_a_function_of_one_value_per_sample_cannot_mask_elements():
    def summed(y_true, y_pred):
        return (y_true - y_pred).square().sum(-1)

    with pytest.raises(HandsonError) as error:
        losses.get(summed)([[0.0, np.nan]], [[1.0, 1.0]])
    text = str(error.value)
    assert "summed gives values of shape (1,) and cannot mask missing targets of shape (1, 2)" in text
    assert "missing='drop'" in text


def test_a_function_that_gives_no_tensor_is_an_error():
    def zero(y_true, y_pred):
        return 0.0

    with pytest.raises(HandsonError, match=r"zero must return a tensor; got float\."):
        losses.get(zero)([[0.0]], [[1.0]])


def test_a_loss_without_values_says_what_to_define():
    class Mine(losses.Loss):
        pass

    with pytest.raises(NotImplementedError, match=r"Mine must define values\(y_true, y_pred\) or call"):
        Mine()([[0.0]], [[1.0]])


def test_a_loss_of_keras_spelling_defines_call():
    class Power(losses.Loss):
        def __init__(self, power=2.0, **kwargs):
            super().__init__(**kwargs)
            self.power = power

        def call(self, y_true, y_pred):
            return ((y_true - y_pred).abs() ** self.power).mean(-1)

    loss = Power(3.0, name="mine", reduction="sum")
    assert (loss.name, loss([[0.0, 0.0], [0.0, 0.0]], [[1.0, 1.0], [2.0, 0.0]]).item()) == ("mine", 5.0)
    assert Power(1.0)([[0.0, 0.0]], [[1.0, 2.0]]).item() == 1.5


def test_call_gives_a_value_for_each_sample():
    assert losses.MeanSquaredError().call(torch.zeros(2, 2), torch.tensor([[1.0, 1.0], [2.0, 0.0]])).tolist() == [1, 2]


def test_a_function_may_give_one_value_for_the_batch():
    def contrastive(y_true, y_pred):
        return (y_true - y_pred).square().mean() * 3

    loss = losses.get(contrastive)
    y_true, y_pred = torch.zeros(4, 2), torch.ones(4, 2)
    assert loss.sums(y_true, y_pred) == (12.0, 4)
    assert loss(y_true, y_pred, torch.tensor([1.0, 2.0, 0.0, 1.0])).item() == 3.0
    with pytest.raises(HandsonError, match=r"contrastive gives one value for a whole batch and cannot mask"):
        loss([[0.0, np.nan]], [[1.0, 1.0]])
