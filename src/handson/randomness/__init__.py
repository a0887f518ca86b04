"""Randomness is a function, not a state.

Every random number is a hash of (seed, purpose, epoch, sample): the same bits on a CPU and on a GPU, in any order of
batches, on any number of workers. So a run can stop and go on at any step, a member of an ensemble equals the same
net trained alone, and nothing depends on how often a number was asked for before.

`keys` derives 64-bit keys from names and numbers and needs no torch. `words` turns a key and the ids of samples into
random words on the device. `stream` hands them to the layers of the net that is being trained.
"""

from handson.randomness.keys import derive, fresh_seed, permutation, set_random_seed

__all__ = ["derive", "fresh_seed", "permutation", "set_random_seed"]
