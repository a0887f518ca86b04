"""Pictures of journals and of many runs: what is drawn, read from the matplotlib objects."""

import numpy as np
import pytest

from handson import HandsonError
from handson.monitoring import Journal, LayerLook, Look
from handson.plots import plot_activations, plot_gradients, plot_runs, plot_updates
from handson.state.history import History

LAYERS = {"first": 0.01, "dropout": None, "second": 1.0}


def journal(steps=(0, 1, 5)):
    looks = []
    for step in steps:
        layers = {}
        for name, size in LAYERS.items():
            kind = "Dropout" if size is None else "Dense"
            layers[name] = LayerLook(kind=kind, mean=0.5, spread=1.0 + step, dead=0.25, silent=0.5)
            if size is not None:
                update = {"weight": 10.0, "gradient": 2 * size, "update": 0.01 * size, "size": 4, "saturated": 0.75}
                layers[name] = layers[name].model_copy(update=update)
        looks.append(Look(step=step, layers=layers))
    return Journal(looks)


def named(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_activations_are_drawn_for_all_layers_that_change_something():
    figure = plot_activations(journal())
    spread, mean, units = figure.axes
    assert named(figure) == ["first", "second"]
    np.testing.assert_array_equal(spread.lines[0].get_xydata(), [[0, 1], [1, 2], [5, 6]])
    assert mean.lines[0].get_ydata().tolist() == [0.5] * 3
    assert [(line.get_linestyle(), line.get_ydata()[0]) for line in units.lines[::2]] == [("-", 0.25), ("--", 0.75)]


def test_gradients_are_roots_of_mean_squares_over_time_and_over_depth():
    over_time, by_layer = plot_gradients(journal()).axes
    assert [line.get_ydata()[0] for line in over_time.lines] == [0.01, 1.0]
    assert over_time.get_yscale() == by_layer.get_yscale() == "log"
    assert by_layer.lines[0].get_xydata().tolist() == [[1, 0.01], [2, 1.0]]
    assert over_time.get_ylim() == by_layer.get_ylim()


def test_the_line_at_a_thousandth_is_drawn():
    ratio, _ = plot_updates(journal()).axes
    assert [0.001, 0.001] in [list(line.get_ydata()) for line in ratio.lines]
    assert [line.get_ydata()[0] for line in ratio.lines[:2]] == pytest.approx([1e-5, 1e-3])
    assert ratio.get_ylim()[0] < 1e-5
    assert ratio.get_ylim()[1] > 1e-2


def test_chosen_layers_alone_are_drawn():
    figure = plot_gradients(journal(), ["second"])
    assert named(figure) == ["second"]
    with pytest.raises(HandsonError, match="Did you mean 'second'"):
        plot_gradients(journal(), ["secnd"])


def test_gradients_of_nothing_do_not_break_the_logarithmic_axis(tmp_path):
    looks = [Look(step=step, layers={"a": LayerLook(weight=1.0, gradient=0.0, update=0.0, size=1)}) for step in (0, 1)]
    for plot in (plot_gradients, plot_updates):
        plot(Journal(looks), path=tmp_path / "a.png")
        assert (tmp_path / "a.png").stat().st_size > 1000


def test_many_layers_are_named_at_both_ends_and_on_the_way():
    looks = [Look(step=0, layers={f"l{n}": LayerLook(gradient=1.0, weight=1.0, update=1.0, size=1) for n in range(80)})]
    shown = named(plot_gradients(Journal(looks)))
    assert (shown[0], shown[-1], len(shown)) == ("l0", "l79", 12)


def test_an_empty_journal_says_what_to_do():
    with pytest.raises(HandsonError, match="monitor=True"):
        plot_gradients(Journal())


# Many runs.


def history(**quantities):
    found = History()
    for epoch, values in enumerate(zip(*quantities.values(), strict=True)):
        found.append(epoch, dict(zip(quantities, values, strict=True)))
    found.seconds = 30.0
    return found


def test_every_run_has_its_colour_its_best_value_and_its_best_epoch():
    runs = {"a": history(loss=[3, 2, 1], val_loss=[3, 1, 2]), "b": history(loss=[5, 4, 3], val_loss=[5, 4, 3.5])}
    figure = plot_runs(runs)
    (axes,) = figure.axes
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["a: 1", "b: 3.5"]
    dots = [line.get_xydata().tolist() for line in axes.lines if line.get_marker() == "o"]
    assert dots == [[[2, 1]], [[3, 3.5]]]
    assert len({line.get_color() for line in axes.lines}) == 2
    assert axes.get_xlabel() == "epoch"


def test_of_an_accuracy_more_is_better_and_without_validation_the_training_counts():
    figure = plot_runs({"a": history(accuracy=[0.2, 0.9, 0.5])}, "accuracy", epochs=False)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["a: 0.9"]
    assert figure.axes[0].lines[0].get_xdata().tolist() == [20.0]
    assert figure.axes[0].get_xlabel() == "seconds"


def test_a_quantity_that_nobody_measured_is_said():
    with pytest.raises(HandsonError, match="Did you mean 'loss'"):
        plot_runs({"a": history(loss=[1.0])}, "los")


@pytest.mark.parametrize("count", [3, 10, 30])
def test_runs_have_colours_of_their_own(count):
    figure = plot_runs({str(n): history(loss=[1.0 + n, 2.0]) for n in range(count)})
    assert len({str(line.get_color()) for line in figure.axes[0].lines if line.get_marker() == "o"}) == count
