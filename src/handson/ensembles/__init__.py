"""Many nets as one: ensembles, cross-validation and sweeps, trained together."""

from handson.ensembles.cross_validation import CrossValidation, cross_validate
from handson.ensembles.ensemble import Ensemble, deep_ensemble
from handson.ensembles.sweeps import Sweep, sweep

__all__ = ["CrossValidation", "Ensemble", "Sweep", "cross_validate", "deep_ensemble", "sweep"]
