"""Pictures of weights, activity, attributions and predictions: what is drawn, read from the matplotlib objects."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import confusion_matrix
from torch import nn

from handson import HandsonError, Sequential, attributions, layers, plots
from handson.plots.images import row_losses


@pytest.fixture(scope="module")
def net():
    return Sequential(
        [
            layers.Conv2D(3, 2, activation="relu", input_shape=(6, 5, 1), name="first"),
            layers.Conv2D(4, 2, name="second"),
            layers.Flatten(),
            layers.Dense(3, activation="softmax", name="last"),
        ],
        seed=0,
    )


@pytest.fixture
def images(rng):
    return rng.uniform(size=(4, 6, 5, 1)).astype(np.float32)


def array(axes):
    return np.ma.filled(axes.images[0].get_array().astype(float), np.nan)


# Weights and activity.


def test_filters_are_the_kernels(net):
    (axes,) = plots.plot_weights(net).axes
    kernel = net.layers[0].kernel.detach().numpy()
    shown = array(axes)
    np.testing.assert_allclose(shown[:2, :2], kernel[:, :, 0, 0])
    np.testing.assert_allclose(shown[:2, 3:5], kernel[:, :, 0, 1])
    assert np.isnan(shown[:, 2]).all(), "a gap is between filters"


def test_filters_of_several_channels_have_a_row_each(net):
    (axes,) = plots.plot_weights(net, "second").axes
    kernel = net.layers[1].kernel.detach().numpy()
    assert array(axes).shape == (4 * 3 - 1, 3 * 3 - 1)
    np.testing.assert_allclose(array(axes)[3:5, 6:8], kernel[:, :, 2, 1])


def test_filters_of_three_channels_are_in_colour():
    net = Sequential([layers.Conv2D(2, 3, input_shape=(8, 8, 3)), layers.Conv2D(3, 1)])
    shown = plots.plot_weights(net).axes[0].images[0].get_array()
    assert shown.shape == (3, 7, 3)
    assert (shown[:, 3] == 1).all()


def test_a_matrix_is_drawn_as_one(net):
    axes = plots.plot_weights(net, "last").axes[0]
    np.testing.assert_allclose(array(axes), net.layers[-1].kernel.detach().numpy())


def test_weights_of_torch_are_drawn_like_ours():
    conv = nn.Conv2d(1, 2, 3)
    shown = array(plots.plot_weights(nn.Sequential(conv, nn.ReLU())).axes[0])
    np.testing.assert_allclose(shown[:3, 4:7], conv.weight[1, 0].detach().numpy())


def test_activity_is_the_output_of_the_layer(net, images):
    figure = plots.plot_activity(net, images[:1], "first")
    expected = attributions.layer_output(net, images[:1], "first")[0]
    shown = [axes for axes in figure.axes if axes.images]
    assert len(shown) == 4
    np.testing.assert_allclose(array(shown[2]), expected[..., 1], rtol=1e-6)
    np.testing.assert_allclose(array(shown[0]), images[0, ..., 0])
    rows = plots.plot_activity(net, images, "last").axes[0]
    np.testing.assert_allclose(array(rows), attributions.layer_output(net, images, "last"), rtol=1e-6)


def test_what_has_no_weights_and_several_images_are_said(net, images):
    with pytest.raises(HandsonError, match="first, second, last have"):
        plots.plot_weights(net, "flatten")
    with pytest.raises(HandsonError, match=r"pass x\[0:1\]"):
        plots.plot_activity(net, images, "first")
    with pytest.raises(HandsonError, match="no layer of this net"):
        plots.plot_weights(nn.ReLU())


# Attributions.


@pytest.mark.parametrize("name", ["saliency", "integrated_gradients", "occlusion", "grad_cam"])
def test_each_image_stands_beside_its_map(net, images, name):
    figure = getattr(plots, f"plot_{name}")(net, images[:2], 1, titles=["a", "$b"])
    values = getattr(attributions, name)(net, images[:2], 1)
    values = np.abs(values) if name == "saliency" else values
    values = values.sum(-1) if values.ndim == 4 else values
    assert len(figure.axes) == 6
    for row in range(2):
        np.testing.assert_allclose(array(figure.axes[3 * row + 1]), values[row], rtol=1e-5, atol=1e-7)
    assert figure.axes[3].get_title() == r"\$b"


def test_columns_of_a_table_are_ordered_by_their_size():
    net = Sequential([layers.Dense(1, input_dim=3)])
    net.layers[0].set_weights([np.array([[1.0], [-5.0], [2.0]]), np.zeros(1)])
    (axes,) = plots.plot_integrated_gradients(net, np.ones((4, 3)), titles=["a", "b", "c"]).axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["b", "c", "a"]
    np.testing.assert_allclose([bar.get_width() for bar in axes.patches], [5, 2, 1], rtol=1e-5)


def test_sequences_have_curves_and_a_strip(rng):
    net = Sequential([layers.GRU(2, input_shape=(7, 2)), layers.Dense(1)], seed=0)
    x = rng.normal(size=(2, 7, 2))
    figure = plots.plot_saliency(net, x)
    np.testing.assert_allclose(figure.axes[0].lines[1].get_ydata(), x[0, :, 1])
    assert array(figure.axes[1]).shape == (2, 7)


# Predictions.


def test_confusion_has_the_counts_of_scikit_learn(rng):
    truth, probabilities = rng.integers(0, 3, 60), rng.uniform(size=(60, 3))
    axes = plots.plot_confusion(truth, probabilities, ["a", "b", "c"]).axes[0]
    counts = confusion_matrix(truth, probabilities.argmax(1))
    np.testing.assert_allclose(array(axes), counts / counts.sum(1, keepdims=True))
    assert sorted(int(text.get_text()) for text in axes.texts) == sorted(counts[counts > 0].tolist())
    assert f"{np.trace(counts) / 60:.1%}" in axes.get_title()


def test_rows_without_a_class_are_left_out():
    axes = plots.plot_confusion(np.array([0, 1, -1, np.nan]), np.array([0.2, 0.7, 0.9, 0.1])).axes[0]
    assert axes.get_title() == "accuracy 100.0% of 2 rows"


def test_calibration_is_accuracy_by_probability():
    probabilities = np.array([0.55] * 4 + [0.95] * 10)
    truth = np.array([1, 1, 0, 0] + [1] * 9 + [0])
    above, below = plots.plot_calibration(truth, probabilities).axes
    np.testing.assert_allclose(above.lines[1].get_xydata(), [[0.55, 0.5], [0.95, 0.9]])
    assert "0.050" in above.get_title()
    assert [round(bar.get_height()) for bar in below.patches][5:] == [4, 0, 0, 0, 10]


def test_residuals_show_the_worst_explained_columns_first(rng):
    truth = rng.normal(size=(50, 8))
    predicted = truth + np.arange(8) * rng.normal(size=(50, 8)) * 0.1
    truth[0] = np.nan
    figure = plots.plot_residuals(truth, predicted, list("abcdefgh"))
    titles = [axes.get_title() for axes in figure.axes[:6]]
    assert len(figure.axes) == 12
    assert {title[0] for title in titles} == set("cdefgh")
    assert sum(bar.get_height() for bar in figure.axes[6].patches) == 49


def test_predictions_have_the_name_the_share_and_the_truth(images):
    probabilities = np.array([[0.9, 0.1], [0.3, 0.7], [0.6, 0.4], [1.0, 0.0]])
    figure = plots.plot_predictions(images, probabilities, np.array([0, 0, -1, 0]), ["cat", "dog"])
    titles = [axes.get_title() for axes in figure.axes[:4]]
    assert titles == ["cat 90%", "dog 70%\ncat 30%", "cat 60%", "cat 100%"]
    colours = [axes.title.get_color() for axes in figure.axes[:4]]
    assert colours[0] == colours[2] != colours[1]


def test_the_worst_come_first(images):
    probabilities = np.array([[0.9, 0.1], [0.3, 0.7], [0.6, 0.4], [1.0, 0.0]])
    figure = plots.plot_worst(images, probabilities, np.array([0, 0, 1, 0]), ["cat", "dog"], count=2)
    np.testing.assert_array_equal(array(figure.axes[0]), images[1, ..., 0])
    keypoints = np.zeros((4, 2))
    figure = plots.plot_worst(images, keypoints, np.array([[0.0, 0.1], [3.0, np.nan], [1.0, 1.0], [np.nan] * 2]))
    assert figure.axes[0].get_title() == "row 1: 3"
    np.testing.assert_allclose(row_losses(keypoints, np.array([[3.0, 4.0]] * 4), False), np.sqrt(12.5))


def test_embeddings_keep_the_classes_apart(rng):
    centres = 20 * np.eye(3, 6)
    labels = rng.integers(0, 3, 120)
    features = centres[labels] + rng.normal(size=(120, 6))
    for method in ("pca", "tsne"):
        (axes,) = plots.plot_embedding(features, labels, ["a", "b", "c"], method).axes
        points = [line.get_xydata() for line in axes.lines]
        means, spreads = [part.mean(0) for part in points], [part.std(0).max() for part in points]
        assert sum(map(len, points)) == 120
        assert min(np.linalg.norm(means[0] - means[1]), np.linalg.norm(means[1] - means[2])) > 3 * max(spreads)
    with pytest.raises(HandsonError, match="Did you mean 'tsne'"):
        plots.plot_embedding(features, method="t-sne")


def test_values_that_are_missing_together_are_a_pattern():
    table = pd.DataFrame({"a": [1, np.nan, np.nan, 2], "b": [1.0, 2, 3, 4], "c": ["x", None, None, "y"]})
    grid, bars = plots.plot_missing(table).axes
    dark = grid.images[0].get_array()[..., 0] < 0.5
    assert sorted(dark.tolist()) == [[False, True, False], [True, True, True]]
    assert [bar.get_width() for bar in bars.patches] == [2, 2]
    assert [label.get_text() for label in grid.get_xticklabels()] == ["a", "b", "c"]


def test_of_one_probability_the_worst_are_classes_too(images):
    figure = plots.plot_worst(images, np.array([[0.1], [0.9], [0.4], [0.2]]), np.array([0, 0, 0, 0]), count=1)
    assert figure.axes[0].get_title() == "1 90%\n0 10%"


def test_confusion_of_predicted_classes_in_a_column_is_that_of_classes():
    truth = np.array([0, 1, 2, 2])
    assert plots.plot_confusion(truth, truth[:, None]).axes[0].get_title() == "accuracy 100.0% of 4 rows"


PROBABILITIES = np.array([[0.9, 0.1], [0.3, 0.7], [0.6, 0.4]])


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda: plots.plot_calibration([0, 1], PROBABILITIES), "2 true classes and 3 predictions"),
        (lambda: plots.plot_calibration([0, 1, 2], PROBABILITIES), "a true class is 2, and predicted are 2 classes"),
        (lambda: plots.plot_calibration([0, 1, 1], PROBABILITIES - 1), "wants probabilities"),
        (lambda: plots.plot_confusion([0, 1, 1], PROBABILITIES, ["a"]), "2 names or more are needed; got 1: a"),
        (lambda: plots.plot_confusion(["a", "b", "b"], PROBABILITIES), "whole numbers from 0"),
        (lambda: plots.plot_reliability(PROBABILITIES, [0, 1, 1]), "by name"),
        (lambda: plots.plot_reliability({"net": PROBABILITIES}, [np.nan] * 3), "no row has a target"),
        (lambda: plots.plot_spread({"net": (np.zeros(3), np.ones(3))}, np.ones(4)), "4 targets and 3 predictions"),
        (lambda: plots.plot_levels([0.1, 0.5], {"net": np.zeros((1, 3))}, np.ones(3)), "2 levels and 1 quantiles"),
        (lambda: plots.plot_embedding(np.eye(3), [0, 1]), "3 rows and 2 labels"),
        (lambda: plots.plot_embedding(np.eye(3), list("abc")), "whole numbers from 0"),
        (lambda: plots.plot_embedding(np.eye(3), [0, 1, 2], ["a"]), "3 names or more"),
        (lambda: plots.plot_residuals(np.eye(3), np.eye(3), ["a"]), "3 names or more"),
        (lambda: plots.plot_missing(np.ones((2, 3)), ["a"]), r"shape \(2, 3\) and 1 names"),
        (lambda: plots.plot_missing(np.ones((0, 3))), r"shape \(0, 3\)"),
        (lambda: plots.plot_predictions(np.ones((2, 4, 4, 1)), PROBABILITIES), "2 images and 3 predictions"),
    ],
)
def test_what_cannot_be_drawn_is_said(draw, message):
    with pytest.raises(HandsonError, match=message):
        draw()


def test_reliability_leaves_rows_without_a_class_out_and_no_net():
    known = plots.plot_reliability({"net": PROBABILITIES}, [0, 1, 1]).axes[0].lines[0].get_xydata()
    holes = np.concatenate([PROBABILITIES, [[0.95, 0.05]]])
    found = plots.plot_reliability({str(number): holes for number in range(9)}, [0, 1, 1, np.nan]).axes[0]
    np.testing.assert_array_equal(found.lines[0].get_xydata(), known)
    assert len(found.lines) == 10
    assert len({str(line.get_color()) for line in found.lines}) == 10


def test_the_spread_of_a_few_rows_is_drawn_row_by_row():
    line = plots.plot_spread({"net": (np.zeros(3), [1.0, 3.0, 2.0])}, [1.0, 2.0, np.nan]).axes[0].lines[0]
    np.testing.assert_array_equal(line.get_xydata(), [[1.0, 1.0], [3.0, 2.0]])
