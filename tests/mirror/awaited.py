"""Names of Keras that handson is to have and has not yet."""

AWAITED = set()
