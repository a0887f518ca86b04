"""What callbacks change in the middle of a training."""

import torch

from handson import activations
from handson.callbacks import Callback
from handson.regularizers import L1L2


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


def clip_norms(net):
    net.optimizer.global_clipnorm = 0.1


def average(net):
    net.optimizer.use_ema, net.optimizer.ema_momentum = True, 0.5


def punish(net):
    """Penalties are the job's from the beginning; their factors and which weights they are for may change."""
    net.layers[-1].weight_regularizers["bias"] = L1L2(0.1, 0.2)
    net.layers[-1].weight_regularizers["kernel"].l2 = 0.3


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


def freeze_all(net):
    net.trainable = False


def exchange_weight(net):
    net.layers[0].kernel = torch.nn.Parameter(2.0 * net.layers[0].kernel.detach())


def exchange_memory(net):
    halved = 0.5 * net.layers[0].kernel.detach()
    net.layers[0].kernel.data = halved.transpose(0, -1).contiguous().transpose(0, -1)
