"""Opens the way to share slots that an installation needs: by a store, or evenly.

Failure: an address that cannot be read is a `ValueError`. A store that does not answer
keeps nobody from starting.
"""

from collections.abc import Callable

from inference.limiting.address import parse_address
from inference.limiting.client import StoreClient
from inference.scheduling.leases import GREETING, LeasedShares
from inference.scheduling.shares import WholeShares

# No request waits for it: it may take longer than where one does.
DEADLINE_S = 0.25


async def open_shares(
    url: str, *, gateway: str, processes: Callable[[], int]
) -> WholeShares | LeasedShares:
    """Return shares leased by the store at `url`; without one, by counting gateways."""
    if not url:
        return WholeShares(processes=processes)
    client = StoreClient(parse_address(url), deadline_s=DEADLINE_S, greeting=GREETING)
    await client.connected()
    return LeasedShares(client, gateway=gateway, processes=processes)
