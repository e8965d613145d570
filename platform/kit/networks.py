"""Addresses of callers, and the networks that keys, tokens and proxies name.

An IPv4 address in IPv6's clothes (`::ffff:192.0.2.1`, as a socket of both families sees
it) is that IPv4 address, whichever of the two a network is written in.

Failure: what is no address is None and lies in no network, so that whoever is kept to a
network and cannot be placed is refused.
"""

import re
from collections.abc import Iterable
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_MAPPED_PREFIX = 96
# Proxies may write a port behind an address; an IPv6 address then stands in brackets.
_WITH_PORT = re.compile(r"\[([^\]]*)\](?::\d{1,5})?|([0-9.]+):\d{1,5}")


def address_of(text: str) -> Address | None:
    """Read an address, with or without a port; None when it is none."""
    text = text.strip()
    if match := _WITH_PORT.fullmatch(text):
        text = match[1] or match[2] or ""
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def network_of(text: str) -> Network:
    """Read a network such as `10.0.0.0/8` or `2001:db8::/32`; an address is one of one.

    Raises `ValueError` with the remedy, host bits that are set included.
    """
    try:
        network = ip_network(text.strip())
    except ValueError:
        raise ValueError(_remedy(text)) from None
    mapped = network.network_address
    if isinstance(mapped, IPv6Address) and mapped.ipv4_mapped is not None:
        # Without host bits, what begins with the 96 bits has all of them in its prefix.
        return IPv4Network((mapped.ipv4_mapped, network.prefixlen - _MAPPED_PREFIX))
    return network


def lies_within(address: Address | None, networks: Iterable[Network]) -> bool:
    """Tell whether an address lies in one of the networks."""
    return address is not None and any(address in network for network in networks)


def lies_inside(network: Network, others: Iterable[Network]) -> bool:
    """Tell whether all of a network lies in a single one of the others."""
    first, last = network[0], network[-1]
    return any(first in other and last in other for other in others)


def _remedy(text: str) -> str:
    shown = f"'{text[:50]}'"
    try:
        network = ip_network(text.strip(), strict=False)
    except ValueError:
        return f"{shown} is no network such as 10.0.0.0/8 or 2001:db8::/32."
    return f"{shown} has bits behind its prefix: write {network}."
