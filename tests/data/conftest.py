"""What tests of rows in files share."""

import pytest

from handson.data.rows import feed, stored


@pytest.fixture
def small_parts(monkeypatch):
    """Small data take several pieces, and several groups of batches."""
    monkeypatch.setattr(stored, "PIECE", 100)
    monkeypatch.setattr(feed, "GROUP_BYTES", 2000)
