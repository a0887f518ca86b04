"""How a net goes into files and comes back."""

from __future__ import annotations

import json
import os
from typing import Any

from handson.core import console
from handson.core.errors import HandsonError


class Saved:
    """What a net can be asked to do with files."""

    def save(
        self,
        filepath: str | os.PathLike[str],
        overwrite: bool = True,
        zipped: bool | None = None,
        *,
        include_optimizer: bool = True,
        save_format: str | None = None,
    ) -> None:
        """Save the net, its weights and its optimizer in one file without code: see `handson.files`.

        Parameters
        ----------
        filepath : str or path
            '.handson': everything, scalings too. '.keras', or '.h5' in the older layout: what Keras knows, and reads.
        overwrite : bool
            False: raise when the file is there.
        zipped : bool, optional
            There for code of Keras that names it: '.keras' files are.
        include_optimizer : bool
            False leaves the optimizer, and what else `compile` was given, out of a file of Keras.
        save_format : {'h5', 'keras'}, optional
            There for code of Keras 2 that says again what the file's ending says.

        Raises
        ------
        HandsonError
            When the file would not give the net back.
        """
        from handson.files import check_format, save_model

        if save_format is not None:
            check_format(filepath, save_format)
        save_model(self, filepath, overwrite, zipped, include_optimizer)

    @classmethod
    def load(cls, filepath: str | os.PathLike[str]) -> Any:
        """The net saved in a file: see `handson.load`."""
        from handson.files import load_model

        return load_model(filepath)

    def get_compile_config(self) -> dict[str, Any] | None:
        """The arguments of `compile` as Keras's files hold them; None before. A subclass may describe its own.

        Raises
        ------
        HandsonError
            For an argument that Keras has not: its net would be another one.
        """
        from handson.files.keras_writing import described_compiled

        return described_compiled(self) if getattr(self, "compiled", False) else None

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compile the net with what `get_compile_config` gave; a subclass may read its own."""
        from handson.files.keras_reading import compile_with

        compile_with(self, config)

    def to_json(self, **kwargs: Any) -> str:
        """The layers and how they are connected, as Keras writes them; `model_from_json` makes the net again.

        Parameters
        ----------
        **kwargs
            The arguments of `json.dumps`.

        Examples
        --------
        >>> from handson import Sequential, models
        >>> from handson.layers import Dense
        >>> models.model_from_json(Sequential([Dense(2, input_dim=3)]).to_json()).count_params()
        8
        """
        from handson.files.keras_writing import described_net

        return json.dumps(described_net(self, compiled=False), **kwargs)

    def export(self, filepath: str | os.PathLike[str], format: str = "onnx", verbose: Any = None) -> None:
        """Write the net for other programs: what goes in and comes out is that of `predict`, scalings too.

        Parameters
        ----------
        filepath : str or path
            The file.
        format : {'onnx'}
            ONNX, which onnxruntime and others run; needs ``pip install 'handson[onnx]'``. The file is tried on batches
            of two sizes, and is not written if it gives other outputs than the net.
        verbose : bool, optional
            True prints what was written.

        Examples
        --------
        >>> from handson import Sequential
        >>> from handson.layers import Dense
        >>> Sequential([Dense(2, input_dim=3)]).export("net.pb", format="tf_saved_model")
        Traceback (most recent call last):
        handson.core.errors.HandsonError: export writes format='onnx'; got 'tf_saved_model'. A net is a ...
        """
        if format != "onnx":
            raise HandsonError(
                f"export writes format='onnx'; got {format!r}. A net is a torch.nn.Module: torch.export.export and "
                f"others take it as it is."
            )
        from handson.files.onnx_file import export

        export(self, filepath)
        if verbose:
            console.say(f"wrote {filepath}")

    def save_weights(self, filepath: str | os.PathLike[str], overwrite: bool = True) -> None:
        """Save the weights.

        Parameters
        ----------
        filepath : str or path
            '.weights.h5' or '.h5': HDF5 in the layout of Keras 3's weight files. '.safetensors': named tensors.
        overwrite : bool
            False: raise when the file is there.
        """
        from handson.files import save_weights

        save_weights(self, filepath, overwrite)

    def load_weights(
        self, filepath: str | os.PathLike[str], by_name: bool = False, skip_mismatch: bool = False
    ) -> dict[str, str]:
        """Load weights from a file, of handson's or of Keras.

        Parameters
        ----------
        filepath : str or path
            A '.h5', '.safetensors', '.keras' or '.handson' file, of weights or of a whole model.
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
