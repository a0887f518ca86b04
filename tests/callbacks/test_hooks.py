"""When callbacks are called and with what, against Keras; and methods that would never be called."""

import numpy as np
import pytest

from handson import Model, Sequential, callbacks
from handson.callbacks.calls import HOOKS
from handson.core.errors import HandsonError
from handson.layers import Dense

OF_KERAS = [name for name in HOOKS if name not in ("on_look", "on_look_inside")]


def recorder(base, calls, hooks=OF_KERAS):
    """A callback that notes every call: the hook, its number and the names of its logs."""

    def note(hook):
        def call(self, *arguments, **named):
            *number, logs = *arguments, *named.values()
            calls.append((hook, *number, sorted(logs or {})))

        return call

    return type("Recorder", (base,), {hook: note(hook) for hook in hooks})()


def net(**compiled):
    model = Sequential([Dense(4, activation="relu", input_dim=3), Dense(1)], seed=0)
    model.compile("sgd", "mse", **{"metrics": ["mae"], **compiled})
    return model


def data(rows=70):
    x = np.random.default_rng(0).normal(size=(rows, 3)).astype(np.float32)
    return x, x.sum(1, keepdims=True)


def job(model, callback):
    x, y = data()
    model.fit(
        x, y, epochs=2, batch_size=32, verbose=0, callbacks=[callback], validation_data=(x[:40], y[:40]),
        validation_freq=2, shuffle=False,
    )  # fmt: skip
    model.evaluate(x, y, verbose=0, callbacks=[callback])
    model.predict(x, verbose=0, callbacks=[callback])


@pytest.mark.parametrize("without", [[], ["on_train_batch_begin", "on_train_batch_end"]])
def test_hooks_are_called_in_keras_order_with_keras_arguments(keras, without):
    """Without `on_train_batch_...` of its own a callback is called by the older names."""
    hooks = [name for name in OF_KERAS if name not in without]
    ours, theirs = [], []
    job(net(), recorder(callbacks.Callback, ours, hooks))
    other = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4), keras.layers.Dense(1)])
    other.compile("sgd", "mse", metrics=["mae"])
    job(other, recorder(keras.callbacks.Callback, theirs, hooks))
    assert ours == theirs
    assert ("on_test_batch_end", 1, ["loss", "mae"]) in ours


@pytest.mark.parametrize("hook", OF_KERAS)
def test_every_hook_is_called_alone_as_beside_the_others(hook):
    every, alone = [], []
    hidden = {"on_batch_begin": "on_train_batch_begin", "on_batch_end": "on_train_batch_end"}.get(hook)
    job(net(), recorder(callbacks.Callback, every, [name for name in OF_KERAS if name != hidden]))
    job(net(), recorder(callbacks.Callback, alone, [hook]))
    batches = ("on_test_batch_begin", "on_test_batch_end", "on_predict_batch_begin", "on_predict_batch_end")
    assert alone
    if hook not in batches:
        assert alone == [call for call in every if call[0] == hook]


def test_batches_of_an_evaluation_add_up_and_outputs_are_those_of_predict():
    x, y = data()
    model, logs, outputs = net(), [], []

    class Keep(callbacks.Callback):
        def on_test_batch_end(self, batch, logs=None):
            logs_of_test.append(logs)

        def on_predict_batch_end(self, batch, logs=None):
            outputs.append(logs["outputs"])

    logs_of_test = logs
    weights = np.random.default_rng(1).uniform(size=70)
    with_hooks = model.evaluate(x, y, batch_size=20, sample_weight=weights, return_dict=True, callbacks=Keep())
    assert with_hooks == pytest.approx(model.evaluate(x, y, sample_weight=weights, return_dict=True), rel=1e-5)
    assert len(logs) == 4
    assert logs[-1] == with_hooks
    first = model.evaluate(x[:20], y[:20], sample_weight=weights[:20], return_dict=True)
    assert logs[0] == pytest.approx(first, rel=1e-5)
    predicted = model.predict(x, batch_size=20, callbacks=Keep())
    np.testing.assert_array_equal(np.concatenate(outputs), predicted)
    np.testing.assert_allclose(predicted, model.predict(x), rtol=1e-5, atol=1e-6)


def test_a_callback_that_asks_for_batches_of_the_validation_changes_no_number():
    x, y = data()
    calls = []
    plain = net().fit(x, y, epochs=2, verbose=0, validation_split=0.4)
    asking = recorder(callbacks.Callback, calls, ["on_test_batch_end"])
    asked = net().fit(x, y, epochs=2, verbose=0, validation_split=0.4, callbacks=asking)
    for name, values in plain.history.items():
        np.testing.assert_allclose(asked.history[name], values, rtol=1e-5)
    assert len(calls) == 2


@pytest.mark.parametrize(
    ("name", "near"), [("on_epoch_ends", "'on_epoch_end'"), ("on_training_begin", "'on_train_begin'"),
                       ("on_validation_end", "There are: on_train_begin"), ("on_tests_end", "'on_test_end'")],
)  # fmt: skip
@pytest.mark.parametrize("verb", ["fit", "evaluate", "predict"])
def test_methods_that_would_never_be_called_are_refused(name, near, verb):
    x, y = data()
    mine = type("Mine", (callbacks.Callback,), {name: lambda self, *arguments: None})
    with pytest.raises(HandsonError, match=f"Mine.{name} would never be called.*{near}"):
        getattr(net(), verb)(x, *([] if verb == "predict" else [y]), verbose=0, callbacks=[mine()])
    instance = callbacks.Callback()
    setattr(instance, name, lambda *arguments: None)
    with pytest.raises(HandsonError, match=f"Callback.{name} would never be called"):
        net().fit(x, y, verbose=0, callbacks=instance)


def test_attributes_that_are_no_methods_may_begin_with_on():
    class Mine(callbacks.Callback):
        on_gpu = False

    x, y = data()
    assert net().fit(x, y, verbose=0, callbacks=[Mine()]).epoch == [0]


@pytest.mark.parametrize("wrap", [lambda one: one, lambda one: [one], lambda one: (one,)])
def test_one_callback_needs_no_list(wrap):
    x, y = data()
    calls = []
    net().fit(x, y, verbose=0, callbacks=wrap(recorder(callbacks.Callback, calls, ["on_train_begin"])))
    assert len(calls) == 1
    with pytest.raises(HandsonError, match=r"callbacks are objects of handson\.callbacks; got 'EarlyStopping'"):
        net().fit(x, y, verbose=0, callbacks="EarlyStopping")


@pytest.mark.parametrize("intervals", [(2, 3), (1, 4), (4, 6)])
def test_intervals_of_several_callbacks_do_not_hide_each_other(intervals):
    class Every(callbacks.Callback):
        def __init__(self, interval):
            self.interval, self.steps = interval, []

        @property
        def step_interval(self):
            return self.interval

        def on_train_batch_end(self, batch, logs=None):
            self.steps.append(batch + 1)

    x, y = data(65)
    several = [Every(interval) for interval in intervals]
    net().fit(x, y, batch_size=5, verbose=0, callbacks=several)
    for one in several:
        assert one.steps == list(range(one.interval, 14, one.interval))


@pytest.mark.parametrize("hook", OF_KERAS)
def test_lambda_callback_knows_every_hook(hook):
    calls = []
    job(net(), callbacks.LambdaCallback(**{hook: lambda *arguments: calls.append(len(arguments))}))
    expected = []
    job(net(), recorder(callbacks.Callback, expected, [hook]))
    assert calls == [len(call) - 1 for call in expected] != []


def test_lambda_callback_refuses_what_is_no_function():
    with pytest.raises(TypeError, match="no argument 'on_epochs_end'.* Did you mean 'on_epoch_end'"):
        callbacks.LambdaCallback(on_epochs_end=print)
    with pytest.raises(HandsonError, match="on_epoch_end is a function; got 3"):
        callbacks.LambdaCallback(on_epoch_end=3)


@pytest.mark.parametrize(
    ("step", "verb"), [("train_step", "fit"), ("test_step", "evaluate"), ("compute_loss", "fit"),
                       ("predict_step", "predict"), ("train_step", "train_on_batch")],
)  # fmt: skip
@pytest.mark.parametrize("base", [Sequential, Model])
def test_steps_of_a_subclass_are_called(step, verb, base):
    class Called(Exception):
        pass

    def own(self, *args, **kwargs):
        raise Called

    import torch

    made = [Dense(1, input_dim=3)] if base is Sequential else torch.nn.Linear(3, 1)
    model = type("Mine", (base,), {step: own})(made)
    model.compile("sgd", "mse")
    x, y = data()
    with pytest.raises(Called):
        getattr(model, verb)(*((x,) if verb == "predict" else (x, y)))


# What is called wrongly is said before the first step


@pytest.mark.parametrize("hook", OF_KERAS)
def test_hooks_that_do_not_take_what_they_are_called_with_are_refused(hook):
    x, y = data()
    for mine in (
        type("Mine", (callbacks.Callback,), {hook: lambda self: None})(),
        callbacks.LambdaCallback(**{hook: lambda: None}),
    ):
        with pytest.raises(HandsonError, match=rf"{hook} cannot be called with \(.*logs\): too many"):
            net().fit(x, y, verbose=0, callbacks=mine)


def test_hooks_of_which_a_call_runs_nothing_are_refused():
    class Late(callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            yield epoch

    class Later(callbacks.Callback):
        async def on_epoch_end(self, epoch, logs=None):
            """Never awaited."""

    for mine in (Late(), Later()):
        with pytest.raises(HandsonError, match=r"on_epoch_end cannot be .*a call runs nothing of it"):
            net().fit(*data(), verbose=0, callbacks=mine)


def test_a_schedule_of_nothing_is_refused():
    with pytest.raises(HandsonError, match="a function of \\(epoch, rate\\) or of the epoch: too many positional"):
        callbacks.LearningRateScheduler(lambda: 0.1)


def test_a_schedule_gets_what_it_takes_by_position():
    rates = callbacks.LearningRateScheduler(lambda epoch, *, first=0.5: first / 2**epoch)
    history = net().fit(*data(), epochs=2, verbose=0, callbacks=rates).history
    assert history["learning_rate"] == pytest.approx([0.5, 0.25])


def test_who_stops_at_a_batch_stops_there_as_in_keras(keras):
    def batches(model, base):
        seen = []

        class Stop(base):
            def on_train_batch_end(self, batch, logs=None):
                seen.append(batch)
                self.model.stop_training = batch >= 1

        history = model.fit(*data(), batch_size=10, epochs=3, verbose=0, callbacks=[Stop()]).history
        return seen, list(map(len, history.values()))

    theirs = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    theirs.compile("sgd", "mse", metrics=["mae"])
    expected = batches(theirs, keras.callbacks.Callback)
    assert batches(net(), callbacks.Callback) == expected == ([0, 1], [1, 1])
