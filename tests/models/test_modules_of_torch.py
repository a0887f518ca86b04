"""Modules of PyTorch in the shapes that timm, torchvision and transformers give theirs, trained and saved."""

from collections import OrderedDict
from dataclasses import dataclass, fields

import numpy as np
import pytest
import torch
from torch import nn

from handson import Model
from handson.core.errors import HandsonError
from handson.layers import Dense
from handson.losses import SparseCategoricalCrossentropy

WORDS, LENGTH, WIDTH = 20, 6, 8


@dataclass
class Output(OrderedDict):
    """As the outputs of transformers: attributes that are entries of a dictionary too, without those that are None."""

    loss: torch.Tensor = None
    logits: torch.Tensor = None

    def __post_init__(self):
        for field in fields(self):
            if getattr(self, field.name) is not None:
                self[field.name] = getattr(self, field.name)


class Reader(nn.Module):
    """Reads words by name, with a mask that may be left out."""

    def __init__(self, outputs=2):
        super().__init__()
        self.words = nn.Embedding(WORDS, WIDTH)
        self.block = nn.Linear(WIDTH, WIDTH)
        self.classifier = nn.Linear(WIDTH, outputs)

    def forward(self, input_ids=None, attention_mask=None, labels=None):
        weights = torch.ones_like(input_ids) if attention_mask is None else attention_mask
        weights = weights.to(torch.float32)[..., None]
        read = (self.block(self.words(input_ids)) * weights).sum(1) / weights.sum(1)
        return Output(logits=self.classifier(read))


class Tied(nn.Module):
    """Guesses words with the weights that it reads them with."""

    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(WORDS, WIDTH)
        self.guess = nn.Linear(WIDTH, WORDS)
        self.guess.weight = self.words.weight

    def forward(self, input_ids):
        return {"logits": self.guess(self.words(input_ids).relu())}


class Image(nn.Module):
    """Of two images and a number, two outputs in a tuple."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU())
        self.head = nn.Linear(5, 1)

    def forward(self, image, number, scale=1.0):
        features = self.features(image).mean((2, 3)) * scale
        return self.head(torch.cat([features, number], 1)), features


@pytest.fixture
def words(rng):
    ids = rng.integers(1, WORDS, (40, LENGTH))
    mask = (np.arange(LENGTH) < rng.integers(1, LENGTH + 1, (40, 1))).astype(int)
    return {"input_ids": ids, "attention_mask": mask}, (ids[:, 0] > WORDS // 2).astype(int)


def classifier(module):
    net = Model(module, seed=1)
    net.compile("adam", SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    return net


def seeded(build, *arguments):
    torch.manual_seed(0)
    return build(*arguments)


def test_inputs_go_in_by_name_and_outputs_come_out_by_name(words):
    x, y = words
    module = seeded(Reader)
    net = classifier(module)
    history = net.fit(x, y, epochs=12, batch_size=10, verbose=0).history
    assert history["loss"][-1] < history["loss"][0]
    found = net.predict(x)
    expected = module(**{name: torch.tensor(value) for name, value in x.items()})
    np.testing.assert_allclose(found["logits"], expected.logits.detach(), atol=1e-6)
    assert net.output_names == ["logits"]
    assert net.evaluate(x, y, return_dict=True).keys() == {"loss", "accuracy"}
    only = {"input_ids": x["input_ids"]}
    np.testing.assert_allclose(
        classifier(module).predict(only)["logits"], module(torch.tensor(only["input_ids"])).logits.detach()
    )


def test_training_takes_the_steps_of_torch(words):
    x, y = words
    ours, theirs = seeded(Reader), seeded(Reader)
    net = Model(ours, seed=1)
    net.compile("sgd", SparseCategoricalCrossentropy(from_logits=True))
    net.fit(x, y, epochs=3, batch_size=40, verbose=0)
    optimizer = torch.optim.SGD(theirs.parameters(), lr=0.01)
    for _ in range(3):
        optimizer.zero_grad()
        given = {name: torch.tensor(value) for name, value in x.items()}
        nn.functional.cross_entropy(theirs(**given).logits, torch.tensor(y)).backward()
        optimizer.step()
    for one, two in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(one, two)


def test_what_is_frozen_before_stays_so(words):
    x, y = words
    module = seeded(Reader)
    module.words.requires_grad_(False)
    before, block = module.words.weight.clone(), module.block.weight.clone()
    classifier(module).fit(x, y, verbose=0)
    assert torch.equal(module.words.weight, before)
    assert not torch.equal(module.block.weight, block)


@pytest.mark.parametrize("file", ["net.safetensors", "net.weights.h5"])
def test_tied_weights_stay_tied_and_go_through_files(words, tmp_path, file):
    ids = words[0]["input_ids"]
    net = classifier(seeded(Tied))
    net.fit(ids, ids, epochs=2, verbose=0)
    assert net.module.guess.weight is net.module.words.weight
    assert len(net.get_weights()) == 2
    net.save_weights(tmp_path / file)
    other = classifier(Tied())
    other.load_weights(tmp_path / file)
    assert other.module.guess.weight is other.module.words.weight
    np.testing.assert_array_equal(other.predict(ids)["logits"], net.predict(ids)["logits"])


def test_inputs_in_a_list_are_arguments_in_order(rng):
    images, numbers = rng.normal(size=(20, 1, 6, 6)).astype("float32"), rng.normal(size=(20, 1)).astype("float32")
    net = Model(seeded(Image), seed=1)
    net.compile("adam", ["mse", None])
    net.fit([images, numbers], [numbers, np.zeros((20, 4))], epochs=2, verbose=0)
    first, second = net.predict([images, numbers])
    assert (first.shape, second.shape) == ((20, 1), (20, 4))
    named = net.module(image=torch.tensor(images), number=torch.tensor(numbers))
    np.testing.assert_allclose(first, named[0].detach(), atol=1e-6)


def test_a_module_that_takes_one_dictionary_or_list_gets_it(rng):
    class Summed(nn.Module):
        def forward(self, inputs):
            return sum(inputs.values() if isinstance(inputs, dict) else inputs)

    x = rng.normal(size=(5, 2)).astype("float32")
    np.testing.assert_allclose(Model(Summed()).predict({"a": x, "b": x}), 2 * x)
    np.testing.assert_allclose(Model(Summed()).predict([x, x, x]), 3 * x, rtol=1e-6)


def test_a_body_of_torch_has_a_head_of_ours_and_is_fine_tuned(words):
    class Classifier(Model):
        def __init__(self):
            super().__init__(seed=2)
            self.body, self.dense = seeded(Reader, WIDTH), Dense(2)

        def call(self, inputs):
            return self.dense(self.body(**inputs)["logits"])

    x, y = words
    net = Classifier()
    net.compile("adam", SparseCategoricalCrossentropy(from_logits=True))
    net.predict(x)
    before = {name: value.detach().clone() for name, value in net.state_dict().items()}
    net.fine_tune(x, y, epochs=(2, 1), last=1, layer_decay=0.5, verbose=0)
    assert net.optimizer.rate_multipliers == {"body.classifier": 0.5}
    changed = {name for name, value in net.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == {"body.classifier.weight", "body.classifier.bias", "dense.kernel", "dense.bias"}


def test_outputs_that_are_no_tensors_are_named(words):
    class Caching(Reader):
        def forward(self, input_ids):
            return {"logits": super().forward(input_ids).logits, "cache": object()}

    with pytest.raises(HandsonError, match=r"gives object; in a graph it gives tensors"):
        classifier(Caching()).predict(words[0]["input_ids"])


def test_caches_for_writing_texts_are_not_kept(words):
    """Nets of transformers that write texts keep a cache by default, which is no tensor."""

    class Writing(Reader):
        def forward(self, input_ids, use_cache=True):
            found = {"logits": super().forward(input_ids).logits}
            return found | {"past_key_values": object()} if use_cache else found

    x = words[0]["input_ids"]
    net = classifier(Writing())
    net.fit(x, words[1], verbose=0)
    assert list(net.predict(x)) == ["logits"]
    assert list(classifier(Writing()).predict({"input_ids": x})) == ["logits"]


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
def test_a_scripted_module_trains():
    net = Model(torch.jit.script(nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1))))
    net.compile("adam", "mse")
    losses = net.fit(np.ones((8, 3), np.float32), np.ones((8, 1), np.float32), epochs=5, verbose=0).history["loss"]
    assert losses[-1] < losses[0]


def _of_transformers(name):
    """A small net of transformers and its inputs."""
    transformers = pytest.importorskip("transformers")
    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
    texts = {"vocab_size": WORDS, "pad_token_id": 0, "bos_token_id": None, "eos_token_id": None}
    config, net = {
        "bert": ("BertConfig", "BertForSequenceClassification"),
        "gpt-2": ("GPT2Config", "GPT2ForSequenceClassification"),
        "vit": ("ViTConfig", "ViTForImageClassification"),
        "resnet": ("ResNetConfig", "ResNetForImageClassification"),
    }[name]
    settings = {
        "bert": {**texts, **sizes, "max_position_embeddings": LENGTH},
        "gpt-2": {**texts, "n_positions": LENGTH, "n_embd": 8, "n_layer": 1, "n_head": 2},
        "vit": {**sizes, "image_size": 16, "patch_size": 8},
        "resnet": {"embedding_size": 4, "hidden_sizes": [4, 8], "depths": [1, 1], "layer_type": "basic"},
    }[name]
    return classifier(getattr(transformers, net)(getattr(transformers, config)(**settings)))


@pytest.mark.parametrize("name", ["bert", "gpt-2", "vit", "resnet"])
def test_nets_of_transformers_train_and_go_through_files(words, tmp_path, name):
    net, other = _of_transformers(name), _of_transformers(name)
    x, y = words
    if name in ("vit", "resnet"):
        x = np.random.default_rng(0).normal(size=(len(y), 3, 16, 16)).astype(np.float32)
    elif name == "gpt-2":
        x = x["input_ids"]
    net.fit(x, y, epochs=1, verbose=0, monitor=True)
    assert net.history.journal.layers
    net.fine_tune(x, y, head=1, epochs=(1, 1), verbose=0)
    net.save_weights(tmp_path / "net.safetensors")
    other.predict(x)
    other.load_weights(tmp_path / "net.safetensors")
    np.testing.assert_array_equal(other.predict(x)["logits"], net.predict(x)["logits"])
