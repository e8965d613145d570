"""Wait for what will happen, without saying when.

Failure: what does not happen within the deadline fails the test by name.
"""

import asyncio
from collections.abc import Callable

POLL_S = 0.005


async def eventually(condition: Callable[[], object], *, seconds: float = 10) -> None:
    """Return once the condition holds; fails after `seconds`."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while not condition():
        if loop.time() > deadline:
            code = getattr(condition, "__code__", None)
            where = f" ({code.co_filename}:{code.co_firstlineno})" if code else ""
            raise AssertionError(f"this did not happen in {seconds} s{where}")
        await asyncio.sleep(POLL_S)
