"""Metrics by hand as in Keras: means and sums of values, variables, metrics of one's own."""

import numpy as np
import pytest
import torch

import handson
from handson import metrics, ops
from handson.core.errors import HandsonError
from handson.metrics import accumulators


@pytest.mark.parametrize("name", ["Mean", "Sum"])
@pytest.mark.parametrize("shape", [(), (5,), (5, 1), (5, 3), (5, 2, 3)])
@pytest.mark.parametrize("weighted", ["no", "rows", "all"])
def test_values_are_added_up_as_in_keras(keras, rng, name, shape, weighted):
    ours, theirs = getattr(metrics, name)(), getattr(keras.metrics, name)()
    for _ in range(3):
        values = rng.normal(size=shape).astype("float32")
        weight = rng.uniform(0.1, 2, shape if weighted == "all" else shape[:1]).astype("float32")
        given = (values,) if weighted == "no" or not shape else (values, weight)
        ours.update_state(*given)
        theirs.update_state(*given)
        assert float(ours.result()) == pytest.approx(float(theirs.result()), rel=1e-5)
    ours.reset_state()
    assert ours([2.0, 4.0]) == (3.0 if name == "Mean" else 6.0)


def test_a_mean_of_nothing_is_not_a_number():
    assert np.isnan(float(metrics.Mean().result()))
    assert metrics.Sum().result() == 0


def test_a_mean_keeps_a_graph_of_gradients_out():
    loss = torch.ones(3, requires_grad=True).sum()
    mean = metrics.Mean()
    mean.update_state(loss)
    assert not mean.result().requires_grad


def test_values_are_not_what_a_training_measures():
    with pytest.raises(HandsonError, match="takes values, and not targets and predictions"):
        metrics.get(metrics.Mean())


def power(y_true, y_pred, exponent=1.0):
    return (y_true - y_pred).abs() ** exponent


@pytest.mark.parametrize("exponent", [1.0, 2.0])
def test_a_wrapped_function_has_the_mean_of_keras(keras, rng, exponent):
    ours = metrics.MeanMetricWrapper(power, exponent=exponent)
    theirs = keras.metrics.MeanMetricWrapper(lambda y, p, exponent: abs(y - p) ** exponent, exponent=exponent)
    for rows in (4, 1, 3):
        y_true, y_pred = torch.from_numpy(rng.normal(size=(2, rows, 3)).astype("float32"))
        weight = torch.from_numpy(rng.random(rows).astype("float32"))
        assert float(ours(y_true, y_pred, weight)) == pytest.approx(float(theirs(y_true, y_pred, weight)), rel=1e-5)
    assert (ours.name, metrics.MeanMetricWrapper(power, name="own").name) == ("power", "own")


def test_a_wrapped_function_is_made_again_from_its_configuration():
    handson.register(power, kind="metric")
    made = metrics.MeanMetricWrapper(power, "own", exponent=3.0)
    again = metrics.deserialize(metrics.serialize(made))
    assert again.get_config() == made.get_config()
    assert again([[0.0]], [[2.0]]) == 8.0
    assert "exponent=3.0" in repr(made)


def test_a_misspelt_argument_of_a_function_gets_its_nearest():
    with pytest.raises(HandsonError, match="no argument 'exponant'. Did you mean 'exponent'"):
        metrics.MeanMetricWrapper(power, exponant=2.0)


def test_a_subclass_of_the_wrapper_is_a_mean():
    class Cubes(metrics.MeanMetricWrapper):
        def __init__(self, name="cubes", **kwargs):
            super().__init__(power, name=name, exponent=3.0, **kwargs)

    assert Cubes().is_mean
    assert Cubes()([[0.0], [0.0]], [[1.0], [2.0]]) == 4.5


class Hits(metrics.Metric):
    """Keras's own example of a metric."""

    def __init__(self, name="hits", **kwargs):
        super().__init__(name=name, **kwargs)
        self.hits = self.add_variable(shape=(), initializer="zeros", name="hits")
        self.rows = self.add_weight(name="rows", initializer="zeros")

    def update_state(self, y_true, y_pred, sample_weight=None):
        right = ops.cast(ops.equal(ops.cast(y_true, "bool"), y_pred > 0.5), self.dtype)
        if sample_weight is not None:
            right = ops.multiply(right, ops.reshape(sample_weight, (-1, 1)))
        self.hits.assign(self.hits + ops.sum(right))
        self.rows.assign_add(len(y_pred))

    def result(self):
        return self.hits / self.rows


def test_a_metric_with_variables_works_as_in_keras():
    metric = Hits()
    metric.update_state(torch.ones(4, 1), torch.tensor([[0.9], [0.1], [0.7], [0.6]]))
    assert metric(torch.ones(1, 1), torch.ones(1, 1)) == pytest.approx(0.8)
    assert [float(each) for each in metric.variables] == [4.0, 5.0]
    metric.reset_states()
    assert [float(each) for each in metric.variables] == [0.0, 0.0]


def test_a_variable_behaves_as_a_tensor_and_remembers():
    made = metrics.Metric().add_variable((2,), "ones", dtype="float64", name="pair")
    before = made.value
    made.assign_sub([1.0, 3.0])
    assert before.tolist() == [1.0, 1.0]
    assert made.tolist() == [0.0, -2.0] == made.numpy().tolist()
    assert type(made + 1) is torch.Tensor
    assert type(made.value) is torch.Tensor
    assert (made.shape, made.dtype, float(made[1]), torch.sum(made).item()) == ((2,), torch.float64, -2.0, -2.0)
    made.assign(torch.full((2,), 7, dtype=torch.int32))
    assert made.dtype == torch.float64
    with pytest.raises(HandsonError, match=r"'pair' has the shape \(2,\).*values of shape \(3,\)"):
        made.assign([1, 2, 3])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"dtype": "float33"}, "name of a type"), ({"aggregation": "summ"}, "aggregation is 'sum'")],
)
def test_variables_that_mean_nothing_are_refused(arguments, message):
    with pytest.raises(HandsonError, match=message):
        metrics.Metric().add_variable((), "zeros", **arguments)


def test_a_fresh_copy_shares_no_state():
    class Listing(Hits):
        def __init__(self):
            super().__init__()
            self.seen, self.inner, self.net = [], metrics.Mean(), torch.nn.Linear(1, 1)

        def update_state(self, y_true, y_pred, sample_weight=None):
            super().update_state(y_true, y_pred, sample_weight)
            self.seen.append(len(y_pred))
            self.inner.update_state(y_pred)

        def reset_state(self):
            self.hits.assign(0.0)
            self.rows.assign(0.0)
            self.inner.reset_state()

    metric = Listing()
    copied = accumulators.fresh(metric)
    copied.update_state(torch.ones(4, 1), torch.ones(4, 1))
    assert (metric.seen, [float(each) for each in metric.variables]) == ([], [0.0] * 4)
    assert (copied.seen, [float(each) for each in copied.variables]) == ([4], [4.0, 4.0, 4.0, 4.0])
    assert copied.net is metric.net


def test_a_subclass_that_prepares_predictions_is_added_up(rng):
    class OfOutputs(metrics.MeanIoU):
        def update_state(self, y_true, y_pred, sample_weight=None):
            super().update_state(y_true, torch.argmax(y_pred, -1), sample_weight)

    y_true, y_pred = torch.from_numpy(rng.integers(0, 3, (8, 4))), torch.from_numpy(rng.random((8, 4, 3)))
    assert OfOutputs(3)(y_true, y_pred) == metrics.MeanIoU(3, sparse_y_pred=False)(y_true, y_pred)


def test_calling_a_metric_adds_and_gives_the_result_so_far():
    metric = metrics.MeanAbsoluteError()
    assert metric([[0.0]], [[1.0]]) == 1.0
    assert metric([[0.0]], [[3.0]]) == 2.0
    assert [float(each) for each in metric.variables] == [4.0, 2.0]


@pytest.mark.parametrize("kind", ["TruePositives", "FalsePositives", "TrueNegatives", "FalseNegatives"])
def test_of_nothing_there_are_no_counts(kind):
    assert getattr(metrics, kind)().result() == 0
    assert getattr(metrics, kind)([0.1, 0.2]).result().tolist() == [0, 0]


def test_a_metric_that_defines_nothing_says_what_to_define():
    class Empty(metrics.Metric):
        pass

    with pytest.raises(HandsonError, match="Empty must define values"):
        metrics.get(Empty())


def test_a_metric_without_a_name_says_what_it_forgot():
    class Forgetful(metrics.Metric):
        def __init__(self):
            self.setting = 1

        def values(self, y_true, y_pred):
            return y_true

    with pytest.raises(HandsonError, match=r"must call super\(\).__init__"):
        metrics.get(Forgetful())
