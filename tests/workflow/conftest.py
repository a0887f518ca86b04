"""What the tests of runs and sweeps share."""

import pytest

from handson import plots
from handson.state.history import History


@pytest.fixture
def no_pictures(monkeypatch):
    """Trainings draw nothing: that takes longer than they do."""
    monkeypatch.setattr(History, "plot", lambda self, path=None, **others: None)
    for name in ("plot_specialists", "plot_keypoints"):
        monkeypatch.setattr(plots, name, lambda *arguments, **others: None)
