"""How a group of settings is read: from the environment, by the names of its fields."""

from pydantic_settings import BaseSettings, SettingsConfigDict

from kit.networks import Network, network_of


class Settings(BaseSettings):
    """Base of all groups; unknown variables are other programs' business."""

    model_config = SettingsConfigDict(
        extra="ignore", frozen=True, env_ignore_empty=True
    )


def listed(text: str) -> tuple[str, ...]:
    """Return what a setting lists, parted by commas."""
    return tuple(filter(None, (part.strip() for part in text.split(","))))


def networks_listed(text: str) -> tuple[Network, ...]:
    """Return the networks that a setting lists; raises `ValueError` with the remedy."""
    return tuple(network_of(part) for part in listed(text))
