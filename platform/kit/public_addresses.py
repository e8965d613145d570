"""Which addresses others may make this installation call: public ones, and named ones.

Tenants choose whom webhooks call, and callers which pictures a model is to look at.
Without this rule they would make us call what only we can reach: ourselves, our
database, the metadata of our cloud.

An IPv6 address that carries an IPv4 one in it, mapped or translated, is judged as the
one that it leads to. Failure: what is no address, or carries what cannot be judged, is
refused. Pure.
"""

from collections.abc import Collection
from ipaddress import IPv4Address, IPv6Address, IPv6Network

from kit.networks import Address, Network, address_of, lies_within, network_of

# Public by their numbers, and yet not for us to call.
_REFUSED: tuple[Network, ...] = tuple(
    network_of(text)
    for text in (
        "0.0.0.0/8",
        "100.64.0.0/10",
        "168.63.129.16/32",  # a cloud's own services
        "192.0.0.0/24",
        "192.88.99.0/24",
        "198.18.0.0/15",
        "::/96",
        "64:ff9b:1::/48",
        "2001::/23",
        "2002::/16",
        "fec0::/10",
    )
)
_TRANSLATED = IPv6Network("64:ff9b::/96")


def may_be_called(text: str, *, allowed: Collection[Network]) -> bool:
    """Tell whether an address, written as a resolver gives it, may be called."""
    address = address_of(text)
    if address is None or "%" in text:
        return False
    carried = _carried(address)
    if lies_within(carried, allowed):
        return True
    return (
        carried.is_global
        and not carried.is_multicast
        and not carried.is_reserved
        and not lies_within(carried, _REFUSED)
    )


def is_loopback(text: str) -> bool:
    """Tell whether an address is this machine's own."""
    address = address_of(text)
    return address is not None and address.is_loopback


def _carried(address: Address) -> Address:
    """Return the IPv4 address that one of IPv6 is translated to, or the address."""
    if isinstance(address, IPv6Address) and address in _TRANSLATED:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address
