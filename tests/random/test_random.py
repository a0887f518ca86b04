"""Random numbers follow their distributions, and are functions of their seed."""

import numpy as np
import pytest
import torch
from scipy import stats

import handson
from handson import random
from handson.core.errors import HandsonError
from handson.layers import Dense, Layer
from handson.random import generator
from handson.randomness import stream

MANY = (20_000,)
DISTRIBUTIONS = {
    "uniform": (lambda seed: random.uniform(MANY, -1, 3, seed=seed), stats.uniform(-1, 4)),
    "normal": (lambda seed: random.normal(MANY, 2.0, 0.5, seed=seed), stats.norm(2, 0.5)),
    "truncated_normal": (lambda seed: random.truncated_normal(MANY, 1.0, 2.0, seed=seed), stats.truncnorm(-2, 2, 1, 2)),
    "gamma": (lambda seed: random.gamma(MANY, 2.5, seed=seed), stats.gamma(2.5)),
    "beta": (lambda seed: random.beta(MANY, 0.5, 2.0, seed=seed), stats.beta(0.5, 2)),
}


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_fractions_follow_their_distribution(name):
    draw, distribution = DISTRIBUTIONS[name]
    assert stats.kstest(draw(3).numpy(), distribution.cdf).pvalue > 0.01


COUNTS = {
    "randint": (lambda: random.randint(MANY, -2, 4, seed=1) + 2, np.full(6, 1 / 6)),
    "categorical": (lambda: random.categorical(np.log([[0.2, 0.5, 0.3]]), MANY[0], seed=1)[0], [0.2, 0.5, 0.3]),
    "binomial": (lambda: random.binomial(MANY, 4, 0.3, seed=1), stats.binom(4, 0.3).pmf(range(5))),
}


@pytest.mark.parametrize("name", COUNTS)
def test_whole_numbers_come_as_often_as_they_should(name):
    draw, shares = COUNTS[name]
    counts = np.bincount(draw().numpy().astype(int), minlength=len(shares))
    assert len(counts) == len(shares)
    assert stats.chisquare(counts, np.asarray(shares) * MANY[0]).pvalue > 0.01


def test_a_seed_gives_the_same_numbers_and_a_generator_others():
    first, again = random.SeedGenerator(5), random.SeedGenerator(5)
    draws = [random.normal((4,), seed=first) for _ in range(3)]
    assert [random.normal((4,), seed=again).tolist() for _ in range(3)] == [draw.tolist() for draw in draws]
    assert len({draw[0].item() for draw in draws}) == 3
    assert random.normal((4,), seed=2).tolist() == random.normal((4,), seed=2).tolist()
    assert random.SeedGenerator.from_config(first.get_config()).seed == 5


def test_without_a_seed_the_session_decides():
    handson.set_random_seed(3)
    first, second = random.uniform((2,)), random.uniform((2,))
    handson.set_random_seed(3)
    assert random.uniform((2,)).tolist() == first.tolist() != second.tolist()


def test_every_order_is_as_likely():
    orders = [tuple(random.shuffle([0, 1, 2], seed=seed).tolist()) for seed in range(1200)]
    counts = [orders.count(order) for order in set(orders)]
    assert len(counts) == 6
    assert stats.chisquare(counts).pvalue > 0.01
    rows = random.shuffle(torch.arange(12).reshape(3, 4), axis=1, seed=1)
    assert sorted(rows[0].tolist()) == [0, 1, 2, 3]
    assert (rows[1] - rows[0]).unique().tolist() == [4]


def test_dropped_values_share_a_mask():
    dropped = random.dropout(torch.ones(50, 6, 4), 0.25, noise_shape=(None, 1, None), seed=1)
    assert torch.equal(dropped[:, 0], dropped[:, 5])
    assert dropped.unique().tolist() == [0.0, pytest.approx(4 / 3)]
    assert abs((dropped == 0).float().mean().item() - 0.25) < 0.08


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: random.uniform((None, 2)), "ops.shape"),
        (lambda: random.normal((2,), dtype="int32"), "'float32'"),
        (lambda: random.randint((2,), 3, 3), "minval < maxval"),
        (lambda: random.randint((2,), 0, 3, dtype="float32"), "'int32'"),
        (lambda: random.categorical([0.1, 0.2], 3), r"\(n, classes\)"),
        (lambda: random.dropout(torch.ones(2), 1.0), "rate"),
        (lambda: random.dropout(torch.ones(2, 2), 0.5, noise_shape=(1,)), "each axis"),
        (lambda: random.uniform((2,), seed="a"), "seed"),
    ],
)
def test_what_cannot_be_drawn_is_refused(call, said):
    with pytest.raises(HandsonError, match=said):
        call()


def test_types_are_those_that_were_asked_for():
    assert random.normal((2,), dtype="float64", seed=1).dtype == torch.float64
    assert random.randint((2,), 0, 5, dtype="uint8", seed=1).dtype == torch.uint8
    assert random.uniform(3, seed=1).shape == (3,)
    assert 0 <= random.randint((100,), 0, 2**32, dtype="int64", seed=1).max().item() < 2**32


class Noise(Layer):
    """Adds noise, as a layer of one's own does."""

    def __init__(self, seed=None, **kwargs):
        super().__init__(**kwargs)
        self.seed_generator = random.SeedGenerator(seed)

    def call(self, inputs, training=None):
        if not training:
            return inputs
        return inputs + random.normal(inputs.shape, seed=self.seed_generator) * random.uniform(
            (1,), seed=self.seed_generator
        )


def trained(epochs, batch_size, first=0, net=None):
    if net is None:
        net = handson.Sequential([Noise(seed=4, input_dim=3), Dense(1)], seed=0)
        net.compile("sgd", "mse")
    x = np.linspace(-1, 1, 36, dtype="float32").reshape(12, 3)
    net.fit(x, x[:, :1], batch_size=batch_size, epochs=epochs, initial_epoch=first, verbose=0, shuffle=False)
    return net


def test_a_training_that_goes_on_draws_what_it_would_have_drawn():
    whole = trained(2, 4)
    parts = trained(2, 4, 1, trained(1, 4))
    assert [weight.tolist() for weight in whole.get_weights()] == [weight.tolist() for weight in parts.get_weights()]


def test_numbers_of_a_row_do_not_depend_on_its_batch():
    seen = {}

    class Seen(Noise):
        def call(self, inputs, training=None):
            if training:
                drawn = random.normal(tuple(inputs.shape), seed=self.seed_generator)
                seen.setdefault(self.size, []).append(drawn)
            return inputs

    for size in (4, 6):
        net = handson.Sequential([Seen(seed=1, input_dim=3), Dense(1)], seed=0)
        net.layers[0].size = size
        net.compile("sgd", "mse")
        trained(1, size, net=net)
    assert torch.equal(torch.cat(seen[4][-3:]), torch.cat(seen[6][-2:]))


def test_draws_within_a_step_differ():
    pairs = []

    class Twice(Noise):
        def call(self, inputs, training=None):
            if training:
                pairs.append([random.uniform(tuple(inputs.shape), seed=self.seed_generator) for _ in range(2)])
            return inputs

    net = handson.Sequential([Twice(input_dim=3), Dense(1)], seed=0)
    net.compile("sgd", "mse")
    trained(1, 4, net=net)
    assert pairs
    assert not any(torch.equal(first, second) for first, second in pairs)


def test_draws_in_a_training_do_not_depend_on_what_was_made_in_the_process_before(monkeypatch):
    def drawn():
        monkeypatch.setattr(generator, "_anonymous", [])
        with stream.active(stream.Stream(0, 0)) as running:
            running.rows = torch.arange(3)
            return random.normal((3, 4))

    first = drawn()
    random.SeedGenerator()
    assert torch.equal(first, drawn())
