"""Frontalis: a self-hosted face recognition service that still knows you from the side."""

__version__ = "0.1.0"
