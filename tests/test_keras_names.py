"""Every public name of Keras's optimizers, losses and the other small nouns is here, or has a reason not to be."""

import inspect

import pytest

import handson
from handson import optimizers
from handson.core import registry
from handson.core.errors import HandsonError
from handson.layers import Dense

# Keras's modules; losses, say, lie at handson.losses too.
MODULES = [
    "optimizers", "optimizers.schedules", "losses", "initializers", "activations", "regularizers", "constraints",
]  # fmt: skip
# What is not here, and why.
ABSENT = {
    "optimizers.legacy": "Keras's own refer to versions that Keras 3 no longer has",
    "optimizers.MultiOptimizer": "one optimizer for each part of a net: train the parts one after the other",
    "optimizers.OptimizerMap": "belongs to MultiOptimizer",
    "optimizers.ScheduleFreeAdamW": "its weights in training are not those to evaluate; AdamW with use_ema=True",
}
REFUSED = ["optimizers.LossScaleOptimizer", "initializers.STFT"]


def found(root, path):
    for name in path.split("."):
        root = getattr(root, name)
    return root


@pytest.mark.parametrize("module", MODULES)
def test_every_name_of_keras_is_here_or_has_a_reason(keras, module):
    ours, names = found(handson, module), [name for name in dir(found(keras, module)) if not name.startswith("_")]
    missing = {f"{module}.{name}" for name in names if not hasattr(ours, name)}
    assert missing == {name for name in ABSENT if name.rpartition(".")[0] == module}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_says_what_to_do(name):
    with pytest.raises(HandsonError, match=r"handson .*(Use|Compute)"):
        found(handson, name)()


@pytest.mark.parametrize("kind", ["optimizer", "schedule", "loss", "initializer", "regularizer", "constraint"])
def test_every_noun_has_a_docstring_with_an_example(kind):
    for name in registry.known(kind):
        noun = registry.find(kind, name)
        assert inspect.getdoc(noun), name
        assert ">>>" in noun.__doc__, name


@pytest.mark.parametrize("kind", ["optimizer", "initializer", "regularizer", "constraint", "loss"])
def test_every_noun_is_made_again_from_its_description(kind):
    module = __import__(registry.HOMES[kind], fromlist=["get"])
    for name in registry.known(kind):
        made = registry.find(kind, name)()
        again = module.deserialize(module.serialize(made))
        assert type(again) is type(made)
        assert again.get_config() == made.get_config()


def test_every_optimizer_of_ours_can_be_recorded():
    assert all(vars(registry.find("optimizer", name)).get("recordable") for name in registry.known("optimizer"))


@pytest.mark.parametrize("name", registry.known("optimizer"))
def test_a_net_trained_with_any_optimizer_is_saved_and_goes_on(tmp_path, rng, name):
    x, y = rng.normal(size=(24, 3)).astype("float32"), rng.normal(size=(24, 2)).astype("float32")

    def fitted(net, epochs):
        net.fit(x, y, batch_size=8, epochs=epochs, shuffle=False, verbose=0)
        return net

    def fresh():
        net = handson.Sequential([Dense(4, activation="tanh", input_dim=3), Dense(2)], seed=0)
        net.compile(getattr(optimizers, name)(0.01, gradient_accumulation_steps=2, use_ema=True), "mse")
        return net

    fitted(fresh(), 1).save(tmp_path / "net.handson")
    again = handson.load(tmp_path / "net.handson")
    assert again.optimizer.iterations == 3
    # Fitting ends with the averaged weights, in both.
    whole, parts = fitted(fitted(fresh(), 1), 1), fitted(again, 1)
    for expected, got in zip(whole.get_weights(), parts.get_weights(), strict=True):
        assert (expected == got).all()
