"""handson, with its own calls for ensembles and folds where the installed version has them."""

from __future__ import annotations

import handson
import handson.layers
import handson.optimizers
from benchmarks.peers.workers.vocabulary import Vocabulary


class Driver(Vocabulary):
    """handson on one job."""

    library = handson

    def net(self, seed: int) -> handson.Sequential:
        return self.compiled(seed=seed)
