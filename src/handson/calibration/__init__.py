"""Predictions that are as sure as they are right: temperatures of probabilities, intervals that hold what they say."""

from handson.calibration.conformal import Conformal
from handson.calibration.temperature import calibrate

__all__ = ["Conformal", "calibrate"]
