"""The way to the engines, as the settings have it."""

from config.env_engines import EngineSettings
from inference.engines.client import EnginePool
from inference.engines.origin import Timeouts


def engine_pool(settings: EngineSettings) -> EnginePool:
    """Open the pool; a loop must run."""
    return EnginePool(
        timeouts=Timeouts(
            connect=settings.engine_connect_ms / 1000,
            first_byte=settings.engine_first_byte_ms / 1000,
            idle=settings.engine_idle_ms / 1000,
            total=settings.engine_total_ms / 1000,
        ),
        ca_file=settings.engine_ca_file,
        proxy=settings.engine_proxy,
    )
