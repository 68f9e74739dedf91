"""What an operator may choose: ``FRONTALIS_*``. The only reader of the environment."""

from __future__ import annotations

import ipaddress
import os
from pathlib import Path
from typing import Literal, Self

from platformdirs import user_data_path
from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Read once at start and handed on; nothing below asks the environment again."""

    model_config = SettingsConfigDict(env_prefix="FRONTALIS_", frozen=True, extra="forbid")

    data_dir: Path = Field(
        default_factory=lambda: user_data_path("frontalis"),
        description="Where everything that is kept lies: database, secret, converted weights.",
    )
    database_url: str = Field(
        default="",
        description="SQLAlchemy URL, `postgresql+psycopg://...` for Postgres. Empty: SQLite in the data folder.",
    )
    host: str = Field(default="127.0.0.1", description="Address to listen on. Beyond this machine a key is needed.")
    port: int = Field(default=8000, ge=1, le=65535, description="Port to listen on.")
    api_key: SecretStr | None = Field(
        default=None,
        min_length=16,
        description="Key asked of every request, as `Authorization: Bearer` or `X-API-Key`. At least 16 characters.",
    )
    device: Literal["cpu", "cuda"] = Field(
        default="cpu", description="Where networks run. `cuda` is refused at start where there is none."
    )
    extractor: str = Field(
        default="", description="Model id of the extractor, or the folder of a card. Empty: the shipped default."
    )
    threads: int = Field(
        default_factory=lambda: os.cpu_count() or 1,
        ge=1,
        le=256,
        description="Requests computed at once, one thread each. Default: the processors of the machine.",
    )
    max_waiting: int = Field(
        default=64, ge=1, le=10_000, description="Requests that may wait for a thread; more are answered 503."
    )
    max_body_bytes: int = Field(default=64 * 2**20, ge=1024, description="Largest request body.")
    max_image_bytes: int = Field(default=16 * 2**20, ge=1024, description="Largest picture file.")
    max_pixels: int = Field(default=40_000_000, ge=1024, description="Largest picture, width times height.")
    max_faces: int = Field(default=20, ge=1, le=1000, description="Most faces in one picture.")
    max_collections: int = Field(default=1000, ge=1, description="Most collections.")
    max_templates: int = Field(default=200, ge=1, le=1000, description="Most templates of one subject.")
    fpir: float = Field(
        default=0.01,
        gt=0,
        lt=1,
        description="False-positive identification rate that identify aims at, whatever the size of the collection.",
    )
    fmr: float = Field(default=1e-4, gt=0, lt=1, description="False match rate that verify aims at.")
    review_band: float = Field(
        default=0.05, ge=0, le=1, description="How far below the threshold (in cosine) a person should have a look."
    )
    min_quality: float = Field(
        default=10.0, ge=0, le=100, description="Faces below this overall quality (0-100) are not enrolled."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(default="info", description="Least level logged.")

    @model_validator(mode="after")
    def _no_open_door(self) -> Self:
        if self.api_key is None and not is_loopback(self.host):
            raise ValueError(
                f"{self.host} can be reached from other machines: set FRONTALIS_API_KEY, or listen on 127.0.0.1"
            )
        return self

    @property
    def database(self) -> str:
        """The SQLAlchemy URL in use."""
        return self.database_url or f"sqlite:///{self.data_dir / 'frontalis.db'}"


def is_loopback(host: str) -> bool:
    """Does ``host`` (an address or a name, no port) mean this machine only?"""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
