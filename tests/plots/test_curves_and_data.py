"""Pictures: the curves, labels and marks that are in them, read from the matplotlib objects."""

import numpy as np
import pytest
from matplotlib.colors import to_hex

from handson.core.errors import HandsonError
from handson.data.reading.dataset import Dataset
from handson.data.reading.explore import explore
from handson.plots import plot_exploration, plot_history, plot_keypoints, plot_specialists, save, show_image
from handson.state.history import History


def history_of(first=0, **quantities):
    history = History()
    for epoch, values in enumerate(zip(*quantities.values(), strict=True)):
        history.append(first + epoch, dict(zip(quantities, values, strict=True)))
    return history


def curves(axes):
    """The labelled lines of a panel."""
    return {line.get_label(): line for line in axes.lines if not line.get_label().startswith("_")}


def texts(axes):
    return [text.get_text() for text in axes.texts]


def marks(axes):
    """The unlabelled lines of a panel as lists of points."""
    return [list(zip(*line.get_data(), strict=True)) for line in axes.lines if line.get_label().startswith("_")]


# Curves of a training


def test_training_and_validation_are_drawn_over_epochs_from_one():
    figure = plot_history(history_of(loss=[3, 2, 1.5], val_loss=[4, 2.5, 3]))
    (axes,) = figure.axes
    lines = curves(axes)
    assert list(lines) == ["training, during the epoch", "validation"]
    np.testing.assert_array_equal(lines["training, during the epoch"].get_xydata(), [[1, 3], [2, 2], [3, 1.5]])
    np.testing.assert_array_equal(lines["validation"].get_xydata(), [[1, 4], [2, 2.5], [3, 3]])
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("epoch", "loss")
    assert [text.get_text() for text in axes.get_legend().get_texts()] == list(lines)


def test_the_best_epoch_is_marked_as_the_sweet_spot():
    (axes,) = plot_history(history_of(loss=[3, 2, 1.5], val_loss=[4, 2.5, 3])).axes
    assert texts(axes) == ["sweet spot: epoch 2"]
    assert [(2, 2.5)] in marks(axes)
    assert [(2, 0), (2, 1)] in marks(axes)


def test_every_metric_has_a_panel_with_the_sweet_spot_of_the_loss():
    figure = plot_history(history_of(loss=[3, 2], val_loss=[2, 4], mean_error=[5, 4], val_mean_error=[7, 6]))
    assert [axes.get_ylabel() for axes in figure.axes] == ["loss", "mean error"]
    np.testing.assert_array_equal(curves(figure.axes[1])["validation"].get_ydata(), [7, 6])
    assert [texts(axes) for axes in figure.axes] == [["sweet spot: epoch 1"]] * 2
    assert [(1, 7)] in marks(figure.axes[1])


def test_the_training_rows_in_evaluation_mode_have_a_curve_of_their_own():
    (axes,) = plot_history(history_of(loss=[3, 2], val_loss=[2, 4], train_loss=[1, 0.5])).axes
    lines = curves(axes)
    np.testing.assert_array_equal(lines["training, evaluated"].get_ydata(), [1, 0.5])
    assert lines["training, evaluated"].get_linestyle() != lines["training, during the epoch"].get_linestyle()
    assert lines["validation"].get_color() != lines["training, evaluated"].get_color()


def test_without_validation_there_is_no_sweet_spot():
    (axes,) = plot_history(history_of(loss=[3, 2])).axes
    assert list(curves(axes)) == ["training, during the epoch"]
    assert texts(axes) == []


def test_the_learning_rate_has_no_panel():
    assert len(plot_history(history_of(loss=[3, 2], learning_rate=[0.1, 0.2])).axes) == 1


def test_a_training_that_went_on_keeps_its_epochs():
    (axes,) = plot_history(history_of(10, loss=[3, 2], val_loss=[3, 2])).axes
    np.testing.assert_array_equal(curves(axes)["validation"].get_xdata(), [11, 12])
    assert texts(axes) == ["sweet spot: epoch 12"]


def test_epochs_without_validation_are_gaps():
    (axes,) = plot_history(history_of(loss=[3, 2, 1], val_loss=[float("nan"), 2, float("nan")])).axes
    np.testing.assert_array_equal(curves(axes)["validation"].get_ydata(), [np.nan, 2, np.nan])
    assert texts(axes) == ["sweet spot: epoch 2"]


@pytest.mark.parametrize(
    ("values", "scale"),
    [([100, 1], "log"), ([10, 1], "linear"), ([100, 0], "linear"), ([100, -1], "linear"), ([np.nan, np.nan], "linear")],
)
def test_values_over_more_than_a_decade_have_a_logarithmic_axis(values, scale):
    (axes,) = plot_history(history_of(loss=values)).axes
    assert axes.get_yscale() == scale


def test_a_history_without_epochs_is_an_empty_panel(tmp_path):
    """As after `fit(epochs=0)`."""
    (axes,) = plot_history(History(), tmp_path / "curves.png").axes
    assert curves(axes) == {}
    assert (tmp_path / "curves.png").is_file()


def test_a_history_draws_itself(tmp_path):
    history = history_of(loss=[3, 2], val_loss=[3, 2])
    assert len(curves(history.plot(tmp_path / "curves.png").axes[0])) == 2
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG\r\n\x1a\n")


# Specialists


SPECIALISTS = {"eyes": ([3.0, 2.0, 1.0], [4.0, 2.0, 3.0]), "nose": ([5.0], [6.0])}


def test_each_specialist_has_a_solid_and_a_dashed_curve_of_one_colour():
    (axes,) = plot_specialists(SPECIALISTS, {"eyes": 4, "nose": 2}).axes
    solid, dashed = axes.lines[0], axes.lines[1]
    np.testing.assert_array_equal(solid.get_xydata(), [[1, 4], [2, 2], [3, 3]])
    np.testing.assert_array_equal(dashed.get_xydata(), [[1, 3], [2, 2], [3, 1]])
    assert (solid.get_label(), solid.get_linestyle(), dashed.get_linestyle()) == ("eyes (4)", "-", "--")
    assert solid.get_color() == dashed.get_color() != axes.lines[2].get_color()
    assert list(curves(axes)) == ["eyes (4)", "nose (2)", "mean"]


def test_the_mean_weighs_the_squares_of_the_best_errors_so_far_by_columns():
    (axes,) = plot_specialists(SPECIALISTS, {"eyes": 4, "nose": 2}).axes
    expected = np.sqrt([(4 * best**2 + 2 * 6**2) / 6 for best in (4, 2, 2)])
    mean = curves(axes)["mean"]
    np.testing.assert_array_equal(mean.get_xdata(), [1, 2, 3])
    np.testing.assert_allclose(mean.get_ydata(), expected)
    assert to_hex(mean.get_color()) == "#000000"


def test_the_unit_is_in_the_label():
    (axes,) = plot_specialists(SPECIALISTS, {"eyes": 4, "nose": 2}, unit="mm").axes
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("epoch", "root mean square error [mm]")


def test_the_competitions_six_specialists_have_six_colours():
    groups = {str(number): ([1.0], [1.0]) for number in range(6)}
    (axes,) = plot_specialists(groups, dict.fromkeys(groups, 1)).axes
    assert len({line.get_color() for line in axes.lines if line.get_label() in {f"{name} (1)" for name in groups}}) == 6


def test_an_epoch_without_validation_leaves_the_best_error_so_far():
    (axes,) = plot_specialists({"a": ([3.0, 2.0, 1.0], [4.0, float("nan"), 2.0])}, {"a": 1}).axes
    np.testing.assert_allclose(curves(axes)["mean"].get_ydata(), [4, 4, 2])


def test_the_figure_of_specialists_is_written(tmp_path):
    plot_specialists(SPECIALISTS, {"eyes": 4, "nose": 2}, path=tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


# Keypoints on images


def test_truth_and_prediction_are_drawn_where_they_are():
    images = np.zeros((2, 6, 8, 1), np.uint8)
    truth = np.array([[1.0, 2.0, 3.0, 4.0], [5.0, 6.0, np.nan, np.nan]])
    predicted = truth + 0.5
    figure = plot_keypoints(images, predicted, truth, columns=3)
    first, second = figure.axes[:2]
    np.testing.assert_array_equal(first.lines[0].get_xydata(), [[1, 2], [3, 4]])
    np.testing.assert_array_equal(first.lines[1].get_xydata(), [[1.5, 2.5], [3.5, 4.5]])
    assert (first.lines[0].get_marker(), first.lines[1].get_marker()) == ("o", "x")
    np.testing.assert_array_equal(second.lines[0].get_xydata(), [[5, 6], [np.nan, np.nan]])
    assert figure.get_suptitle() == "green circles: truth, orange crosses: prediction"


def test_pixel_coordinates_run_from_zero_to_the_width_and_height():
    (axes,) = plot_keypoints(np.zeros((1, 6, 8, 1)), truth=np.zeros((1, 2)), columns=1).axes
    assert (axes.get_xlim(), axes.get_ylim()) == ((0, 8), (6, 0))
    assert axes.images[0].get_extent() == [0, 8, 6, 0]


def test_the_columns_of_points_can_be_given():
    targets = np.array([[30.0, 1.0, 2.0, 3.0, 4.0]])
    (axes,) = plot_keypoints(np.zeros((1, 6, 8, 1)), truth=targets, points=[(2, 1), (4, 3)], columns=1).axes
    np.testing.assert_array_equal(axes.lines[0].get_xydata(), [[2, 1], [4, 3]])


def test_one_of_truth_and_prediction_is_enough_and_so_is_none():
    images = np.zeros((2, 6, 8, 3), np.uint8)
    for arguments, lines in (({"truth": np.ones((2, 4))}, 1), ({"predicted": np.ones((2, 4))}, 1), ({}, 0)):
        figure = plot_keypoints(images, **arguments)
        assert [len(axes.lines) for axes in figure.axes[:2]] == [lines] * 2
        assert figure.get_suptitle() == ""


def test_images_fill_rows_and_have_titles():
    figure = plot_keypoints(np.zeros((5, 4, 4, 1)), titles=list("abcde"), columns=3)
    assert len(figure.axes) == 6
    assert [axes.get_title() for axes in figure.axes] == [*"abcde", ""]
    assert [len(axes.images) for axes in figure.axes] == [1, 1, 1, 1, 1, 0]


@pytest.mark.parametrize("channels", [1, 3])
def test_the_pixels_are_those_of_the_image(rng, channels):
    image = rng.integers(0, 256, (4, 5, channels)).astype(np.uint8)
    (axes,) = plot_keypoints(image[None], columns=1).axes
    np.testing.assert_array_equal(axes.images[0].get_array().data, image[..., 0] if channels == 1 else image)


def test_an_image_is_drawn_into_given_axes():
    from matplotlib.figure import Figure

    axes = Figure().subplots()
    show_image(axes, np.ones((4, 5, 1)))
    assert not axes.axison
    assert len(axes.images) == 1


# The sheet of a data set


def bars(axes):
    return [round(patch.get_width()) for patch in axes.patches]


def test_the_sheet_of_a_table_has_a_histogram_of_every_column(rng):
    x, y = rng.normal(size=(50, 2)).astype(np.float32), rng.normal(size=(50, 1)).astype(np.float32)
    y[:20] = np.nan
    figure = plot_exploration(explore(Dataset(x, y, ["a", "b"], ["y"])))
    histograms = {axes.get_title(): axes for axes in figure.axes if axes.get_title()}
    assert list(histograms) == ["a (input)", "b (input)", "y (target)"]
    counted = [sum(patch.get_height() for patch in axes.patches) for axes in histograms.values()]
    assert counted == [50, 50, 30]
    assert bars(figure.axes[-1]) == [30]
    assert figure.axes[-1].get_xlabel() == "rows that have the target, of 50"


def test_the_sheet_of_classes_has_their_numbers(rng):
    data = Dataset(rng.normal(size=(10, 1)), np.array([0] * 7 + [1] * 3), ["a"], ["kind"], ["galaxy", "star"])
    axes = plot_exploration(explore(data)).axes[-1]
    assert bars(axes) == [7, 3]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["galaxy", "star"]
    assert texts(axes) == ["7 (70.0 %)", "3 (30.0 %)"]


def test_the_sheet_of_images_shows_examples_with_their_points(rng):
    images = rng.integers(0, 256, (48, 5, 6, 1)).astype(np.uint8)
    targets = rng.uniform(0, 5, (48, 3)).astype(np.float32)
    figure = plot_exploration(explore(Dataset(images, targets, [], ["age", "nose_x", "nose_y"])))
    examples = [axes for axes in figure.axes if axes.images]
    assert len(examples) == 24
    np.testing.assert_array_equal(examples[0].images[0].get_array().data, images[0, ..., 0])
    np.testing.assert_array_equal(examples[0].lines[0].get_xydata(), targets[:1, 1:])
    np.testing.assert_array_equal(examples[-1].lines[0].get_xydata(), targets[47:, 1:])


def test_the_sheet_of_images_of_classes_names_them(rng):
    images = rng.integers(0, 256, (3, 5, 6, 3)).astype(np.uint8)
    data = Dataset(images, np.array([1, -1, 0]), [], ["kind"], ["galaxy", "star"])
    figure = plot_exploration(explore(data))
    titles = [axes.get_title() for axes in figure.axes if axes.images]
    assert (titles[0], titles[-1]) == ("star", "galaxy")


def test_a_few_images_are_shown_once(rng):
    images = rng.integers(0, 256, (3, 5, 6, 1)).astype(np.uint8)
    figure = plot_exploration(explore(Dataset(images)))
    assert sum(len(axes.images) for axes in figure.axes) == 3


@pytest.mark.parametrize(
    "data",
    [
        Dataset(np.zeros((1, 2), np.float32), None, ["a", "b"]),
        Dataset(np.full((3, 1), np.nan, np.float32), np.full((3, 1), np.nan, np.float32), ["a"], ["y"]),
        Dataset(np.arange(120, dtype=np.float32).reshape(4, 30), None, [f"c{number}" for number in range(30)]),
        Dataset(np.arange(24, dtype=np.float32).reshape(4, 3, 2), np.ones((4, 1), np.float32), ["a", "b"], ["y"]),
        Dataset(np.zeros((2, 4, 4, 1), np.uint8)),
        Dataset(np.zeros((2, 3), np.float32), np.array([0, 1]), ["a", "b", "c"], ["k"], ["x $y$", "u_1"]),
    ],
    ids=["one row", "all missing", "many columns", "sequences", "images alone", "formulas"],
)
def test_unusual_data_have_a_sheet_too(tmp_path, data):
    plot_exploration(explore(data), tmp_path / "sheet.png")
    assert (tmp_path / "sheet.png").read_bytes().startswith(b"\x89PNG")


# Files


@pytest.mark.parametrize(("name", "start"), [("a.png", b"\x89PNG"), ("a.pdf", b"%PDF"), ("a.svg", b"<?xml")])
def test_the_ending_decides_the_format(tmp_path, name, start):
    plot_history(history_of(loss=[3, 2]), tmp_path / name)
    assert (tmp_path / name).read_bytes().startswith(start)


@pytest.mark.parametrize("name", ["a.xyz", "a"])
def test_an_ending_that_is_no_picture_is_refused(tmp_path, name):
    with pytest.raises(HandsonError, match=rf"{name}.*\.png"):
        save(plot_history(history_of(loss=[3, 2])), tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_without_a_path_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save(plot_history(history_of(loss=[3, 2])), None)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="the folder .*nowhere is not there"):
        plot_history(history_of(loss=[3, 2]), tmp_path / "nowhere" / "a.png")
