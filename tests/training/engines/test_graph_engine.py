"""The engine `graph`: on a GPU with graphs, else with recorded operations that are run again on the same memory."""

import interrupted
import numpy as np
import pytest
import torch
from changes import Change, clip, drop_more, freeze, heavier, slower
from conformance import MORE_OPTIMIZERS, OPTIMIZERS, check_against_reference, jobs
from hypothesis import given, settings
from tape import PlainRecorder, TapeRecorder
from torch import nn

import handson
from handson.callbacks import Callback
from handson.core.errors import HandsonError
from handson.data import Augment
from handson.layers import (
    LSTM,
    Activation,
    AveragePooling2D,
    BatchNormalization,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    LayerNormalization,
    MaxPooling2D,
    Reshape,
    SpatialDropout2D,
)
from handson.optimizers import SGD, Adafactor, Adam, Adamax, Ftrl, Lamb, Lion, Muon, Nadam, Optimizer
from handson.schedules import LinearRamp, OneCycle, Position
from handson.training.engines.recorded import engine as graph
from handson.training.preparation.job import Job

ON_GPU = torch.cuda.is_available()
needs_gpu = pytest.mark.skipif(not ON_GPU, reason="needs a GPU")
needs_tape = pytest.mark.skipif(ON_GPU, reason="looks at the operations that were recorded on a CPU")


@pytest.fixture(autouse=True, scope="module")
def _tape():
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(graph.RECORDERS, "cpu", TapeRecorder)
        yield


@pytest.fixture
def plain(monkeypatch):
    """The step itself runs every time."""
    monkeypatch.setitem(graph.RECORDERS, "cpu", PlainRecorder)


@settings(deadline=None, max_examples=100)
@given(job=jobs(OPTIMIZERS | MORE_OPTIMIZERS))
def test_it_gives_the_numbers_of_the_reference(job):
    check_against_reference("graph", **job)


# Nets and augmentations

AUGMENTED = {
    "moved": Augment(rotation=20, translation=2, rescaling=1.2, horizontal_flip=True, keypoints=[(0, 1)], swaps=[]),
    "mirrored": Augment(horizontal_flip=True, vertical_flip=0.3, keypoints=[(0, 1)], swaps=[(0, 2)]),
    "shaded": Augment(noise=0.1, brightness=0.2, contrast=1.3, keypoints=None),
}
NETS = {
    "lecture": lambda: [Conv2D(4, 3, activation="relu"), MaxPooling2D(), Dropout(0.3), Flatten(), Dense(6),
                        Dropout(0.2, seed=3), Dense(3)],
    "normalized": lambda: [Conv2D(4, 3, padding="same"), BatchNormalization(), Activation("relu"), MaxPooling2D(),
                           SpatialDropout2D(0.2), Flatten(), Dense(3)],
    "penalized": lambda: [Conv2D(3, 2, strides=2, kernel_regularizer="l2"), AveragePooling2D(padding="same"),
                          Flatten(), LayerNormalization(), Dense(3, kernel_regularizer="l1")],
    "recurrent": lambda: [Reshape((9, 9)), LSTM(4, dropout=0.2, recurrent_dropout=0.3, return_sequences=True),
                          LSTM(3, dropout=0.1), Dense(3)],
    "constrained": lambda: [Conv2D(3, 3, kernel_constraint="unit_norm", bias_constraint="non_neg"), Flatten(),
                            Dense(3, kernel_constraint="max_norm")],
    "frozen": lambda: [Conv2D(4, 3, trainable=False), BatchNormalization(trainable=False), Flatten(), Dense(3)],
}  # fmt: skip


def images(rng, rows=29):
    x, y = rng.random((rows, 9, 9, 1)).astype(np.float32), rng.uniform(0, 9, size=(rows, 3)).astype(np.float32)
    y[rng.random(y.shape) < 0.1] = np.nan
    return x, y


def fitted(engine, data, layers="lecture", optimizer=None, epochs=3, callbacks=(), precision="float32", **arguments):
    net = handson.Sequential(NETS[layers](), seed=1)
    net.compile(
        optimizer or SGD(LinearRamp(0.03, 0.001), momentum=0.9), "mse", metrics=["mae", "rmse"], precision=precision
    )
    given = {"batch_size": 8, "verbose": 0, "seed": 5, "engine": engine, "callbacks": list(callbacks), **arguments}
    return net, net.fit(*data, epochs=epochs, **given).history


def check_close(ours, theirs):
    for a, b in zip(ours[0].get_weights(), theirs[0].get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=2e-5)
    for name, values in ours[1].items():
        np.testing.assert_allclose(values, theirs[1][name], rtol=1e-4)


def check_same(ours, theirs):
    assert all(np.array_equal(a, b) for a, b in zip(ours[0].get_weights(), theirs[0].get_weights(), strict=True))
    assert ours[1] == theirs[1]


@pytest.mark.parametrize("layers", NETS)
def test_all_kinds_of_layers_are_those_of_the_reference(rng, layers):
    data = images(rng)
    check_close(*(fitted(engine, data, layers) for engine in ("graph", "eager")))


@pytest.mark.parametrize("augment", AUGMENTED)
def test_every_epoch_has_the_augmentation_of_the_reference(rng, augment):
    data = images(rng)
    check_close(*(fitted(engine, data, augment=AUGMENTED[augment]) for engine in ("graph", "eager")))


MORE_OF_KERAS = {
    "Adamax": lambda: Adamax(OneCycle(0.01), use_ema=True),
    "Nadam": lambda: Nadam(LinearRamp(0.01, 0.001)),
    "Lamb": lambda: Lamb(0.01, weight_decay=0.1),
    "Lion": lambda: Lion(LinearRamp(0.001, 0.0001)),
    "Adafactor": lambda: Adafactor(OneCycle(0.1), clipnorm=1.0),
    "Ftrl": lambda: Ftrl(LinearRamp(0.05, 0.01), l1_regularization_strength=0.01),
    "Muon": lambda: Muon(OneCycle(0.01)),
}


@pytest.mark.parametrize("name", MORE_OF_KERAS)
def test_all_optimizers_are_those_of_the_reference(rng, name):
    data = images(rng)
    check_close(*(fitted(engine, data, "lecture", MORE_OF_KERAS[name]()) for engine in ("graph", "eager")))


def test_constraints_are_part_of_a_recorded_step(rng):
    data = images(rng)
    ours, theirs = (fitted(engine, data, "constrained") for engine in ("graph", "eager"))
    check_close(ours, theirs)
    assert (ours[0].get_weights()[1] >= 0).all()


def test_rows_in_their_own_order_with_weights(rng):
    data = images(rng)
    weights = rng.uniform(0, 2, len(data[0]))
    check_close(*(fitted(e, data, shuffle=False, sample_weight=weights) for e in ("graph", "eager")))


def test_rows_of_integers(rng):
    x, y = images(rng)
    data = (255 * x).astype(np.uint8), y
    check_close(*(fitted(e, data, optimizer=SGD(1e-6)) for e in ("graph", "eager")))


def test_in_bfloat16_too(rng):
    data = images(rng)
    ours, theirs = (fitted(e, data, "normalized", precision="bfloat16") for e in ("graph", "eager"))
    for a, b in zip(ours[0].get_weights(), theirs[0].get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=0.02, atol=2e-3)
    check_same(fitted("graph", data, "normalized", precision="bfloat16"), ours)


# The same again


class EveryStep(Callback):
    def on_train_batch_end(self, batch, logs=None):
        pass


def test_it_repeats_itself_exactly_however_its_steps_are_cut(rng, monkeypatch):
    data, augment = images(rng), AUGMENTED["moved"]
    first = fitted("graph", data, augment=augment)
    check_same(fitted("graph", data, augment=augment), first)
    check_same(fitted("graph", data, augment=augment, callbacks=[EveryStep()]), first)
    monkeypatch.setattr(graph, "CAPACITY", 2)
    check_same(fitted("graph", data, augment=augment), first)


def test_a_second_fit_goes_on_as_the_reference_does(rng):
    data, found = images(rng), []
    for engine in ("graph", "eager"):
        net, _ = fitted(engine, data, optimizer=Adam(OneCycle(0.01)), epochs=1)
        history = net.fit(*data, batch_size=16, epochs=2, verbose=0, engine=engine).history
        found.append((net, history))
    check_close(*found)


@pytest.mark.parametrize("plan", [[(0, 0)], [(1, 2)], [(1, 3)], [(0, 3), (2, 1)]])
def test_it_goes_on_exactly_where_it_was_stopped(tmp_path, plan):
    interrupted.check_equal(tmp_path, plan, engine="graph")


def test_a_convolutional_net_with_adam_goes_on_exactly(tmp_path, rng):
    x, y = images(rng)
    job = {
        "make": lambda: handson.Sequential(NETS["normalized"]()),
        "optimizer": lambda: Adam(0.01, use_ema=True, amsgrad=True),
        "data": (x, y),
    }
    whole = interrupted.everything(*interrupted.train(tmp_path / "whole", engine="graph", **job), x=x)
    result, calls = interrupted.until_done(tmp_path / "cut", [(0, 1), (1, 2)], engine="graph", **job)
    assert calls == 3
    assert interrupted.everything(*result, x=x) == whole


# What is recorded, and when


@needs_tape
def test_nothing_of_the_host_is_left_in_a_recorded_step(rng, plain):
    data, augment = images(rng), AUGMENTED["moved"]
    made = fitted("graph", data, augment=augment, optimizer=Adam(OneCycle(0.01)))
    graph.RECORDERS["cpu"] = TapeRecorder
    check_same(fitted("graph", data, augment=augment, optimizer=Adam(OneCycle(0.01))), made)


@needs_tape
@pytest.mark.parametrize(("rows", "tapes"), [(29, 2), (32, 1), (5, 1)])
def test_a_schedule_needs_no_new_graph_and_a_ragged_batch_one_of_its_own(rng, rows, tapes):
    optimizer = SGD(OneCycle(0.01), momentum=LinearRamp(0.5, 0.9), nesterov=True)
    fitted("graph", images(rng, rows), optimizer=optimizer, callbacks=[EveryStep()])
    assert len(TapeRecorder.tapes) == tapes


@pytest.mark.parametrize(("change", "tapes"), [(slower, 1), (heavier, 1), (drop_more, 2), (freeze, 2), (clip, 2)])
def test_what_a_callback_changes_has_its_effect(rng, change, tapes):
    data = images(rng, 32)
    check_close(*(fitted(engine, data, callbacks=[Change(change)]) for engine in ("graph", "eager")))
    if not ON_GPU:
        fitted("graph", data, callbacks=[Change(change)])
        assert len(TapeRecorder.tapes) == tapes


def test_who_looks_at_a_layer_sees_every_step(rng):
    data, seen = images(rng, 32), []

    def look(net):
        net.layers[0].register_forward_hook(lambda layer, inputs, output: seen.append(float(output.detach().sum())))

    expected = fitted("eager", data, callbacks=[Change(look)])
    looked, seen = seen, []
    check_close(fitted("graph", data, callbacks=[Change(look)]), expected)
    np.testing.assert_allclose(seen, looked, rtol=1e-3)
    assert len(seen) == 8


def test_a_loss_that_is_not_a_number_is_found_in_its_layer(rng):
    with pytest.raises(
        handson.core.errors.TrainingError, match=r"it began in epoch \d, step \d+, in '(conv2d|dense)_\d'"
    ):
        fitted("graph", images(rng), optimizer=SGD(1e12))


# What cannot be recorded


class Halved(Optimizer):
    def update(self, weights, gradients, slots, rate, position):
        torch._foreach_add_(weights, gradients, alpha=-rate / 2)


@pytest.mark.parametrize(
    ("layers", "optimizer", "augment", "obstacle"),
    [
        ([nn.Linear(3, 2), Dense(1)], "sgd", None, "the module linear.module, which is not handson's"),
        ([Dense(1)], Halved(), None, "the optimizer Halved"),
        ([Dense(1)], "sgd", lambda x, y: (x, y), "an augmentation that is not handson's"),
    ],
)
def test_what_it_cannot_run_is_refused_with_the_reason(layers, optimizer, augment, obstacle):
    net = handson.Sequential(layers)
    net.compile(optimizer, "mse")
    with pytest.raises(HandsonError, match=f"'graph' cannot run this training: it does not support {obstacle}"):
        net.fit(np.ones((10, 3)), np.ones(10), verbose=0, engine="graph", augment=augment)


def test_data_elsewhere_is_refused():
    job = Job(handson.Sequential(), torch.device("cpu"))
    job.batches.inputs = [torch.empty(3, device="meta")]
    assert graph.Graph.obstacle(job) == "data on the device meta"


@needs_tape
def test_a_cpu_is_refused(monkeypatch):
    monkeypatch.delitem(graph.RECORDERS, "cpu")
    net = handson.Sequential([Dense(1)])
    net.compile("sgd", "mse")
    with pytest.raises(HandsonError, match="'graph' cannot run this training: it does not support the device cpu"):
        net.fit(np.ones((10, 3)), np.ones(10), verbose=0, engine="graph")


def test_what_stops_at_the_host_is_named_and_changes_nothing(rng):
    def loss(y_true, y_pred):
        return (y_true - y_pred) ** 2 * float(y_pred.detach().abs().mean())

    net = handson.Sequential([Dense(4), BatchNormalization(), Dense(1)], seed=0)
    net.compile("adam", loss)
    net.build((None, 3))
    before = net.get_weights()
    with pytest.raises(HandsonError, match=r"cannot record a step of this training: .*capturing.*engine='eager' runs"):
        net.fit(np.ones((10, 3)), np.ones(10), verbose=0, engine="graph")
    assert all(np.array_equal(a, b) for a, b in zip(before, net.get_weights(), strict=True))


def test_the_numbers_of_adam_hold_its_corrections():
    optimizer = Adam(0.5, beta_1=0.9, beta_2=0.99, weight_decay=0.1, use_ema=True)
    first = optimizer.numbers(Position(iteration=0))
    later = optimizer.numbers(Position(iteration=9))
    assert first == pytest.approx({"rate": 0.5, "share": 1.0, "root": 0.1, "bias": 0.1})
    assert later == pytest.approx({"rate": 0.5, "share": 0.01, "root": (1 - 0.99**10) ** 0.5, "bias": 1 - 0.9**10})


@pytest.mark.parametrize("amsgrad", [False, True])
def test_adam_takes_gradients_however_they_lie_in_memory(amsgrad):
    found = []
    for recorded in (False, True):
        optimizer, weight = Adam(0.1, amsgrad=amsgrad), torch.zeros(4, 3)
        optimizer.bind(["kernel"], [weight])
        for step in range(3):
            position, gradient = Position(iteration=step), torch.arange(-5.0, 7.0).view(3, 4).t() * (2 - step)
            if recorded:
                held = {name: torch.tensor(number) for name, number in optimizer.numbers(position).items()}
                optimizer.take(["kernel"], [weight], [gradient], held)
                optimizer.iterations += 1
            else:
                optimizer.step(["kernel"], [weight], [gradient], position)
        found.append(weight.numpy())
    np.testing.assert_allclose(found[1], found[0], rtol=1e-5)


# On a GPU only


@needs_gpu
def test_recording_again_gives_the_bits_of_the_first(rng):
    data = images(rng, 150)
    first = fitted("graph", data, "normalized", Adam(OneCycle(0.01)), epochs=10)
    check_same(fitted("graph", data, "normalized", Adam(OneCycle(0.01)), epochs=10), first)


@needs_gpu
def test_replayed_steps_are_those_of_the_reference_on_the_gpu(rng):
    data = images(rng, 150)
    check_close(*(fitted(e, data, optimizer=SGD(LinearRamp(0.03, 0.001), 0.9), epochs=10) for e in ("graph", "eager")))


@needs_gpu
def test_a_schedule_needs_no_new_graph_on_the_gpu(rng, monkeypatch):
    recorded = []
    record = graph.CudaRecorder.record
    monkeypatch.setattr(graph.CudaRecorder, "record", lambda *given: recorded.append(1) or record(*given))
    fitted("graph", images(rng), optimizer=SGD(OneCycle(0.01), momentum=LinearRamp(0.5, 0.9)), callbacks=[EveryStep()])
    assert len(recorded) == 2
