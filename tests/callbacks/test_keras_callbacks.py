"""Callbacks of Keras that ask for what a training does by itself, and those that tell other programs."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs

import numpy as np
import pytest

import handson
from handson import HandsonError, Sequential
from handson.callbacks import BackupAndRestore, Callback, RemoteMonitor, SwapEMAWeights, TensorBoard
from handson.layers import Dense, Dropout
from handson.optimizers import SGD

X = np.random.default_rng(0).normal(size=(40, 3)).astype("f4")
Y = X.sum(1, keepdims=True)


def net(optimizer="adam"):
    made = Sequential([Dense(4, activation="relu"), Dropout(0.3), Dense(1)], seed=0)
    made.compile(optimizer, "mse")
    return made


class Stop(Callback):
    stops = True

    def on_epoch_begin(self, epoch, logs=None):
        if self.stops and epoch == 2:
            raise KeyboardInterrupt


def test_a_stopped_training_goes_on_and_leaves_no_folder(tmp_path):
    plain = net()
    plain.fit(X, Y, epochs=4, verbose=0, callbacks=[])
    folder, stop = tmp_path / "backup", Stop()
    with pytest.raises(KeyboardInterrupt):
        net().fit(X, Y, epochs=4, verbose=0, callbacks=[BackupAndRestore(folder), stop], checkpoint_seconds=0)
    assert folder.is_dir()
    stop.stops = False
    again = net()
    again.fit(X, Y, epochs=4, verbose=0, callbacks=[BackupAndRestore(folder), stop], resume="force")
    assert all(np.array_equal(a, b) for a, b in zip(again.get_weights(), plain.get_weights(), strict=True))
    assert not folder.exists()
    net().fit(X, Y, verbose=0, callbacks=[BackupAndRestore(folder, delete_checkpoint=False)])
    assert (folder / "run.json").is_file()
    with pytest.raises(HandsonError, match="both record this training"):
        net().fit(X, Y, verbose=0, callbacks=[BackupAndRestore(folder)], run=tmp_path / "run")


def test_averaged_weights_need_an_optimizer_that_keeps_them():
    net(SGD(use_ema=True)).fit(X, Y, verbose=0, callbacks=[SwapEMAWeights()])
    with pytest.raises(HandsonError, match=r"needs an optimizer that averages the weights: SGD\(use_ema=True\)"):
        net(SGD()).fit(X, Y, verbose=0, callbacks=[SwapEMAWeights()])


@pytest.mark.parametrize("as_json", [True, False])
def test_a_server_is_sent_every_epoch(as_json):
    got = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            text = self.rfile.read(int(self.headers["Content-Length"])).decode()
            got.append((self.path, json.loads(text if as_json else parse_qs(text)["data"][0])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args):
            """Nothing is printed."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        monitor = RemoteMonitor(f"http://127.0.0.1:{server.server_port}", send_as_json=as_json)
        history = net().fit(X, Y, epochs=2, verbose=0, callbacks=[monitor]).history
    finally:
        server.shutdown()
        server.server_close()
    assert [path for path, _ in got] == ["/publish/epoch/end/"] * 2
    assert [numbers["loss"] for _, numbers in got] == history["loss"]


def test_a_server_that_is_not_there_is_warned_of():
    with pytest.warns(UserWarning, match="RemoteMonitor: http://127.0.0.1:9 cannot be reached"):
        net().fit(X, Y, verbose=0, callbacks=[RemoteMonitor("http://127.0.0.1:9")])
    with pytest.raises(HandsonError, match="root is an address"):
        RemoteMonitor("file:///etc/passwd")


def test_tensorboard_finds_the_numbers(tmp_path):
    loader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    callback = TensorBoard(tmp_path, histogram_freq=1, update_freq=1, write_steps_per_second=True)
    history = net().fit(X, Y, epochs=2, verbose=0, validation_data=(X, Y), callbacks=[callback]).history
    for part, name, key in (("train", "epoch_loss", "loss"), ("validation", "epoch_loss", "val_loss")):
        found = loader.EventAccumulator(str(tmp_path / part))
        found.Reload()
        assert [event.value for event in found.Scalars(name)] == pytest.approx(history[key], rel=1e-6)
    with pytest.raises(HandsonError, match="Profile with torch.profiler"):
        TensorBoard(tmp_path, profile_batch=2)


def test_they_are_in_files_and_experiments():
    for made in (BackupAndRestore("a"), SwapEMAWeights(True), RemoteMonitor(), TensorBoard("b")):
        config = handson.core.registry.to_config("callback", made)
        again = handson.core.registry.from_config("callback", config)
        assert again.get_config() == made.get_config()
