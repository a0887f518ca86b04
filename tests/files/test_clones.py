"""Nets from descriptions in JSON, and clones of nets."""

import json

import numpy as np
import pytest
from keras_files import assert_same_outputs, inputs_for

from handson import HandsonError, Model, Sequential
from handson.layers import BatchNormalization, Dense, Input
from handson.models import clone_model, model_from_config, model_from_json

pytest.importorskip("h5py")
X = np.random.default_rng(0).normal(size=(8, 3)).astype("f4")


def functional():
    a, b = Input((3,), name="a"), Input((3,), name="b")
    shared = Dense(4, activation="relu", name="shared")
    return Model([a, b], Dense(1, name="out")(shared(a) + 2 * shared(b)), name="net")


class Net(Model):
    """A subclass with a call of its own."""

    def call(self, inputs):
        return inputs


def test_clones_have_the_same_layers_and_weights_of_their_own():
    net = functional()
    clone = clone_model(net)
    assert [layer.name for layer in clone.layers] == [layer.name for layer in net.layers]
    assert not np.array_equal(clone.get_weights()[0], net.get_weights()[0])
    clone.set_weights(net.get_weights())
    assert_same_outputs(clone, net, inputs_for(net), atol=0)
    clone.layers[-1].trainable = False
    assert net.layers[-1].trainable


def test_clones_of_stacks_and_subnets():
    inner = Sequential([Dense(4, name="low", input_dim=3)], name="inner")
    net = Sequential([inner, Dense(1, kernel_constraint="non_neg")])
    clone = clone_model(net)
    assert clone.layers[0] is not inner
    assert clone.layers[0].layers[0] is not inner.layers[0]
    assert clone.count_params() == net.count_params()
    assert clone_model(Sequential([Dense(4)])).built_shape is None


def test_clone_functions_say_what_takes_the_place_of_each_layer():
    def wider(layer):
        config = layer.get_config()
        return type(layer).from_config(config | ({"units": 7} if layer.name == "shared" else {}))

    clone = clone_model(functional(), clone_function=wider)
    assert clone.get_layer("shared").units == 7
    assert clone.count_params() == 3 * 7 + 7 + 7 + 1
    inner = Sequential([Dense(4, input_dim=3)], name="inner")
    seen = []
    clone_model(Sequential([inner]), clone_function=lambda layer: seen.append(layer.name) or layer, recursive=True)
    assert seen == ["dense"]
    x = Input((3,))
    again = clone_model(functional(), input_tensors=[x, Input((3,))], call_function=lambda layer, *args: layer(*args))
    assert again.inputs[0] is x


def test_what_cannot_be_cloned_says_so():
    net = Net()
    net.predict(X)
    with pytest.raises(HandsonError, match=r"Net has a call of its own. Make another of its class"):
        clone_model(net)
    with pytest.raises(HandsonError, match="the net takes 2 inputs"):
        clone_model(functional(), input_tensors=[Input((3,))])
    with pytest.raises(HandsonError, match="recursive=True says which layers"):
        clone_model(functional(), recursive=True)


@pytest.mark.parametrize("make", [functional, lambda: Sequential([Dense(4, input_dim=3), BatchNormalization()])])
def test_nets_are_made_from_json_here_and_in_keras(make, keras):
    net = make()
    for again in (model_from_json(net.to_json(indent=1)), model_from_config(json.loads(net.to_json()))):
        assert again.count_params() == net.count_params()
        assert again.output_shape == net.output_shape
        again.set_weights(net.get_weights())
        assert_same_outputs(again, net, inputs_for(net), atol=0)
    keras_net = keras.models.model_from_json(net.to_json())
    keras_net.set_weights(net.get_weights())
    assert_same_outputs(keras_net, net, inputs_for(net))
    from_keras = model_from_json(keras_net.to_json())
    from_keras.set_weights(net.get_weights())
    assert_same_outputs(from_keras, net, inputs_for(net), atol=0)
    kind = type(net)
    assert kind.from_config(keras_net.get_config()).count_params() == net.count_params()
    assert kind.from_config(net.get_config()).count_params() == net.count_params()


def test_what_is_no_description_is_refused():
    with pytest.raises(HandsonError, match="not valid JSON"):
        model_from_json("{")
    with pytest.raises(HandsonError, match=r"model_from_config takes.*Sequential.from_config\(config\)"):
        model_from_config([{"class_name": "Dense"}])
    with pytest.raises(HandsonError, match="unknown model 'Sequental'. Did you mean 'sequential'"):
        model_from_config({"class_name": "Sequental", "config": {}})
