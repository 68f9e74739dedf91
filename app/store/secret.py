"""A secret of the data folder, made once: it signs cursors, and hides codes and whom a receipt is of."""

from __future__ import annotations

import os
import secrets
import tempfile
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
    write_whole(data_dir / "secret", secret)


def write_whole(path: Path, content: bytes) -> None:
    """All of it or nothing, readable by the owner alone."""
    handle, draft = tempfile.mkstemp(dir=path.parent, prefix=f"{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(draft).replace(path)
    finally:
        Path(draft).unlink(missing_ok=True)
