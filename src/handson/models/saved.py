"""How a net goes into files and comes back."""

from __future__ import annotations

import os
from typing import Any

from handson.core import console


class Saved:
    """What a net can be asked to do with files."""

    def save(self, filepath: str | os.PathLike[str], overwrite: bool = True) -> None:
        """Save the net, its weights, scalings and optimizer in one file without code: see `handson.files`.

        Parameters
        ----------
        filepath : str or path
            Ending in '.handson'.
        overwrite : bool
            False: raise when the file is there.
        """
        from handson.files import save_model

        save_model(self, filepath, overwrite)

    @classmethod
    def load(cls, filepath: str | os.PathLike[str]) -> Any:
        """The net saved in a file: see `handson.load`."""
        from handson.files import load_model

        return load_model(filepath)

    def save_weights(self, filepath: str | os.PathLike[str], overwrite: bool = True) -> None:
        """Save the weights.

        Parameters
        ----------
        filepath : str or path
            '.h5': HDF5 in the layout of Keras 3's weight files. '.safetensors': named tensors.
        overwrite : bool
            False: raise when the file is there.
        """
        from handson.files import save_weights

        save_weights(self, filepath, overwrite)

    def load_weights(
        self, filepath: str | os.PathLike[str], by_name: bool = False, skip_mismatch: bool = False
    ) -> dict[str, str]:
        """Load weights from a file, of handson's or of Keras 3.

        Parameters
        ----------
        filepath : str or path
            A '.h5', '.safetensors' or '.handson' file.
        by_name : bool
            Match layers by their names, and leave out those that the file or the net does not have.
        skip_mismatch : bool
            Leave out layers whose shapes differ.

        Returns
        -------
        dict of str to str
            Every layer that was left out, and why; it is printed too.
        """
        from handson.files import load_weights

        skipped = load_weights(self, filepath, by_name, skip_mismatch)
        for layer, reason in skipped.items():
            console.say(f"load_weights: {layer} left as it is: {reason}")
        return skipped
