"""Pixels to faces. Pure: no web, no database, no globals."""
