"""Callbacks, with Keras's names and arguments: what happens between the steps and epochs of a training."""

from handson.callbacks.backup import BackupAndRestore, SwapEMAWeights
from handson.callbacks.base import Callback, Monitoring
from handson.callbacks.calls import CallbackList
from handson.callbacks.monitor import Monitor
from handson.callbacks.progress import Progress
from handson.callbacks.rates import LambdaCallback, LearningRateScheduler, ReduceLROnPlateau
from handson.callbacks.remote import RemoteMonitor
from handson.callbacks.saving import CSVLogger, ModelCheckpoint
from handson.callbacks.stopping import EarlyStopping, TerminateOnNaN
from handson.callbacks.tensorboard import TensorBoard

__all__ = [
    "BackupAndRestore",
    "CSVLogger",
    "Callback",
    "CallbackList",
    "EarlyStopping",
    "LambdaCallback",
    "LearningRateScheduler",
    "ModelCheckpoint",
    "Monitor",
    "Monitoring",
    "Progress",
    "ReduceLROnPlateau",
    "RemoteMonitor",
    "SwapEMAWeights",
    "TensorBoard",
    "TerminateOnNaN",
]
