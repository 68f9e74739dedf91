"""A secret of the data folder, made once: it signs cursors, and hides codes and whom a receipt is of."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Final

LENGTH: Final = 32


def data_secret(data_dir: Path) -> bytes:
    """32 random bytes, readable by the owner alone; the same at every start."""
    data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = data_dir / "secret"
    if not path.exists():
        put_secret(data_dir, secrets.token_bytes(LENGTH))
    return path.read_bytes()


def put_secret(data_dir: Path, secret: bytes) -> None:
    """Make it this one: what was hashed or signed with another counts no more."""
    path = data_dir / "secret"
    draft = path.with_suffix(f".{os.getpid()}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(secret)
    draft.replace(path)
