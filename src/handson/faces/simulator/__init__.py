"""A simulator of faces: three-dimensional heads, drawn with light, hair, glasses and noise, with exact landmarks."""

from handson.faces.simulator.simulation import SimulatedFaces, simulate

__all__ = ["SimulatedFaces", "simulate"]
