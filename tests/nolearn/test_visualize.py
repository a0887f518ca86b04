"""Pictures: what they show, on a net whose answer is known."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from handson import HandsonError, lasagne
from handson.lasagne import layers as L
from handson.nolearn import NeuralNet, visualize


@pytest.fixture
def net():
    """A net that looks at one pixel alone."""
    found = NeuralNet(
        layers=[("input", L.InputLayer), ("conv", L.Conv2DLayer), ("output", L.DenseLayer)],
        input_shape=(None, 1, 6, 6), conv_num_filters=3, conv_filter_size=1, output_num_units=2,
        output_nonlinearity=lasagne.nonlinearities.softmax,
    )  # fmt: skip
    found.initialize()
    weights = np.zeros((3, 6, 6, 2), "float32")
    weights[:, 2, 4, 1] = 3
    filters, out = np.ones((3, 1, 1, 1), "float32"), weights.reshape(-1, 2)
    found.load_params_from({"conv": [filters, np.zeros(3, "float32")], "output": [out, np.zeros(2, "float32")]})
    yield found
    plt.close("all")


IMAGE = np.ones((1, 1, 6, 6), "float32")


def test_occlusion_finds_the_pixel(net):
    found = visualize.occlusion_heatmap(net, IMAGE, 1, square_length=3)
    low = np.argwhere(found < found.max() - 0.1)
    assert low.min(0).tolist() == [1, 3]
    assert low.max(0).tolist() == [3, 5]
    assert len(visualize.plot_occlusion(net, IMAGE, [1], square_length=3).axes) == 3


def test_saliency_finds_the_pixel(net):
    figure = visualize.plot_saliency(net, 0.1 * IMAGE)
    shown = figure.axes[1].images[0].get_array()
    assert np.argwhere(shown > 1e-6).tolist() == [[2, 4]]


def test_weights_and_activity(net):
    conv = net.layers_["conv"]
    assert sum(bool(axis.images) for axis in visualize.plot_conv_weights(conv).axes) == 3
    shown = [axis.images[0].get_array() for axis in visualize.plot_conv_activity(conv, IMAGE).axes if axis.images]
    assert len(shown) == 4
    with pytest.raises(HandsonError, match="convolution"):
        visualize.plot_conv_weights(net.layers_["output"])
    with pytest.raises(HandsonError, match="one image"):
        visualize.plot_conv_activity(conv, np.repeat(IMAGE, 2, 0))


def test_drawing(net, tmp_path):
    visualize.draw_to_file(net, tmp_path / "net.png", verbose=True)
    assert (tmp_path / "net.png").stat().st_size > 1000
    figure = visualize.draw_to_notebook(net.get_all_layers())
    assert [text.get_text() for text in figure.axes[0].texts if text.get_text()] == [
        "InputLayer input", "Conv2DLayer conv", "DenseLayer output",
    ]  # fmt: skip
