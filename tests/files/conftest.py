"""A trained net and its file, and the same file with something changed."""

import json

import pytest
from model_files import contents, data_of, net_of
from safetensors.torch import save_file

from handson.files.tensor_file import checksum


@pytest.fixture
def trained(tmp_path):
    """A trained net, its data, and the file it is saved in."""
    net, shape = net_of()
    x, y = data_of(shape)
    net.fit(x, y, epochs=2, verbose=0)
    net.save(tmp_path / "net.handson")
    return net, x, y, tmp_path / "net.handson"


@pytest.fixture
def tamper(trained, tmp_path):
    """Change what a model file says or holds; gives the path of the changed file."""
    *_, path = trained

    def change(describe=None, tensors=None, **metadata):
        said, held = contents(path)
        description = json.loads(said["model"])
        if describe is not None:
            describe(description)
        if tensors is not None:
            tensors(held)
        said |= {"model": json.dumps(description)}
        said |= {"crc32": checksum(held, said["model"])} | metadata
        save_file(held, tmp_path / "changed.handson", metadata=said)
        return tmp_path / "changed.handson"

    return change
