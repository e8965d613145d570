"""The settings of whoever calls engines: how patient it is, and how it gets to them."""

from pathlib import Path
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from config.env_base import Settings


class EngineSettings(Settings):
    """The way to the engines."""

    engine_connect_ms: int = Field(
        2000, gt=0, description="Longest wait for a connection to an engine."
    )
    engine_first_byte_ms: int = Field(
        600_000,
        gt=0,
        description="Longest wait for the first byte of an answer's body.",
    )
    engine_idle_ms: int = Field(
        120_000, gt=0, description="Longest silence of an engine within an answer."
    )
    engine_total_ms: int = Field(
        3_600_000, gt=0, description="Longest that one answer of an engine may take."
    )
    engine_probe_ms: int = Field(
        2000, gt=0, description="Pause between two probes of an engine."
    )
    engine_frozen_ms: int = Field(
        15_000,
        gt=0,
        description="How long an engine may answer no probe before requests that have"
        " nothing of their answers are tried elsewhere.",
    )
    engine_ca_file: str = Field(
        "",
        description="File of certificate authorities, in PEM, that engines behind TLS"
        " are known by besides the system's.",
    )
    engine_proxy: str = Field(
        "",
        description="Proxy for engines behind TLS, e.g. http://proxy:3128; the"
        " environment's own proxies are not used.",
    )

    @field_validator("engine_ca_file")
    @classmethod
    def _holds_authorities(cls, value: str) -> str:
        if not value:
            return value
        try:
            text = Path(value).read_text(errors="replace")
        except OSError as error:
            raise ValueError(f"cannot be read: {error.strerror}") from None
        if "BEGIN CERTIFICATE" not in text:
            raise ValueError("no certificate in PEM stands in this file")
        return value

    @field_validator("engine_proxy")
    @classmethod
    def _is_a_proxy(cls, value: str) -> str:
        if value and urlsplit(value).scheme != "http":
            raise ValueError("give an http:// address")
        return value
