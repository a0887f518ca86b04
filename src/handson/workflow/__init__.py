"""Experiments as files and the folders of their runs."""
