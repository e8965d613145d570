"""What `make up` is told, by environment variables like all the rest."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from config.env_base import Settings
from config.local.children import LOOPBACK

# What the engine that comes along serves.
SIMULATED_MODEL = "demo-model"


class UpSettings(Settings):
    """The whole product on one machine: `make up`."""

    state_dir: Path = Field(
        Path(".tollgate"), description="Folder of all state that is kept between runs."
    )
    gateways: int = Field(
        1, ge=1, le=64, description="Gateway processes that share the port."
    )
    host: str = Field(LOOPBACK, description="Address that the gateways listen on.")
    port: int = Field(
        8000, ge=1, le=65535, description="The one public port, shared by the gateways."
    )
    engine_url: str = Field(
        "", description="An engine to use instead of the simulator, without /v1."
    )
    engine_model: str = Field(
        "", description="The engine's name of its model; by default the first it lists."
    )
    engine_dialect: Literal["vllm", "openai"] = Field(
        "vllm", description="What the engine speaks."
    )
    engine_tokenizer: Literal["", "cl100k_base", "o200k_base"] = Field(
        "", description="Counts the tokens of an engine that reports none."
    )
    database_url: str = Field("", description="A PostgreSQL to use, as its owner role.")
    redis_url: str = Field("", description="A Valkey or Redis to use.")
