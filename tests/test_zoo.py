"""Every page of the zoo learns what it says, and draws its picture."""

import importlib
from pathlib import Path

import pytest

from handson.core import registry

ZOO = Path(__file__).resolve().parents[1] / "examples" / "zoo"

# What each page measures, and bounds that a net which has learned nothing misses.
LEARNED = {
    "autoencoder": {"error": (0, 0.035)},
    "boltzmann_machine": {"samples that are bars or stripes": (0.7, 1)},
    "convolutional": {"accuracy": (0.85, 1)},
    "deconvolutional": {"share of the variance that is missed": (0, 0.08)},
    "deep_belief": {"gain of pretraining": (0.02, 1)},
    "denoising_autoencoder": {"noise that is left": (0, 0.25)},
    "echo_state": {"relative error going on alone": (0, 0.2)},
    "extreme_learning": {"accuracy": (0.85, 1), "accuracy with 10 units": (0, 0.8)},
    "gan": {"points in a cloud": (0.6, 1), "share of the rarest cloud": (0.03, 1)},
    "gru": {"accuracy": (0.9, 1)},
    "hopfield": {"letters recalled without a fault": (0.8, 1)},
    "lstm": {"accuracy": (0.95, 1)},
    "markov_chain": {"largest difference from counting": (0, 0.03)},
    "mlp": {"accuracy": (0.98, 1), "without hidden layers": (0, 0.8)},
    "perceptron": {"accuracy": (1, 1)},
    "radial_basis": {"error": (0, 0.1)},
    "residual": {"accuracy with shortcuts": (0.95, 1), "accuracy without": (0, 0.7)},
    "restricted_boltzmann_machine": {"error of giving back": (0, 0.05)},
    "rnn": {"relative error going on alone": (0, 0.3)},
    "self_organising_map": {"distance to the nearest unit": (0, 0.1), "examples at a tear of the sheet": (0, 0.4)},
    "siamese": {"new digits told apart (area under ROC)": (0.75, 1)},
    "sparse_autoencoder": {
        "active units, sparse": (0, 0.15),
        "active units, free": (0.4, 1),
        "error, sparse": (0, 0.03),
    },
    "transformer": {"accuracy": (0.95, 1)},
    "unet": {"overlap (IoU)": (0.7, 1)},
    "variational_autoencoder": {"error": (0, 0.042), "spread of the codes": (0.5, 2)},
}
# Fewer epochs, which are enough to see whether a page learns.
SHORT = {"gan": 40, "gru": 15, "unet": 8, "deep_belief": 8, "deconvolutional": 20, "variational_autoencoder": 40,
         "siamese": 15, "denoising_autoencoder": 30, "transformer": 15, "restricted_boltzmann_machine": 15,
         "sparse_autoencoder": 60, "rnn": 40}  # fmt: skip


@pytest.fixture(autouse=True)
def _pages(monkeypatch):
    """Pages import each other as programs do, and what they register is gone after them."""
    monkeypatch.syspath_prepend(ZOO)
    for kind, entries in list(registry._entries.items()):
        registry.known(kind)
        monkeypatch.setitem(registry._entries, kind, dict(entries))
    monkeypatch.setattr(registry, "_names", dict(registry._names))


@pytest.mark.parametrize("name", LEARNED)
def test_a_page_learns_and_draws(name, tmp_path):
    page = importlib.import_module(name)
    found = page.train(SHORT[name]) if name in SHORT else page.train()
    for what, (lowest, highest) in LEARNED[name].items():
        assert lowest <= found[what] <= highest, what
    page.draw(found).savefig(tmp_path / "picture.png", dpi=30)


def test_every_page_is_tried_and_in_the_table():
    pages = {path.stem for path in ZOO.glob("*.py")} - {"page"}
    assert pages == LEARNED.keys()
    table = (ZOO / "README.md").read_text(encoding="utf-8")
    assert [name for name in sorted(pages) if f"]({name}.py)" not in table] == []
    assert [name for name in sorted(pages) if not (ZOO / "pictures" / f"{name}.png").exists()] == []


def test_a_page_is_a_command(tmp_path, monkeypatch, capsys):
    page = importlib.import_module("page")
    hopfield = importlib.import_module("hopfield")
    monkeypatch.setattr("sys.argv", ["hopfield.py", "--picture", str(tmp_path / "letters.png")])
    page.main(hopfield.train, hopfield.draw)
    assert "letters recalled without a fault: 0.9" in capsys.readouterr().out
    assert (tmp_path / "letters.png").stat().st_size > 1000
