"""The verbs of nets that Keras has removed and programs still use; each says what it does in words of today."""

from __future__ import annotations

from typing import Any

import numpy as np

from handson.core.errors import HandsonError

# How Keras 2 read ahead; what is computed does not depend on it.
READING = ("max_queue_size", "max_q_size", "workers", "nb_worker", "use_multiprocessing", "pickle_safe")
# The arguments of Keras 2's `fit_generator` after the first two, and of its kin, by position.
FITTING = (
    "epochs", "verbose", "callbacks", "validation_data", "validation_steps", "validation_freq", "class_weight",
    "max_queue_size", "workers", "use_multiprocessing", "shuffle", "initial_epoch",
)  # fmt: skip
LOOKING = ("callbacks", "max_queue_size", "workers", "use_multiprocessing", "verbose")
# Keras 1 counted rows, and how many a batch has only the generator knows.
ROWS = {"samples_per_epoch": "steps_per_epoch", "nb_val_samples": "validation_steps", "val_samples": "steps"}


class OlderVerbs:
    """What older programs ask of a net."""

    def fit_generator(self, generator: Any, steps_per_epoch: int | None = None, *args: Any, **kwargs: Any) -> Any:
        """`fit` on what gives batches.

        Parameters
        ----------
        generator : generator or PyDataset
            Gives batches of (x, y) or (x, y, sample_weight).
        steps_per_epoch : int, optional
            How many batches an epoch has; by default all that there are.
        *args, **kwargs
            As in Keras 2: epochs, verbose, callbacks, validation_data, validation_steps, validation_freq,
            class_weight, max_queue_size, workers, use_multiprocessing, shuffle, initial_epoch.
        """
        given = _given("fit_generator", FITTING, args, kwargs)
        if "nb_epoch" in given:
            given["epochs"] = given.pop("nb_epoch")
        return self.fit(generator, steps_per_epoch=steps_per_epoch, **given)  # type: ignore[attr-defined]

    def evaluate_generator(self, generator: Any, steps: int | None = None, *args: Any, **kwargs: Any) -> Any:
        """`evaluate` on what gives batches."""
        given = _given("evaluate_generator", LOOKING, args, kwargs)
        return self.evaluate(generator, **_steps(steps), **given)  # type: ignore[attr-defined]

    def predict_generator(self, generator: Any, steps: int | None = None, *args: Any, **kwargs: Any) -> Any:
        """`predict` on what gives batches."""
        given = _given("predict_generator", LOOKING, args, kwargs)
        return self.predict(generator, **_steps(steps), **given)  # type: ignore[attr-defined]

    def reset_states(self) -> None:
        """Let every stateful layer begin anew, from zeros."""
        for part in self.modules():  # type: ignore[attr-defined]
            if getattr(part, "stateful", False) and hasattr(part, "reset_state"):
                part.reset_state()

    def predict_proba(self, x: Any, batch_size: int | None = None, verbose: Any = 0) -> Any:
        """`predict`, as scikit-learn calls it."""
        return self.predict(x, batch_size=batch_size, verbose=verbose)  # type: ignore[attr-defined]

    def predict_classes(self, x: Any, batch_size: int | None = None, verbose: Any = 0) -> np.ndarray:
        """The class with the largest output of each row; of a single output, whether it is above 1/2.

        Examples
        --------
        >>> from handson import Sequential
        >>> from handson.layers import Dense
        >>> Sequential([Dense(3, activation="softmax")]).predict_classes(np.ones((2, 4))).shape
        (2,)
        """
        outputs = np.asarray(self.predict_proba(x, batch_size, verbose))
        return outputs.argmax(-1) if outputs.shape[-1] > 1 else (outputs > 0.5).astype("int32")


def _given(verb: str, names: tuple[str, ...], args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """The arguments by name, without those that say how to read ahead."""
    for name in ROWS.keys() & kwargs.keys():
        raise HandsonError(
            f"{verb}({name}=...) counts rows, as in Keras 1; say how many batches: {ROWS[name]}={name} // batch size."
        )
    if len(args) > len(names):
        raise HandsonError(f"{verb} takes a generator, a number of steps and {', '.join(names)}; got more than these.")
    given = dict(zip(names, args, strict=False)) | kwargs
    return {name: value for name, value in given.items() if name not in READING}


def _steps(steps: int | None) -> dict[str, int]:
    return {} if steps is None else {"steps": steps}
