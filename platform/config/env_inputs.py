"""Settings of what is put before models: media, and the tokenizers that count text."""

from pathlib import Path

from pydantic import Field, field_validator

from config.env_base import Settings, listed, networks_listed
from kit.networks import Network


class InputSettings(Settings):
    """What is put before models, beside text; and how text is counted."""

    media_fetch_hosts: str = Field(
        "",
        description="Hosts that images and videos of chats are fetched from, comma"
        " separated: images.example.com, *.example.com, or * for all, with a port where"
        " it is not 443. Empty: media is taken as data only.",
    )
    media_networks_allowed: str = Field(
        "",
        description="Networks beside the public ones that these hosts may be in, comma"
        " separated; empty: none. Callers choose addresses, so name nothing that they"
        " must not reach.",
    )
    tokenizer_dir: Path | None = Field(
        None,
        description="Folder of this installation's own tokenizers, for gateways and web"
        " alike: NAME.tiktoken with NAME.json each. Empty: those that are shipped.",
    )

    @field_validator("media_networks_allowed")
    @classmethod
    def _are_networks(cls, value: str) -> str:
        networks_listed(value)
        return value

    @property
    def media_hosts(self) -> tuple[str, ...]:
        """Return the hosts that are named, as patterns."""
        return listed(self.media_fetch_hosts)

    @property
    def media_networks(self) -> tuple[Network, ...]:
        """Return the networks that are named."""
        return networks_listed(self.media_networks_allowed)
