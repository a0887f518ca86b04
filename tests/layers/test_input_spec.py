"""`InputSpec` refuses what Keras's refuses."""

import numpy as np
import pytest
import torch

from handson import Input, keras
from handson.core.errors import HandsonError
from handson.layers import Layer

CASES = [
    ({"ndim": 3}, (2, 4, 3)), ({"ndim": 3}, (2, 4)), ({"min_ndim": 2}, (2, 4, 3)), ({"min_ndim": 3}, (2, 4)),
    ({"max_ndim": 2}, (2, 4, 3)), ({"max_ndim": 3}, (2, 4)), ({"axes": {-1: 3}}, (2, 4, 3)),
    ({"axes": {1: 3}}, (2, 4, 3)), ({"shape": (None, 4, 3)}, (2, 4, 3)), ({"shape": (None, 4)}, (2, 4, 3)),
    ({"shape": (None, 4), "allow_last_axis_squeeze": True}, (2, 4, 1)),
    ({"shape": (None, 4, 1), "allow_last_axis_squeeze": True}, (2, 4)),
    ({"dtype": "float32"}, (2, 4)), ({"dtype": "int32"}, (2, 4)),
]  # fmt: skip


def layer_of(base, spec):
    class Passing(base):
        def __init__(self):
            super().__init__()
            self.input_spec = spec

        def call(self, inputs):
            return inputs

    return Passing()


def refused(layer, x, error):
    try:
        layer(x)
    except error:
        return True
    return False


@pytest.mark.parametrize(("arguments", "shape"), CASES)
def test_the_same_inputs_are_refused(arguments, shape):
    theirs = pytest.importorskip("keras")
    x = np.ones(shape, "float32")
    expected = refused(layer_of(theirs.layers.Layer, theirs.InputSpec(**arguments)), x, ValueError)
    assert refused(layer_of(Layer, keras.InputSpec(**arguments)), torch.as_tensor(x), HandsonError) == expected


def test_symbols_and_several_inputs_are_checked():
    spec = keras.layers.InputSpec(min_ndim=3)
    with pytest.raises(HandsonError, match=r"'passing' cannot take inputs of shape \(None, 4\): it takes 3 axes"):
        layer_of(Layer, spec)(Input((4,)))
    layer_of(Layer, [spec, None])([torch.ones(2, 3, 4), torch.ones(2)])
    with pytest.raises(HandsonError, match="takes 2 inputs"):
        layer_of(Layer, [spec, None])([torch.ones(2, 3, 4)])


def test_an_input_spec_is_made_again_from_its_configuration():
    spec = keras.InputSpec(ndim=4, axes={-1: 3})
    assert repr(keras.InputSpec.from_config(spec.get_config())) == repr(spec) == "InputSpec(ndim=4, axes={-1: 3})"
