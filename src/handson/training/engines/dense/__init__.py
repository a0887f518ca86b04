"""The compiled program for small nets: one call of compiled code for many steps."""
