"""What happens inside a net while it trains: probes at its layers, and the journal of what they saw.

The callback that looks is `handson.callbacks.Monitor`; `fit(monitor=True)` adds it.
"""

from typing import TYPE_CHECKING

from handson.core.lazy import lazy

if TYPE_CHECKING:
    from handson.monitoring.journal import Journal as Journal
    from handson.monitoring.journal import LayerLook as LayerLook
    from handson.monitoring.journal import Look as Look
    from handson.monitoring.probes import Probes as Probes

_HOMES = {name: f"handson.monitoring.journal:{name}" for name in ("Journal", "LayerLook", "Look")}
_HOMES |= {"Probes": "handson.monitoring.probes:Probes"}

__all__ = sorted(_HOMES)
__getattr__ = lazy(__name__, _HOMES)
