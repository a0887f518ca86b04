"""What `to_json` of Keras's older tools for data wrote, read back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from handson.core.errors import HandsonError
from handson.files import strict_json


def described(
    what: str, json_string: str, texts: Sequence[str], others: Sequence[str] = ()
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The arguments in a description, and those that it holds as JSON texts.

    Parameters
    ----------
    what : str
        The class.
    json_string : str
        What its `to_json` gave.
    texts, others : sequence of str
        The arguments that are texts, and others that have to be there.

    Raises
    ------
    HandsonError
        When it is not such a description.
    """
    value = strict_json.loads(json_string)
    config = value.get("config") if isinstance(value, dict) else None
    missing = [name for name in (*texts, *others) if not isinstance(config, dict) or name not in config]
    if not isinstance(config, dict) or missing:
        raise HandsonError(f"this is not what {what}.to_json() gives: its config has no {missing[0]!r}.")
    found = {name: strict_json.loads(config[name]) for name in texts}
    return {name: value for name, value in config.items() if name not in texts}, found
