"""The version, where files that must not import the whole package find it."""

__version__ = "0.1.0"
