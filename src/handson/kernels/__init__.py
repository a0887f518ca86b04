"""CPU kernels in C (``c/``), each beside the plain expression that it must equal in the tests."""
