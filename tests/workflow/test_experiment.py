"""Experiments: the round trip through YAML is exact, YAML and code build the same net, and errors name line and key."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import handson
from handson import Sequential
from handson.core.errors import HandsonError
from handson.data import Augment
from handson.faces import EXPERIMENTS
from handson.layers import Conv2D, Dense, Dropout, Flatten
from handson.losses import Huber
from handson.optimizers import SGD, Adam
from handson.workflow.experiment import Experiment

# Generated experiments

words = st.one_of(
    st.sampled_from(["y", "left_eye_x", "1e5", "1.5e3", "no", "null", "010", "flux [mag]", "a: b", "#", "größe"]),
    st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Zl", "Zp"]), min_size=1, max_size=8),
)
names = st.one_of(
    st.sampled_from(["run", "1e5", "2e1.5", "12", "1.5e3", "null", "no", "_a-b.c"]),
    st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,12}", fullmatch=True),
)
floats = st.floats(1e-8, 1e8)
fractions = st.floats(0, 1)
rates = st.one_of(floats, floats.map(lambda start: {"Cosine": {"start": start}}))
layers = st.one_of(
    st.sampled_from(["Flatten", "BatchNormalization", "MaxPooling2D", "SpatialSoftArgmax2D"]),
    st.builds(
        lambda **arguments: {"Dense": arguments},
        units=st.integers(1, 100), activation=st.sampled_from(["relu", "tanh", None]), use_bias=st.booleans(),
        kernel_initializer=st.sampled_from(["he_normal", {"RandomNormal": {"stddev": 1e-5}}]),
    ),
    st.builds(lambda rate: Dropout(rate), fractions),
    st.builds(
        lambda filters, size, strides: Conv2D(filters, size, strides=strides, padding="same", name="layer_1e5"),
        st.integers(1, 64), st.integers(1, 5), st.tuples(st.integers(1, 3), st.integers(1, 3)),
    ),
    st.builds(lambda scale: {"class": "Rescaling", "config": {"scale": scale}}, floats),
)  # fmt: skip
ranges = st.one_of(st.floats(0, 90), st.tuples(st.floats(-90, 0), st.floats(0, 90)))
augmentations = st.fixed_dictionaries(
    {},
    optional={
        "horizontal_flip": st.one_of(st.booleans(), fractions), "vertical_flip": fractions, "rotation": ranges,
        "translation": ranges, "rescaling": st.floats(1, 3), "shear": ranges, "stretch": st.floats(1, 2),
        "noise": fractions, "brightness": fractions, "contrast": st.tuples(st.floats(0.5, 1), st.floats(1, 2)),
        "keypoints": st.sampled_from([None, "auto", [("a", "b")], [(0, 1), (2, 3)]]),
        "swaps": st.sampled_from([None, [("a", "c")], [(0, 2)], []]), "value_range": st.sampled_from([None, (0, 1)]),
    },
)  # fmt: skip
optimizers = st.one_of(
    st.sampled_from(["adam", "SGD", "rmsprop"]),
    st.builds(lambda rate: {"Adam": {"learning_rate": rate, "clipnorm": 1e-5}}, rates),
    st.builds(lambda rate, momentum: SGD(rate, momentum=momentum, nesterov=True), floats, st.floats(0.1, 0.99)),
)
scalings = st.sampled_from([None, "standard", "minmax", {"shift": 48, "scale": 48.5}, {"scale": [1.0, 1e-5]}])
experiments = st.fixed_dictionaries(
    {"model": st.lists(layers, min_size=1, max_size=4)},
    optional={
        "name": names,
        "data": st.fixed_dictionaries(
            {},
            optional={
                "path": words, "targets": st.one_of(words, st.lists(words, max_size=3)), "groups": words, "ids": words,
                "inputs": st.one_of(words, st.lists(words, max_size=3)), "image": words, "classes": st.lists(words),
                "image_shape": st.lists(st.integers(1, 100), min_size=2, max_size=2), "target_names": words,
            },
        ),
        "split": st.fixed_dictionaries({}, optional={"validation": st.floats(0, 0.9), "seed": st.integers(0, 2**40)}),
        "augment": st.one_of(st.none(), augmentations, augmentations.map(lambda given: Augment(**given))),
        "compile": st.fixed_dictionaries(
            {},
            optional={
                "optimizer": optimizers, "scale_inputs": scalings, "scale_targets": scalings,
                "loss": st.one_of(st.sampled_from(["mse", "mae"]), floats.map(lambda delta: Huber(delta))),
                "metrics": st.lists(st.sampled_from(["rmse", "acc", "mae"]), max_size=2, unique=True),
            },
        ),
        "fit": st.fixed_dictionaries(
            {},
            optional={
                "epochs": st.integers(0, 1000), "batch_size": st.integers(1, 512), "seed": st.integers(0, 2**40),
                "missing": st.sampled_from(["mask", "drop"]), "shuffle": st.booleans(),
                "class_weight": st.one_of(st.none(), st.dictionaries(st.integers(0, 5), floats, max_size=3)),
                "callbacks": st.lists(st.integers(1, 99).map(lambda n: {"EarlyStopping": {"patience": n}}), max_size=2),
                "evaluate_training": st.booleans(),
            },
        ),
        "specialists": st.fixed_dictionaries(
            {},
            optional={
                "groups": st.one_of(
                    st.just("auto"), st.dictionaries(words, st.lists(words, min_size=1, max_size=3), max_size=3)
                ),
                "output": st.sampled_from(["trained", "new"]), "epochs": st.integers(1, 99),
                "patience": st.one_of(st.none(), st.integers(0, 99)), "optimizer": st.one_of(st.none(), optimizers),
            },
        ),
    },
)  # fmt: skip


@settings(deadline=None, max_examples=60)
@given(experiments)
def test_the_round_trip_through_yaml_is_exact(given):
    experiment = Experiment(**given)
    text = experiment.to_yaml()
    again = Experiment.from_yaml_text(text)
    assert again.model_dump() == experiment.model_dump()
    assert again == experiment
    assert again.to_yaml() == text


@pytest.mark.parametrize("patience", [None, 5])
def test_an_argument_that_is_none_where_that_is_not_the_default_is_kept(patience):
    experiment = Experiment(model=["Flatten"], specialists={"patience": patience})
    assert Experiment.from_yaml_text(experiment.to_yaml()).specialists.patience == patience


@pytest.mark.parametrize("name", ["1e5", "1.5e3", "12", "null", "no"])
def test_words_that_look_like_numbers_stay_words(name):
    experiment = Experiment(name=name, model=["Flatten"], data={"path": name, "targets": [name]})
    assert Experiment.from_yaml_text(experiment.to_yaml()) == experiment


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_the_built_in_experiments_are_read_and_written(name):
    experiment = Experiment.from_yaml(EXPERIMENTS[name])
    assert Experiment.from_yaml_text(experiment.to_yaml()) == experiment
    assert experiment.build().get_config()["layers"]


def test_only_what_is_not_at_its_default_is_written():
    text = Experiment(model=[{"Dense": {"units": 3, "use_bias": True}}, "Flatten"], fit={"epochs": 10}).to_yaml()
    assert text == "model:\n- Dense: {units: 3}\n- Flatten\nname: run\n"


def test_an_experiment_is_written_to_a_file_and_read_from_it(tmp_path):
    experiment = Experiment(model=["Flatten"], data={"path": "größe.csv"})
    experiment.to_yaml(tmp_path / "a.yaml")
    assert Experiment.from_yaml(tmp_path / "a.yaml") == experiment


# The same net from YAML and from code

YAML = """
name: both
augment: {rotation: 20, horizontal_flip: true}
model:
  - Conv2D: {filters: 4, kernel_size: 3, activation: relu, padding: same}
  - Flatten
  - Dropout: {rate: 0.25}
  - Dense: {units: 2, kernel_initializer: he_normal}
compile:
  optimizer: {Adam: {learning_rate: 1e-2}}
  loss: {Huber: {delta: 0.5}}
  metrics: [rmse, mae]
  scale_inputs: {shift: 0, scale: 255}
  scale_targets: standard
"""


def code_net():
    net = Sequential(
        [
            Conv2D(4, 3, activation="relu", padding="same"), Flatten(), Dropout(0.25),
            Dense(2, kernel_initializer="he_normal"),
        ],
        name="both",
    )  # fmt: skip
    net.compile(
        Adam(1e-2),
        Huber(0.5),
        metrics=["rmse", "mae"],
        scale_inputs={"shift": 0, "scale": 255},
        scale_targets="standard",
    )
    return net


def test_yaml_and_code_build_the_same_net(rng):
    x, y = rng.integers(0, 256, (20, 6, 6, 1)).astype(np.float32), rng.normal(size=(20, 2))
    nets = Experiment.from_yaml_text(YAML).build(), code_net()
    for net in nets:
        net.fit(x, y, epochs=2, seed=3, verbose=0)
    first, second = nets
    assert first.get_config() == second.get_config()
    assert first.optimizer.get_config() == second.optimizer.get_config()
    assert first.history.history == second.history.history
    for ours, theirs in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_yaml_and_code_are_the_same_experiment():
    code = Experiment(
        name="both",
        augment=Augment(rotation=20, horizontal_flip=True),
        model=[
            Conv2D(4, 3, activation="relu", padding="same"), Flatten(), Dropout(0.25),
            Dense(2, kernel_initializer="he_normal"),
        ],
        compile={
            "optimizer": Adam(1e-2), "loss": Huber(0.5), "metrics": ["rmse", "mae"],
            "scale_inputs": {"shift": 0, "scale": 255}, "scale_targets": "standard",
        },
    )  # fmt: skip
    assert code == Experiment.from_yaml_text(YAML)


def test_the_first_layer_may_say_the_shape_of_the_inputs():
    net = Experiment(model=[{"Dense": {"units": 2, "input_dim": 3}}, {"Dense": {"units": 1}}]).build()
    assert net.output_shape == (None, 1)


def test_the_seed_of_the_training_draws_the_weights_of_a_net_with_a_given_shape():
    x = np.ones((4, 3))
    experiment = Experiment(model=[{"Dense": {"units": 2, "input_dim": 3}}])
    first, second = experiment.build(), experiment.build()
    for net in (first, second):
        net.fit(x, x[:, :2], epochs=0, seed=7, verbose=0)
    np.testing.assert_array_equal(first.get_weights()[0], second.get_weights()[0])


def test_building_twice_gives_two_nets():
    experiment = Experiment(model=[Dense(2, input_dim=3)])
    assert experiment.build().layers[0] is not experiment.build().layers[0]


def test_the_augmentation_is_built():
    augment = Experiment.from_yaml_text(YAML).build_augment()
    assert (augment.rotation, augment.horizontal_flip) == ((-20, 20), 0.5)
    assert Experiment(model=["Flatten"]).build_augment() is None


def test_own_classes_are_found_when_registered(monkeypatch):
    monkeypatch.setitem(handson.core.registry._entries, "layer", dict(handson.core.registry._entries["layer"]))
    monkeypatch.setattr(handson.core.registry, "_names", dict(handson.core.registry._names))

    @handson.register
    class Doubled(handson.layers.Layer):
        def forward(self, x):
            return 2 * x

    net = Experiment.from_yaml_text("model:\n  - Doubled\n").build()
    assert net.predict(np.ones((1, 2))).tolist() == [[2, 2]]


# Data


def test_data_are_read_with_the_arguments_of_the_section(tmp_path):
    (tmp_path / "a.csv").write_text("id,a,b,y\n7,1,2,3\n8,4,5,6\n")
    experiment = Experiment(
        model=["Flatten"], data={"path": str(tmp_path / "a.csv"), "targets": "y", "ids": "id", "inputs": ["b"]}
    )
    data = experiment.read_data()
    assert (data.inputs.tolist(), data.targets.tolist(), data.ids.tolist()) == ([[2], [5]], [[3], [6]], [7, 8])


def test_another_path_can_be_read(tmp_path):
    (tmp_path / "b.csv").write_text("a,y\n1,2\n")
    experiment = Experiment(model=["Flatten"], data={"path": "nowhere.csv", "targets": "y"})
    assert experiment.read_data(tmp_path / "b.csv").targets.tolist() == [[2]]


def test_an_experiment_without_data_says_how_to_give_some():
    with pytest.raises(HandsonError, match=r"names no data: give data: \{path: ...\}, or --data on the command line"):
        Experiment(model=["Flatten"]).read_data()


# Errors: line, what is wrong, the nearest key

ERRORS = {
    "unknown section": ("model: [Flatten]\ncompil: {}\n", 2, "unknown key 'compil'. Did you mean 'compile'"),
    "unknown key": ("model: [Flatten]\nfit:\n  epoch: 3\n", 3, "unknown key 'epoch' of 'fit'. Did you mean 'epochs'"),
    "unknown key of data": ("model: [Flatten]\ndata:\n  target: y\n", 3, "unknown key 'target' of 'data'.*'targets'"),
    "no model": ("name: a\nfit: {epochs: 3}\n", 1, "the key 'model' is missing"),
    "unknown layer": ("model:\n  - Flatten\n  - Dens: {units: 3}\n", 3, "unknown layer 'Dens'. Did you mean 'dense'"),
    "unknown argument": ("model:\n  - Dense:\n      unit: 3\n", 3, "no argument 'unit'. Did you mean 'units'"),
    "missing argument": ("model:\n  - Flatten\n  - Dense\n", 3, "Dense needs the argument 'units'"),
    "wrong argument": (
        "model:\n  - Flatten\n  - Dense: {units: -3}\n", 3, "units must be a positive whole number; got -3"
    ),
    "unknown activation": (
        "model:\n  - Flatten\n  - Dense:\n      units: 3\n      activation: rleu\n", 5,
        "unknown activation 'rleu'. Did you mean 'relu'",
    ),
    "wrong argument on its own line": (
        "model:\n  - Dense:\n      use_bias: true\n      units: -3\n", 4, "units must be a positive whole number"
    ),
    "two layers in one": ("model:\n  - {Flatten: {}, Dense: {units: 3}}\n", 2, "got the keys 'Flatten', 'Dense'"),
    "arguments that are none": ("model:\n  - Flatten\n  - Dense: 3\n", 3, "dictionary of arguments; got 'Dense': 3"),
    "no list of layers": ("name: a\nmodel: Dense\n", 2, "model: .*list; got 'Dense'"),
    "no layers": ("name: a\nmodel: []\n", 2, "model"),
    "unknown optimizer": ("model: [Flatten]\ncompile:\n  optimizer: adm\n", 3, "unknown optimizer 'adm'.*'adam'"),
    "unknown argument of an optimizer": (
        "model: [Flatten]\ncompile:\n  optimizer:\n    Adam: {learning_rat: 1}\n", 4,
        "Adam has no argument 'learning_rat'. Did you mean 'learning_rate'",
    ),
    "unknown loss": ("model: [Flatten]\ncompile:\n  loss: msee\n", 3, "unknown loss 'msee'. Did you mean 'mse'"),
    "unknown metric": ("model: [Flatten]\ncompile:\n  metrics:\n  - mae\n  - acuracy\n", 5, "unknown metric 'acuracy'"),
    "unknown scaling": (
        "model: [Flatten]\ncompile:\n  scale_inputs: standrad\n", 3, "'standrad'. Did you mean 'standard'"
    ),
    "unknown key of a scaling": ("model: [Flatten]\ncompile:\n  scale_targets: {shfit: 3}\n", 3, "'shfit'"),
    "unknown callback": (
        "model: [Flatten]\nfit:\n  callbacks: [EarlyStoping]\n", 3, "unknown callback 'EarlyStoping'.*'EarlyStopping'"
    ),
    "wrong argument of a callback": (
        "model: [Flatten]\nfit:\n  callbacks:\n  - EarlyStopping: {patience: a}\n", 4, "patience.*'a'"
    ),
    "unknown engine": ("model: [Flatten]\nfit:\n  engine: warp\n", 3, "engine.*'warp'"),
    "unknown augmentation": (
        "model: [Flatten]\naugment:\n  rotations: 3\n", 3, "no argument 'rotations'. Did you mean 'rotation'"
    ),
    "wrong augmentation": (
        "model: [Flatten]\naugment:\n  rotation: a\n", 3, "rotation is a number a, for -a to a, or two.*got 'a'"
    ),
    "augmentation without a value": ("model: [Flatten]\naugment:\n  rotation:\n", 3, "rotation is a number.*got None"),
    "augmentation that is none": ("model: [Flatten]\naugment: 3\n", 2, "augment is a mapping of the arguments of Aug"),
    "no number": ("model: [Flatten]\nfit: {epochs: ten}\n", 2, "fit.epochs: .*integer.*; got 'ten'"),
    "half a number": ("model: [Flatten]\nfit: {epochs: 1.5}\n", 2, "fit.epochs: .*; got 1.5"),
    "negative": ("model: [Flatten]\nfit: {epochs: -1}\n", 2, "fit.epochs: .*greater than or equal to 0; got -1"),
    "too large": ("model: [Flatten]\nsplit: {validation: 1.5}\n", 2, "split.validation: .*less than 1; got 1.5"),
    "unknown word": ("model: [Flatten]\nfit: {missing: skip}\n", 2, "fit.missing: .*'mask' or 'drop'; got 'skip'"),
    "empty section": ("model: [Flatten]\nfit:\n", 2, "fit: .*; got None"),
    "a name with a slash": ("model: [Flatten]\nname: ../a\n", 2, r"name becomes a folder.*got '\.\./a'"),
    "a name with a space": ("model: [Flatten]\nname: a b\n", 2, "letters, digits, '_', '-' and '.'; got 'a b'"),
    "unknown key of a section": ("model: [Flatten]\nspecialists:\n  group: {}\n", 3, "unknown key 'group'.*'groups'"),
    "twice": ("model: [Flatten]\nfit: {}\nfit: {}\n", 3, "the key 'fit' is there twice"),
}  # fmt: skip


@pytest.mark.parametrize("kind", ERRORS)
def test_errors_name_the_line_what_is_wrong_and_the_nearest_key(kind):
    text, line, message = ERRORS[kind]
    with pytest.raises(HandsonError, match=rf"a.yaml, line {line}: .*{message}"):
        Experiment._from_document(handson.workflow.yaml_file.Document(text, "a.yaml"))


@pytest.mark.parametrize("kind", [kind for kind in ERRORS if kind not in ("twice",)])
def test_one_mistake_is_one_line(kind):
    with pytest.raises(HandsonError) as caught:
        Experiment.from_yaml_text(ERRORS[kind][0], "a.yaml")
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("data: {targets: 3}", "data.targets"), ("data: {inputs: {a: 1}}", "data.inputs"),
        ("specialists: {groups: 3}", "specialists.groups"), ("specialists: {groups: {a: b}}", "specialists.groups"),
        ("data: {image_shape: 96}", "data.image_shape"), ("fit: {class_weight: balanced}", "fit.class_weight"),
        ("fit: {class_weight: {star: 1}}", "fit.class_weight"), ("fit: {class_weight: [a]}", "fit.class_weight"),
    ],
)  # fmt: skip
def test_a_value_of_another_kind_is_one_error_without_the_names_of_python_types(text, label):
    with pytest.raises(HandsonError, match=rf"^a.yaml, line 2: {label}") as caught:
        Experiment.from_yaml_text(f"model: [Flatten]\n{text}\n", "a.yaml")
    assert len(str(caught.value).splitlines()) == 1
    assert "list[str]" not in str(caught.value)


def test_all_mistakes_are_listed_in_the_order_of_their_lines():
    text = "fit:\n  epochs: x\n  batch_size: y\nmodel:\n  - Dens\ncompil: {}\n"
    with pytest.raises(HandsonError) as caught:
        Experiment.from_yaml_text(text, "a.yaml")
    assert [line.split(": ")[0] for line in str(caught.value).splitlines()] == [
        "a.yaml, line 2", "a.yaml, line 3", "a.yaml, line 5", "a.yaml, line 6",
    ]  # fmt: skip


def test_a_file_that_is_not_there_is_named_with_the_nearest(tmp_path):
    (tmp_path / "faces.yaml").write_text("model: [Flatten]\n")
    with pytest.raises(FileNotFoundError, match=r"face.yaml. Did you mean 'faces.yaml'"):
        Experiment.from_yaml(tmp_path / "face.yaml")


def test_the_file_is_named(tmp_path):
    (tmp_path / "a.yaml").write_text("model: [Flaten]\n")
    with pytest.raises(HandsonError, match=rf"{tmp_path / 'a.yaml'}, line 1: .*unknown layer 'Flaten'"):
        Experiment.from_yaml(tmp_path / "a.yaml")


@pytest.mark.parametrize("name", ["../evil", "a/b", "", ".hidden", "a b", "x" * 81])
def test_a_name_is_checked_in_code_too(name):
    """It becomes a folder: '../evil' would be written outside of the runs."""
    with pytest.raises(HandsonError, match="name"):
        Experiment(name=name, model=["Flatten"])
    experiment = Experiment(model=["Flatten"])
    with pytest.raises(HandsonError, match="name"):
        experiment.name = name


def test_what_is_assigned_is_checked():
    experiment = Experiment(model=["Flatten"])
    with pytest.raises(HandsonError, match="^epochs: .* greater than or equal to 0; got -1"):
        experiment.fit.epochs = -1
    with pytest.raises(HandsonError, match="unknown engine 'egaer'. Did you mean 'eager'"):
        experiment.fit.engine = "egaer"
    with pytest.raises(HandsonError, match="^unknown key 'epoch'. Did you mean 'epochs'"):
        experiment.fit.epoch = 3
    with pytest.raises(HandsonError, match="unknown layer 'Dens'"):
        experiment.model = ["Dens"]


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({}, "^the key 'model' is missing.$"),
        ({"model": ["Dens"]}, "^model.0: unknown layer 'Dens'. Did you mean 'dense'"),
        ({"model": ["Flatten"], "modle": 1}, "^unknown key 'modle'. Did you mean 'model'"),
        ({"model": ["Flatten"], "fit": {"epochs": True}}, "^fit.epochs: expected a number; got True"),
        ({"model": ["Flatten"], "split": {"validation": True}}, "^split.validation: expected a number; got True"),
        ({"model": ["Flatten"], "fit": {"epoch": 1}}, "^unknown key 'epoch' of 'fit'. Did you mean 'epochs'"),
    ],
)
def test_mistakes_in_python_are_named_as_those_in_files(sections, message):
    with pytest.raises(HandsonError, match=message):
        Experiment(**sections)


@pytest.mark.parametrize(
    ("model", "callbacks", "message"),
    [
        ("{units: 99999999999}", "[]", "line 2: .*units is at most 2,147,483,647; got 99999999999"),
        ("{units: 3}", "[{CSVLogger: {filename: a.csv, separator: ab}}]", "line 3: .*separator is one character.*'ab'"),
    ],
)
def test_arguments_that_no_machine_can_use_are_named_with_their_line(model, callbacks, message):
    text = f"name: a\nmodel: [{{Dense: {model}}}]\nfit: {{callbacks: {callbacks}}}\n"
    with pytest.raises(HandsonError, match=message):
        Experiment.from_yaml_text(text)


def test_how_a_csv_file_is_written_is_part_of_the_experiment(tmp_path):
    (tmp_path / "a.csv").write_text("1,5;2\n2,5;3\n")
    text = (
        f"data: {{path: {tmp_path / 'a.csv'}, targets: y, csv: {{header: [a, y], decimal: ','}}}}\nmodel: [Flatten]\n"
    )
    experiment = Experiment.from_yaml_text(text)
    assert Experiment.from_yaml_text(experiment.to_yaml()) == experiment
    assert experiment.read_data().inputs.tolist() == [[1.5], [2.5]]
    with pytest.raises(HandsonError, match="line 1: .*unknown key 'seperator'. Did you mean 'separator'"):
        Experiment.from_yaml_text("data: {csv: {seperator: ';'}}\nmodel: [Flatten]\n")
