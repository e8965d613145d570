"""How an address is stored: checked once, in one spelling, and as it will be mailed.

An encoded word (RFC 2047) in an address is decoded as the mail is written: what would
be mailed is another address than the one that was checked, or none at all.

Failure: what is no address, or not its plain spelling, is `InvalidRequest`.
"""

from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from kit.errors import InvalidRequest

_ENCODED = "=?"


def stored_address(email: str) -> str:
    """Return an address as it is stored: two spellings of one are one."""
    address = email.strip()
    try:
        validate_email(address)
    except ValidationError:
        raise _refused() from None
    if not address.isascii():
        raise InvalidRequest(
            "Write the domain of the address in its ASCII form (xn--...).",
            param="email",
        )
    require_plain(address, param="email")
    return address.lower()


def require_plain(address: str, *, param: str) -> None:
    """Raise `InvalidRequest` for an address that would be mailed as another one."""
    if _ENCODED in address or not address.isprintable():
        raise _refused(param)


def _refused(param: str = "email") -> InvalidRequest:
    return InvalidRequest("Give an e-mail address.", param=param)
