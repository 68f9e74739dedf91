"""What an operator may choose: ``FRONTALIS_*``. The only reader of the environment."""

from __future__ import annotations

import ipaddress
import os
from pathlib import Path
from typing import Literal, Self

from platformdirs import user_data_path
from pydantic import Field, FilePath, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from app.errors import ConfigurationError
from app.seal import Keyring


class Settings(BaseSettings):
    """Read once at start and handed on; nothing below asks the environment again."""

    model_config = SettingsConfigDict(env_prefix="FRONTALIS_", frozen=True, extra="forbid")

    data_dir: Path = Field(
        default_factory=lambda: user_data_path("frontalis"),
        description="Where everything that is kept lies: database, secret, index, converted weights.",
    )
    database_url: str = Field(
        default="",
        description="SQLAlchemy URL, `postgresql+psycopg://...` for Postgres. Empty: SQLite in the data folder.",
    )
    gallery: Literal["faiss", "pgvector", "pgvector-hnsw", "milvus"] = Field(
        default="faiss",
        description="What searches: `faiss` in this process, or a service of its own that several machines share.",
    )
    gallery_url: str = Field(
        default="",
        description="Of `pgvector`: an SQLAlchemy URL, the database itself where empty. Of `milvus`: "
        "`http://HOST:19530/NAME`, or a file for milvus-lite.",
    )
    gallery_token: SecretStr | None = Field(default=None, description="`USER:PASSWORD` or token of Milvus.")
    host: str = Field(default="127.0.0.1", description="Address to listen on. Beyond this machine a key is needed.")
    port: int = Field(default=8000, ge=1, le=65535, description="Port to listen on.")
    api_key: SecretStr | None = Field(
        default=None,
        min_length=16,
        description="A key that may everything, to begin with: `frontalis keys` makes better ones. At least 16 "
        "characters.",
    )
    tls_cert: FilePath | None = Field(
        default=None, description="PEM file of the certificate and its chain, to serve HTTPS."
    )
    tls_key: FilePath | None = Field(default=None, description="PEM file of its private key.")
    trusted_proxies: str = Field(
        default="",
        description="Addresses or networks, with commas between, whose `X-Forwarded-For` and `-Proto` are believed.",
    )
    rate_limit: int = Field(default=1200, ge=1, le=1_000_000, description="Requests a minute with one key.")
    address_rate_limit: int = Field(
        default=6000, ge=1, le=1_000_000, description="Requests a minute from one address, with a key or without."
    )
    seal_key: SecretStr | None = Field(
        default=None,
        description="Seals vectors at rest: 32 bytes in base64 (`frontalis seal key`). Several with commas between: "
        "the first seals, all open.",
    )
    seal_key_file: FilePath | None = Field(default=None, description="A file with that, instead.")
    device: Literal["cpu", "cuda"] = Field(
        default="cpu",
        description="Where networks run and large galleries are searched. `cuda` is refused at start where there is "
        "none.",
    )
    runtime: Literal["openvino", "torch"] = Field(
        default="openvino", description="What runs the networks on the CPU; both give the same vectors."
    )
    extractor: str = Field(
        default="fast",
        min_length=1,
        description="Name or id of a card, shipped or in `weights` of the data folder, or the path of an ONNX file.",
    )
    min_face: int = Field(default=20, ge=12, le=1000, description="Smallest face looked for, in pixels.")
    detection_side: int = Field(
        default=1024, ge=64, le=8192, description="Larger pictures are looked at with this longer side."
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
    follow_seconds: float = Field(
        default=1.0, ge=0.05, le=60, description="Seconds until what another process enrols or deletes is known here."
    )
    fpir: float = Field(
        default=0.01,
        gt=0,
        lt=1,
        description="False-positive identification rate that identify aims at, whatever the size of the collection.",
    )
    fmr: float = Field(default=1e-4, gt=0, lt=1, description="False match rate that verify aims at.")
    template_age: float = Field(
        default=5.0,
        gt=0,
        le=150,
        description="Years after which identify calls a template old, where its age is known.",
    )
    review_factor: float = Field(
        default=10.0,
        ge=1,
        le=1000,
        description="What would match at this many times the wanted rate is for a person to review.",
    )
    webhook_private_targets: bool = Field(
        default=False, description="Let webhooks reach this machine and private networks, and plain HTTP."
    )
    max_boards: int = Field(default=32, ge=1, le=1000, description="Live boards that may listen at once.")
    min_quality: float = Field(
        default=10.0, ge=0, le=100, description="Faces below this overall quality (0-100) are not enrolled."
    )
    max_covered: float = Field(
        default=0.3,
        ge=0,
        le=1,
        description="Faces of which more than this part (0-1) is covered are not enrolled, where the model can tell.",
    )
    presentation: Literal["off", "warn", "refuse"] = Field(
        default="off", description="What a visit does when its pictures look like a print or a screen."
    )
    presentation_model: Path | None = Field(
        default=None,
        description="ONNX file, or a folder of several to average, that tells print, real and replay apart.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(default="info", description="Least level logged.")

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, value: str) -> str:
        networks = [ipaddress.ip_network(one.strip(), strict=False) for one in value.split(",") if one.strip()]
        if any(network.prefixlen == 0 for network in networks):
            raise ValueError("every address at once would let anybody say who they are")
        return ",".join(map(str, networks))

    @model_validator(mode="after")
    def _whole_tls(self) -> Self:
        if (self.tls_cert is None) is not (self.tls_key is None):
            raise ValueError("FRONTALIS_TLS_CERT and FRONTALIS_TLS_KEY go together")
        return self

    @model_validator(mode="after")
    def _keys_that_seal(self) -> Self:
        if self.seal_key is not None and self.seal_key_file is not None:
            raise ValueError("FRONTALIS_SEAL_KEY or FRONTALIS_SEAL_KEY_FILE, not both")
        try:
            self.keyring()
        except ConfigurationError as error:
            raise ValueError(error.detail) from None
        return self

    @model_validator(mode="after")
    def _no_blind_check(self) -> Self:
        if self.presentation != "off" and self.presentation_model is None:
            raise ValueError("FRONTALIS_PRESENTATION needs FRONTALIS_PRESENTATION_MODEL: none is shipped")
        return self

    def keyring(self) -> Keyring | None:
        """The keys that seal at rest. Raises ``ConfigurationError``."""
        if self.seal_key_file is not None:
            return Keyring.parse(self.seal_key_file.read_text())
        return None if self.seal_key is None else Keyring.parse(self.seal_key.get_secret_value())

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
