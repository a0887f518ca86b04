"""The compiled program for small chains: one call of compiled code for many steps."""
