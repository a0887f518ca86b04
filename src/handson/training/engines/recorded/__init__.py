"""Steps recorded once as a CUDA graph and replayed."""
