"""The example of vanishing gradients shows what its page says."""

import runpy
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "vanishing_gradients.py"


def test_gradients_vanish_with_sigmoids_and_not_with_he_and_glorot(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [str(EXAMPLE), "--out", str(tmp_path), "--epochs", "2"])
    runpy.run_path(str(EXAMPLE), run_name="__main__")
    lines = dict(line.split(": gradient of the first layer ") for line in capsys.readouterr().out.splitlines())
    shares = {name: float(text.split()[0]) for name, text in lines.items()}
    assert shares["sigmoid"] < 1e-6
    assert shares["relu, He"] == pytest.approx(1, abs=0.8)
    assert shares["tanh, Glorot"] == pytest.approx(1, abs=0.8)
    assert len(list(tmp_path.glob("*.png"))) == 4
