"""Where a request of the management API comes from.

The gateway drops what clients write of forwarding, reads the chain of the proxies that
it trusts, and names one address. Failure: what is no address is None, which lies in no
network.
"""

from django.http import HttpRequest

from kit.networks import Address, address_of


def client_address(request: HttpRequest) -> Address | None:
    """Return the address that the request was sent from."""
    named = request.headers.get("X-Forwarded-For") or request.META.get("REMOTE_ADDR")
    # No more than one is expected; of several the last was not written by the client.
    return address_of(str(named or "").rpartition(",")[2])
