"""How a group of settings is read: from the environment, by the names of its fields."""

from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Base of all groups; unknown variables are other programs' business."""

    model_config = SettingsConfigDict(
        extra="ignore", frozen=True, env_ignore_empty=True
    )
