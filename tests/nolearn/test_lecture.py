"""The program of the fourth lecture, imports changed, on small data that are made here.

Beside the imports one word is another: NumPy 2 has no `np.cast`, so `np.cast['float32'](x)` is `np.float32(x)`.
"""

import os
import pickle
import re
from collections import OrderedDict

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from pandas import read_csv
from sklearn.base import clone
from sklearn.utils import shuffle

import handson.theano.tensor as T
from handson import lasagne, theano
from handson.lasagne import layers
from handson.lasagne.layers import Layer
from handson.lasagne.updates import get_or_compute_grads, nesterov_momentum
from handson.nolearn import BatchIterator, NeuralNet
from handson.nolearn.cross_validation import KFold, StratifiedKFold
from handson.nolearn.visualize import plot_conv_activity, plot_conv_weights

SIDE = 16
COLUMNS = [f"{name}_{axis}" for name in ("left_eye", "right_eye", "nose") for axis in "xy"]


def made_faces(rows, seed=0):
    """A bright spot for each key point."""
    rng = np.random.default_rng(seed)
    points = np.stack([rng.uniform(2, 7, rows), rng.uniform(2, 7, rows), rng.uniform(9, 14, rows),
                       rng.uniform(2, 7, rows), rng.uniform(5, 11, rows), rng.uniform(9, 14, rows)], 1)  # fmt: skip
    places = np.arange(SIDE)
    images = np.zeros((rows, SIDE, SIDE))
    for number in range(3):
        x, y = points[:, 2 * number, None, None], points[:, 2 * number + 1, None, None]
        images += 255 * np.exp(-((places - x) ** 2 + (places[:, None] - y) ** 2) / 4)
    return images.clip(0, 255).astype(int), points


@pytest.fixture
def files(tmp_path):
    """Files in the form of the competition, in which some targets are missing."""
    images, points = made_faces(60)
    frame = pd.DataFrame(points, columns=COLUMNS)
    frame.loc[::5, "nose_x"] = np.nan
    frame["Image"] = [" ".join(map(str, image.ravel())) for image in images]
    frame.to_csv(tmp_path / "training.csv", index=False)
    frame[["Image"]].head(7).to_csv(tmp_path / "test.csv", index=False)
    return str(tmp_path / "training.csv"), str(tmp_path / "test.csv")


def loader(files):
    FTRAIN, FTEST = files

    def load(test=False, cols=None):
        fname = FTEST if test else FTRAIN
        df = read_csv(os.path.expanduser(fname))
        df["Image"] = df["Image"].apply(lambda im: np.fromstring(im, sep=" "))
        if cols:
            df = df[[*cols, "Image"]]
        df = df.dropna()
        X = np.vstack(df["Image"].values) / 255.0
        X = X.astype(np.float32)
        if not test:
            y = df[df.columns[:-1]].values
            y = (y - SIDE / 2) / (SIDE / 2)
            X, y = shuffle(X, y, random_state=42)
            y = y.astype(np.float32)
        else:
            y = None
        return X, y

    def load2d(test=False, cols=None):
        X, y = load(test=test, cols=cols)
        return X.reshape(-1, 1, SIDE, SIDE), y

    return load2d


def float32(k):
    return np.float32(k)


class FlipBatchIterator(BatchIterator):
    flip_indices = [(0, 2), (1, 3)]  # noqa: RUF012

    def transform(self, Xb, yb):
        Xb, yb = super().transform(Xb, yb)
        bs = Xb.shape[0]
        indices = np.random.choice(bs, bs // 2, replace=False)  # noqa: NPY002
        Xb[indices] = Xb[indices, :, :, ::-1]
        if yb is not None:
            yb[indices, ::2] = yb[indices, ::2] * -1
            for a, b in self.flip_indices:
                yb[indices, a], yb[indices, b] = (yb[indices, b], yb[indices, a])
        return Xb, yb


class AdjustVariable:
    def __init__(self, name, start=0.03, stop=0.001):
        self.name = name
        self.start, self.stop = start, stop
        self.ls = None

    def __call__(self, nn, train_history):
        if self.ls is None:
            self.ls = np.linspace(self.start, self.stop, nn.max_epochs)
        epoch = train_history[-1]["epoch"]
        new_value = float32(self.ls[epoch - 1])
        getattr(nn, self.name).set_value(new_value)


class EarlyStopping:
    def __init__(self, patience=100):
        self.patience = patience
        self.best_valid = np.inf
        self.best_valid_epoch = 0
        self.best_weights = None

    def __call__(self, nn, train_history):
        current_valid = train_history[-1]["valid_loss"]
        current_epoch = train_history[-1]["epoch"]
        if current_valid < self.best_valid:
            self.best_valid = current_valid
            self.best_valid_epoch = current_epoch
            self.best_weights = nn.get_all_params_values()
        elif self.best_valid_epoch + self.patience < current_epoch:
            print("Early stopping.")
            print(f"Best valid loss was {self.best_valid:.6f} at epoch {self.best_valid_epoch}.")
            nn.load_params_from(self.best_weights)
            raise StopIteration()


class TrainSplit:
    def __init__(self, eval_size):
        self.eval_size = eval_size

    def __call__(self, X, y, net):
        if self.eval_size:
            if net.regression:
                kf = KFold(y.shape[0], round(1.0 / self.eval_size))
            else:
                kf = StratifiedKFold(y, round(1.0 / self.eval_size))
            train_indices, valid_indices = next(iter(kf))
            return X[train_indices], X[valid_indices], y[train_indices], y[valid_indices]
        return X, X[len(X) :], y, y[len(y) :]


def rectify(x):
    return 0.5 * (x + abs(x))


def squared_error(a, b):
    return (a - b) ** 2


def sgd(loss_or_grads, params, learning_rate):
    grads = get_or_compute_grads(loss_or_grads, params)
    updates = OrderedDict()
    for param, grad in zip(params, grads):  # noqa: B905
        updates[param] = param - learning_rate * grad
    return updates


class DenseLayer(Layer):
    def __init__(self, incoming, num_units, W=lasagne.init.GlorotUniform(), b=lasagne.init.Constant(0.0),  # noqa: B008
                 nonlinearity=rectify, **kwargs):  # fmt: skip
        super().__init__(incoming, **kwargs)
        self.nonlinearity = (lambda x: x) if nonlinearity is None else nonlinearity
        self.num_units = num_units
        num_inputs = int(np.prod(self.input_shape[1:]))
        self.W = self.add_param(W, (num_inputs, num_units), name="W")
        self.b = self.add_param(b, (num_units,), name="b", regularizable=False)

    def get_output_shape_for(self, input_shape):
        return (input_shape[0], self.num_units)

    def get_output_for(self, input, **kwargs):
        if input.ndim > 2:
            input = input.flatten(2)
        activation = T.dot(input, self.W)
        if self.b is not None:
            activation = activation + self.b.dimshuffle("x", 0)
        return self.nonlinearity(activation)


class DropoutLayer(Layer):
    def __init__(self, incoming, p=0.5, rescale=True, **kwargs):
        super().__init__(incoming, **kwargs)
        self._srng = T.shared_randomstreams.RandomStreams(1)
        self.p = p
        self.rescale = rescale

    def get_output_for(self, input, deterministic=False, **kwargs):
        if deterministic or self.p == 0:
            return input
        else:
            retain_prob = 1 - self.p
            if self.rescale:
                input /= retain_prob
            input_shape = self.input_shape
            if any(s is None for s in input_shape):
                input_shape = input.shape
            return input * self._srng.binomial(input_shape, p=retain_prob, dtype=theano.config.floatX)


def lecture_net(**kwargs):
    """The net of the lecture, smaller."""
    lasagne.random.set_rng(np.random.RandomState(3))
    return NeuralNet(**({
        "layers": [
            ("input", layers.InputLayer),
            ("conv1", layers.Conv2DLayer),
            ("pool1", layers.MaxPool2DLayer),
            ("dropout1", layers.DropoutLayer),
            ("conv2", layers.Conv2DLayer),
            ("pool2", layers.MaxPool2DLayer),
            ("dropout2", layers.DropoutLayer),
            ("hidden4", layers.DenseLayer),
            ("dropout4", layers.DropoutLayer),
            ("hidden5", layers.DenseLayer),
            ("output", layers.DenseLayer),
        ],
        "input_shape": (None, 1, SIDE, SIDE),
        "conv1_num_filters": 4, "conv1_filter_size": (3, 3), "pool1_pool_size": (2, 2),
        "dropout1_p": 0.1,
        "conv2_num_filters": 8, "conv2_filter_size": (2, 2), "pool2_pool_size": (2, 2),
        "dropout2_p": 0.2,
        "hidden4_num_units": 16,
        "dropout4_p": 0.1,
        "hidden5_num_units": 16,
        "output_num_units": 6, "output_nonlinearity": None,
        "update": nesterov_momentum,
        "update_learning_rate": theano.shared(float32(0.03)),
        "update_momentum": theano.shared(float32(0.9)),
        "regression": True,
        "batch_iterator_train": FlipBatchIterator(batch_size=16),
        "train_split": TrainSplit(eval_size=0.2),
        "on_epoch_finished": [
            AdjustVariable("update_learning_rate", start=0.03, stop=0.0001),
            AdjustVariable("update_momentum", start=0.9, stop=0.999),
            EarlyStopping(patience=200),
        ],
        "max_epochs": 6,
        "verbose": 1,
    } | kwargs))  # fmt: skip


def test_fit_specialists_curves_and_predictions(files, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    np.random.seed(0)  # noqa: NPY002
    load2d = loader(files)
    net = lecture_net()

    def fit():
        X, y = load2d()
        net.fit(X, y)
        with open("net.pickle", "wb") as f:
            pickle.dump(net, f, -1)

    def fit_specialists(fname_pretrain=None):
        with open(fname_pretrain, "rb") as f:
            net_pretrain = pickle.load(f)
        specialists = OrderedDict()
        for setting in SPECIALIST_SETTINGS:
            cols = setting["columns"]
            X, y = load2d(cols=cols)
            model = clone(net)
            model.output_num_units = y.shape[1]
            model.batch_iterator_train.flip_indices = setting["flip_indices"]
            model.max_epochs = int(120 / y.shape[0]) + 1
            model.load_params_from(net_pretrain)
            model.fit(X, y)
            specialists[cols] = model
        with open("net-specialists.pickle", "wb") as f:
            pickle.dump(specialists, f, -1)

    def plot_learning_curves(fname_specialists="net-specialists.pickle"):
        with open(fname_specialists, "rb") as f:
            models = pickle.load(f)
        fig, ax = plt.subplots()
        for cg, model in models.items():
            train_loss = np.sqrt(np.array([row["train_loss"] for row in model.train_history_])) * SIDE / 2
            valid_loss = np.sqrt(np.array([row["valid_loss"] for row in model.train_history_])) * SIDE / 2
            ax.plot(valid_loss, label=f"{cg[0]} ({len(cg)})", linewidth=3)
            ax.plot(train_loss, linestyle="--", linewidth=3, alpha=0.6)
        weights = np.array([m.output_num_units for m in models.values()], dtype=float)
        assert weights.sum() == 6
        ax.legend()
        plt.close(fig)

    def predict(fname_specialists="net-specialists.pickle"):
        with open(fname_specialists, "rb") as f:
            specialists = pickle.load(f)
        X = load2d(test=True)[0]
        y_pred = np.empty((X.shape[0], 0))
        for model in specialists.values():
            y_pred1 = model.predict(X)
            y_pred = np.hstack([y_pred, y_pred1])
        return y_pred, X

    SPECIALIST_SETTINGS = [
        {"columns": tuple(COLUMNS[:4]), "flip_indices": ((0, 2), (1, 3))},
        {"columns": tuple(COLUMNS[4:]), "flip_indices": ()},
    ]
    fit()
    said = capsys.readouterr().out
    assert "learnable parameters" in said
    assert "cap.Y" in said
    assert len(re.findall(r"^\s+\d+  +\d\.\d{5}", said, re.MULTILINE)) == 6
    assert net.update_learning_rate.get_value() == np.float32(0.0001)
    assert net.update_momentum.get_value() == np.float32(0.999)
    assert net.train_history_[-1]["train_loss"] < net.train_history_[0]["train_loss"]
    fit_specialists("net.pickle")
    said = capsys.readouterr().out
    assert "Loaded parameters to layer 'conv1'" in said
    assert "Could not load parameters to layer 'output' because shapes did not match: 16x4 vs 16x6" in said
    plot_learning_curves()
    predictions, X = predict()
    assert predictions.shape == (7, 6)
    with open("net-specialists.pickle", "rb") as f:
        np.testing.assert_array_equal(next(iter(pickle.load(f).values())).predict(X), predictions[:, :4])
    for picture in (plot_conv_weights(net.layers_["conv1"]), plot_conv_activity(net.layers_["conv1"], X[:1])):
        assert picture.axes
    plt.close("all")


def test_listings_of_layers_losses_and_updates(files):
    """What the lecture shows of Lasagne itself, as layers, nonlinearity, loss and update of one's own."""
    X, y = loader(files)()
    lasagne.random.set_rng(np.random.RandomState(3))
    net = NeuralNet(
        layers=[
            ("input", layers.InputLayer), ("hidden4", DenseLayer), ("dropout4", DropoutLayer), ("output", DenseLayer),
        ],
        input_shape=(None, 1, SIDE, SIDE), hidden4_num_units=16, hidden4_nonlinearity=rectify, dropout4_p=0.1,
        output_num_units=6, output_nonlinearity=None, regression=True, objective_loss_function=squared_error,
        update=sgd, update_learning_rate=theano.shared(float32(0.05)), train_split=TrainSplit(0.2), max_epochs=8,
        batch_iterator_train=FlipBatchIterator(batch_size=16),
        on_epoch_finished=[AdjustVariable("update_learning_rate", start=0.05, stop=0.01)],
    )  # fmt: skip
    net.fit(X, y)
    losses = [info["train_loss"] for info in net.train_history_]
    assert losses[-1] < 0.8 * losses[0]
    w = {name: [p.get_value() for p in layer.get_params()] for name, layer in net.layers_.items()}
    hidden = np.maximum(X.reshape(len(X), -1) @ w["hidden4"][0] + w["hidden4"][1], 0)
    np.testing.assert_allclose(net.predict(X), hidden @ w["output"][0] + w["output"][1], rtol=1e-3, atol=1e-4)


def test_early_stopping_gives_the_best_weights_back(files, capsys):
    X, y = loader(files)()
    stopping = EarlyStopping(patience=1)
    net = lecture_net(on_epoch_finished=[stopping], update_learning_rate=theano.shared(float32(0.0)), verbose=0)
    net.fit(X, y)
    assert "Early stopping." in capsys.readouterr().out
    assert len(net.train_history_) == 3
    assert stopping.best_valid == net.train_history_[0]["valid_loss"]


def test_the_words_of_the_lecture_are_there(shared):
    """Every keyword of the net on the slides is one that the net takes."""
    text = shared("lectures", "004_61a37e1ea02c6084.txt").read_text(encoding="utf-8")
    block = text[text.index("net = NeuralNet") : text.index("Activation Function")]
    block = block.replace("\\_", "_")
    names = set(re.findall(r"(\w+)=", block)) - {"layers"}
    assert {"conv3_num_filters", "dropout4_p", "output_nonlinearity"} <= names
    code = block[block.index("layers=[") : block.rindex(",")]
    known = {"layers": layers, "Conv2DLayer": layers.Conv2DLayer, "MaxPool2DLayer": layers.MaxPool2DLayer}
    net = eval(f"NeuralNet({code}, regression=True)", known | {"NeuralNet": NeuralNet})
    net.initialize()
    assert net.layers_["conv3"].output_shape == (None, 128, 22, 22)
    assert layers.count_params(net.layers_["output"]) == 16_561_502
