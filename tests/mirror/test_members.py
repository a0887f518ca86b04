"""Objects of Keras: their attributes and methods are here, with their arguments, or in a list with a reason."""

import keras_members
import keras_tree
import numpy as np
import pytest

import handson
from handson import keras as mirrored
from handson.core.errors import HandsonError
from handson.keras.missing import MEMBERS
from handson.optimizers import AdamW

TOLD = "a layer is told by the call: layer(x, training=True)"
NAMED = "the argument has another name"
# Arguments of methods that ours do not take, or take at another place.
ARGUMENTS = {
    "build": ({"var_list", "sequences_shape", "initial_state_shape"}, NAMED),
    "call": ({"training", "data", "x", "sequence", "sequences", "mask", "return_attention_scores",
              "use_causal_mask"}, TOLD),
    "compute_mask": ({"previous_mask", "_"}, NAMED),
    "compute_output_shape": ({"sequences_shape", "initial_state_shape"}, NAMED),
    "export": ({"input_signature"}, "the shapes are those that the net was built for"),
    "from_config": ({"custom_objects", "safe_mode"}, "keras.saving.custom_object_scope; no code is run"),
    "load_weights": ({"skip_mismatch"}, "by_name comes first, as in Keras 2"),
    "save_weights": ({"max_shard_size"}, "weights lie in one file"),
}  # fmt: skip


@pytest.fixture(scope="module")
def pairs(keras):
    return keras_members.made()


def test_every_attribute_and_method_is_here_or_has_a_reason(pairs):
    assert len(pairs) > 250
    missing = {place: keras_members.lacking(*pair) - MEMBERS.keys() for place, pair in pairs.items()}
    assert {place: names for place, names in missing.items() if names} == {}


def test_the_list_holds_nothing_that_is_here(pairs):
    missing = set().union(*(keras_members.lacking(*pair) for pair in pairs.values()))
    assert MEMBERS.keys() - missing == set()


def test_methods_take_the_arguments_of_keras_at_their_places(keras):
    differing = {}
    for place, kind in keras_tree.public().items():
        ours = keras_tree.ours(place)
        if not (isinstance(kind, type) and isinstance(ours, type)):
            continue
        for name, theirs_of, ours_of in keras_members.methods(kind, ours):
            if found := keras_members.differing(theirs_of, ours_of) - ARGUMENTS.get(name, (set(),))[0]:
                differing[f"{place}.{name}"] = found
    assert differing == {}


def test_what_has_no_counterpart_says_what_to_do():
    layer = handson.layers.Dense(2)
    for name, said in (("stateless_call", "functional_call"), ("quantize", "torch.ao"), ("add_metric", "compile")):
        with pytest.raises(HandsonError, match=f"Dense 'dense' has no {name}: .*{said}"):
            getattr(layer, name)()
    with pytest.raises(HandsonError, match=r"apply\(gradients, weights\)"):
        AdamW().stateless_apply([], [])


def test_weights_that_are_excluded_do_not_decay_as_in_keras(keras):
    x, ends = np.random.default_rng(0).normal(size=(16, 3)).astype("float32"), []
    for of in (keras, mirrored):
        net = of.Sequential([of.Input((3,)), of.layers.Dense(4), of.layers.Dense(1)])
        net.set_weights([np.full(weight.shape, 0.3) for weight in net.get_weights()])
        optimizer = of.optimizers.AdamW(0.05, weight_decay=0.3)
        optimizer.exclude_from_weight_decay(var_list=[net.layers[1].kernel], var_names=["bias"])
        net.compile(optimizer, "mse")
        net.fit(x, x.sum(1, keepdims=True), epochs=3, batch_size=4, shuffle=False, verbose=0)
        ends.append(net.get_weights())
    for one, two in zip(*ends, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-4, atol=1e-5)
    with pytest.raises(HandsonError, match="var_names"):
        optimizer.exclude_from_weight_decay([np.ones(2)])


def test_an_optimizers_variables_are_set_as_they_are_got(keras):
    found = []
    for of in (mirrored, keras):
        net = of.Sequential([of.Input((2,)), of.layers.Dense(1, kernel_initializer="ones")])
        optimizer = of.optimizers.SGD(0.1, use_ema=True)
        optimizer.build(net.trainable_weights)
        optimizer.set_weights([np.full(tuple(value.shape), 2.0) for value in optimizer.variables])
        optimizer.finalize_variable_values(net.trainable_weights)
        found.append((int(optimizer.iterations), float(optimizer.learning_rate), *net.get_weights()))
    for one, two in zip(*found, strict=True):
        np.testing.assert_array_equal(one, two)


def test_a_subclass_describes_how_it_is_compiled(tmp_path):
    class Rated(handson.Sequential):
        def get_compile_config(self):
            return {"what": "mae"}

        def compile_from_config(self, config):
            self.compile("sgd", config["what"])

    net = Rated([handson.layers.Dense(1, input_dim=2)])
    net.compile("sgd", "mse")
    net.save(tmp_path / "net.keras")
    again = mirrored.models.load_model(tmp_path / "net.keras", custom_objects={"Rated": Rated})
    assert type(again.loss).__name__ == "MeanAbsoluteError"
    plain = handson.Sequential([handson.layers.Dense(1, input_dim=2)])
    plain.compile("adam", "mae")
    again = handson.Sequential([handson.layers.Dense(1, input_dim=2)])
    again.compile_from_config(plain.get_compile_config())
    assert again.get_compile_config() == plain.get_compile_config()


def test_the_summary_takes_positions_and_a_range_of_layers(capsys):
    net = handson.Sequential([handson.layers.Dense(2, input_dim=2, name=name) for name in ("one", "two", "three")])
    net.summary(60, [0.5, 0.9, 1.0, 1.0], layer_range=("two", "th"))
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines if "(Dense)" in line] == ["two", "three"]
    assert lines[1].index("Output") == 30
    with pytest.raises(HandsonError, match="Did you mean 'two'"):
        net.summary(layer_range=("twoo", "three"))
    with pytest.raises(HandsonError, match="one number for each of 3 columns"):
        net.summary(positions=[0.5, 1.0])


def test_settings_are_asked_for_as_in_keras(keras):
    found = []
    for of in (keras, mirrored):
        config = of.utils.Config(rate=0.1, layers=2)
        found.append((config.get("rate"), config.get("size", 3), config.pop("layers"), config.to_json()))
    assert found[0] == found[1]
