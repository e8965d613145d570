"""What a tenant hears who names an endpoint where none may be.

Which addresses these are says `kit.public_addresses`.
"""

from kit.errors import InvalidRequest


def refuse_address(host: str) -> InvalidRequest:
    """Return the refusal of a host that is never called."""
    return InvalidRequest(
        f"'{host[:100]}' is not an address that this installation calls: it is private."
        " Give one that can be reached from everywhere, or ask the operator.",
        param="url",
    )
