"""A secret of the data folder, made once: it signs cursors."""

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
        draft = path.with_suffix(f".{os.getpid()}")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(secrets.token_bytes(LENGTH))
        draft.replace(path)
    return path.read_bytes()
