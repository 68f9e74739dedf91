"""Vectors to nearest subjects. One contract, one file a backend."""
