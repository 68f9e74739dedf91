"""Torch modules, one family a file, shared with training."""
