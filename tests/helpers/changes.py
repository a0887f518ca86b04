"""What callbacks change in the middle of a training."""

import torch

from handson import activations
from handson.callbacks import Callback


class Change(Callback):
    """Changes something after the first epoch."""

    def __init__(self, change):
        self.change = change

    def on_epoch_end(self, epoch, logs=None):
        if epoch == 0:
            self.change(self.model)


def slower(net):
    net.optimizer.learning_rate = 0.001


def heavier(net):
    net.optimizer.momentum = 0.5


def clip(net):
    net.optimizer.clipvalue = 0.001


def forget(net):
    net.optimizer.slots.clear()


def drop_more(net):
    net.layers[2].rate = 0.6


def drop_nothing(net):
    net.layers[2].rate = 0.0


def sharpen(net):
    net.loss.delta = 0.1


def activate_otherwise(net):
    net.layers[0].activation = activations.sigmoid


def freeze(net):
    net.layers[0].trainable = False


def freeze_second(net):
    net.layers[1].trainable = False


def freeze_one_weight(net):
    net.layers[-1].bias.requires_grad_(False)


def exchange_weight(net):
    net.layers[0].kernel = torch.nn.Parameter(2.0 * net.layers[0].kernel.detach())


def exchange_memory(net):
    halved = 0.5 * net.layers[0].kernel.detach()
    net.layers[0].kernel.data = halved.transpose(0, -1).contiguous().transpose(0, -1)
