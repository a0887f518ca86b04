"""The examples of fine-tuning run, and the net of faces is the one whose weights it takes."""

import functools
import importlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from handson.applications import MobileNetV2

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


@pytest.fixture
def example(monkeypatch):
    monkeypatch.syspath_prepend(str(EXAMPLES))
    return importlib.import_module


def shapes():
    """The arrays of the net, as face-api lists them."""
    before = 3
    for block, filters in enumerate((32, 64, 128, 256)):
        for conv in range(4):
            name, size = f"dense{block}/conv{conv}", before if conv == 0 else filters
            if block == conv == 0:
                yield f"{name}/filters", (3, 3, 3, filters)
            else:
                yield f"{name}/depthwise_filter", (3, 3, size, 1)
                yield f"{name}/pointwise_filter", (1, 1, size, filters)
            yield f"{name}/bias", (filters,)
        before = filters
    yield "fc/weights", (256, 136)
    yield "fc/bias", (136,)


@pytest.fixture
def package(example, rng, tmp_path):
    """A folder like the package's, with weights of 8 bits in two files; and these weights."""
    entries, values, arrays = [], [], {}
    for name, shape in shapes():
        spread = 1.5 * (2 / max(1, np.prod(shape[:-1]))) ** 0.5 if len(shape) > 1 else 0.1
        bits, scale = rng.integers(0, 256, shape, dtype="uint8"), spread / 128
        quantization = {"dtype": "uint8", "scale": scale, "min": -spread}
        entries.append({"name": name, "shape": shape, "dtype": "float32", "quantization": quantization})
        values.append(bits.ravel())
        arrays[name] = torch.tensor(bits * scale - spread, dtype=torch.float32)
    manifest = example("face_landmarks").MANIFEST
    (tmp_path / manifest).write_text(json.dumps([{"weights": entries, "paths": ["one.bin", "two.bin"]}]))
    held = np.concatenate(values)
    held[:1000].tofile(tmp_path / "one.bin")
    held[1000:].tofile(tmp_path / "two.bin")
    return tmp_path, arrays


def convolved(x, arrays, name, stride):
    """A convolution of TensorFlow, padded to the same size: with stride 2 and an even side one row and column after."""
    x = F.pad(x, (0, 1, 0, 1) if stride == 2 else (1, 1, 1, 1))
    if f"{name}/filters" in arrays:
        return F.conv2d(x, arrays[f"{name}/filters"].permute(3, 2, 0, 1), arrays[f"{name}/bias"], stride)
    depthwise = arrays[f"{name}/depthwise_filter"].permute(2, 3, 0, 1)
    x = F.conv2d(x, depthwise, None, stride, groups=x.shape[1])
    return F.conv2d(x, arrays[f"{name}/pointwise_filter"].permute(3, 2, 0, 1), arrays[f"{name}/bias"])


def landmarks(images, arrays):
    """The net as face-api writes it."""
    x = (torch.tensor(images) - torch.tensor([122.782, 117.001, 104.298])).permute(0, 3, 1, 2) / 255
    for block in range(4):
        first = convolved(x, arrays, f"dense{block}/conv0", 2).relu()
        second = convolved(first, arrays, f"dense{block}/conv1", 1)
        third = convolved((first + second).relu(), arrays, f"dense{block}/conv2", 1)
        fourth = convolved((first + second + third).relu(), arrays, f"dense{block}/conv3", 1)
        x = (first + second + third + fourth).relu()
    return F.avg_pool2d(x, 7, 2).flatten(1) @ arrays["fc/weights"] + arrays["fc/bias"]


def test_the_net_of_faces_gives_what_face_api_computes(example, package, rng):
    module, (folder, arrays) = example("face_landmarks"), package
    weights = module.read_weights(folder)
    assert all(np.allclose(weights[name], value, atol=1e-6) for name, value in arrays.items())
    images = rng.uniform(0, 255, (2, 112, 112, 3)).astype("float32")
    net = module.with_weights(module.landmark_net(3, 112), weights)
    expected = landmarks(images, arrays).numpy()
    assert expected.std() > 0.1
    np.testing.assert_allclose(net.predict(images), expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())


def test_the_faces_that_are_saved_are_counted(example, package, rng, tmp_path, monkeypatch, capsys):
    module = example("face_landmarks")
    faces = {"images": rng.integers(0, 256, (24, 96, 96), dtype="uint8"), "groups": np.arange(24) // 2}
    np.savez(tmp_path / "faces.npz", landmarks=rng.uniform(20, 70, (24, 30)).astype("float32"), **faces)
    monkeypatch.setattr(module, "FACES", (4,))
    monkeypatch.setattr(module, "SEEDS", 1)
    monkeypatch.setattr(module, "epochs_for", lambda steps, rows: 1)
    module.main(package[0], tmp_path / "faces.npz")
    row = capsys.readouterr().out.splitlines()[-1].split()
    assert row[0] == "4"
    assert len(row) == 7


def test_a_large_net_is_fine_tuned_on_galaxies(example, rng, tmp_path, monkeypatch, capsys):
    module = example("fine_tune_galaxies")
    images, labels = rng.integers(0, 256, (40, 64, 64), dtype="uint8"), rng.integers(0, 3, 40)
    np.savez(tmp_path / "galaxies.npz", images=images, labels=labels)
    monkeypatch.setattr(module, "VGG16", functools.partial(MobileNetV2, alpha=0.35))  # which is much smaller
    monkeypatch.setattr(module, "TRAINING", 20)
    monkeypatch.setattr(module, "TEST", 20)
    module.main(tmp_path / "galaxies.npz")
    assert len(capsys.readouterr().out.splitlines()) == 4
