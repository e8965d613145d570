"""A store that is far away: what it answers comes through later."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path


class Distance:
    """How much later, and how often somebody was answered over it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.delay_s = 0.0
        self.answers = 0


@asynccontextmanager
async def distant(path: Path, at: Path) -> AsyncIterator[Distance]:
    """Listen at a socket for the store at another; yield how far it is."""
    distance, loop = Distance(f"unix://{at}"), asyncio.get_running_loop()

    async def serve(
        client: asyncio.StreamReader, to_client: asyncio.StreamWriter
    ) -> None:
        store, to_store = await asyncio.open_unix_connection(path)

        async def answer() -> None:
            while answers := await store.read(65536):
                distance.answers += 1
                loop.call_later(distance.delay_s, to_client.write, answers)

        answering = asyncio.create_task(answer())
        try:
            while asked := await client.read(65536):
                to_store.write(asked)
        finally:
            answering.cancel()
            to_store.close()
            to_client.close()

    async with await asyncio.start_unix_server(serve, at):
        yield distance
