"""Folders with data and trained runs."""

import shutil

import pytest
from command_line import call, write_data


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A folder with data, a trained run of the faces with specialists, and one of the classes."""
    folder = tmp_path_factory.mktemp("prepared")
    write_data(folder)
    for arguments in (["fit", "faces.yaml"], ["fit", "kinds.yaml"], ["specialists", "tiny"]):
        result = call(folder, *arguments)
        assert result.code == 0, result.err
    return folder


@pytest.fixture
def work(prepared, tmp_path):
    """A copy of the prepared folder."""
    shutil.copytree(prepared, tmp_path / "work")
    return tmp_path / "work"
