"""Coverage against what autograd says that an output depends on; capacity against its definition."""

import numpy as np
import pytest

import handson.theano.tensor as T
from handson import lasagne, theano
from handson.lasagne import layers as L
from handson.nolearn import NeuralNet
from handson.nolearn.layer_info import describe, fields, layer_rows

SIDE = 41


def nets():
    x = L.InputLayer((None, 1, SIDE, SIDE))
    conv = L.Conv2DLayer
    return {
        "plain": conv(conv(x, 2, 3), 2, (5, 3)),
        "strides": conv(conv(x, 2, 3, stride=2), 2, 3, stride=(1, 3)),
        "padding": conv(conv(x, 2, 5, pad="same"), 2, 3, pad=1),
        "pooling": conv(L.Pool2DLayer(conv(x, 2, 3), 2, mode="average_inc_pad"), 2, 3),
        "overlapping pools": conv(L.Pool2DLayer(conv(x, 2, 3), 3, stride=2, mode="average_inc_pad"), 2, 2),
        "dilation": L.DilatedConv2DLayer(L.DilatedConv2DLayer(x, 2, 3, dilation=2), 2, 3, dilation=3),
        "branches": conv(L.ElemwiseSumLayer([conv(x, 2, 3, pad=1), conv(x, 2, 5, pad=2)]), 2, 3),
    }


def seen(layer):
    """The size of the region of the image whose pixels change the output in the middle, along each axis."""
    for one in L.get_all_layers(layer):
        for param in one.get_params():
            param.set_value(np.ones_like(param.get_value()))
    (entry,) = [one for one in L.get_all_layers(layer) if isinstance(one, L.InputLayer)]
    output = L.get_output(layer)
    middle = [side // 2 for side in layer.output_shape[2:]]
    slope = T.grad(output[0, 0, middle[0], middle[1]], entry.input_var)
    found = theano.function([entry.input_var], slope)(np.ones((1, 1, SIDE, SIDE)))[0, 0]
    return tuple(int(np.ptp(np.nonzero(found)[axis])) + 1 for axis in (0, 1))


@pytest.mark.parametrize("name", nets())
def test_receptive_field(name):
    layer = nets()[name]
    assert fields(L.get_all_layers(layer))[id(layer)].size == seen(layer)


def test_capacity_is_the_real_filter_over_the_field():
    net = NeuralNet(
        layers=[("input", L.InputLayer), ("conv1", L.Conv2DLayer), ("pool1", L.MaxPool2DLayer),
                ("conv2", L.Conv2DLayer), ("output", L.DenseLayer)],
        input_shape=(None, 1, 32, 32), conv1_num_filters=4, conv1_filter_size=3, pool1_pool_size=2,
        conv2_num_filters=4, conv2_filter_size=(3, 2), output_num_units=2, update_learning_rate=0.1,
    )  # fmt: skip
    net.initialize()
    rows = {row["name"]: row for row in layer_rows(net)}
    # Windows of conv2 span 2 * 3 pixels; it sees 3 + 1 (pool) + 2 * 2 of them, of 32.
    assert (rows["conv2"]["cap.Y"], rows["conv2"]["cov.Y"]) == (f"{100 * 6 / 8:.2f}", f"{100 * 8 / 32:.2f}")
    assert (rows["conv2"]["cap.X"], rows["conv2"]["field X"]) == (f"{100 * 4 / 6:.2f}", 6)
    assert rows["conv1"]["cap.Y"] == "100.00"
    assert rows["output"]["cov.Y"] == "100.00"


def test_warnings_and_plain_tables():
    lasagne.random.set_rng(np.random.RandomState(0))
    deep = NeuralNet(
        layers=[("input", L.InputLayer), *[(f"c{i}", L.Conv2DLayer) for i in range(7)]],
        input_shape=(None, 1, 9, 9), **{f"c{i}_{k}": v for i in range(7) for k, v in
                                        {"num_filters": 1, "filter_size": 3, "pad": 1}.items()},
    )  # fmt: skip
    deep.initialize()
    said = "\n".join(describe(deep))
    assert "c6: its coverage is above 100 %" in said
    assert "c0: " not in said
    plain = NeuralNet(layers=[("input", L.InputLayer), ("out", L.DenseLayer)], input_shape=(None, 3), out_num_units=2)
    plain.initialize()
    assert describe(plain)[-3:] == ["---  -----  ----", "  0  input  3", "  1  out    2"]
