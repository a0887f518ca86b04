"""Keras's `applications`: nets for images, see `handson.applications`."""

from handson.keras.mirror import mirror

mirror(__name__, "handson.applications")
