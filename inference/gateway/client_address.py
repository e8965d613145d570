"""Where a request comes from: the peer, or what a trusted proxy says of its own peer.

A proxy appends the address that called it to `X-Forwarded-For`. So the chain is read
from its right end for as long as the hop that says so is one of ours: the client is the
right-most hop that is not. What stands further left the client may have made up.

Failure: a hop that is no address ends the chain, and the client then has none. From a
peer that is not trusted no header is believed.
"""

from dataclasses import dataclass

from inference.gateway.http import HttpRequest
from kit.networks import Address, Network, address_of, lies_within, network_of


@dataclass(frozen=True, slots=True)
class Proxies:
    """The proxies in front whose word is believed."""

    networks: tuple[Network, ...] = ()

    @classmethod
    def parse(cls, text: str) -> "Proxies":
        """Read addresses and networks, comma separated; raises `ValueError`."""
        parts = (part.strip() for part in text.split(","))
        return cls(tuple(network_of(part) for part in parts if part))

    def are_in_front(self, http: HttpRequest) -> bool:
        """Tell whether the peer of this request is one of them."""
        return bool(self.networks) and self._include(_peer(http))

    def client(self, http: HttpRequest) -> Address | None:
        """Return the address of the client; None where nobody can tell."""
        hop = _peer(http)
        if not self._include(hop):
            return hop
        for text in reversed(_forwarded_for(http)):
            hop = address_of(text)
            if not self._include(hop):
                break
        return hop

    def _include(self, address: Address | None) -> bool:
        return lies_within(address, self.networks)


def _peer(http: HttpRequest) -> Address | None:
    peer = http.downstream.head.peer
    return None if peer is None else address_of(peer)


def _forwarded_for(http: HttpRequest) -> list[str]:
    """Return the chain; a header sent more than once goes on where it stopped."""
    values = (
        value.decode("latin-1")
        for name, value in http.headers
        if name == b"x-forwarded-for"
    )
    return [hop for value in values for hop in value.split(",")]
