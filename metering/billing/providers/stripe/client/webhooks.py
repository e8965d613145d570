"""Webhooks: whether Stripe signed one, and just now.

Failure: anything but a signature of a secret of ours, over these bytes, of this moment,
is not signed. No bytes and no header make it raise.
"""

import datetime as dt
import re
from collections.abc import Sequence

import stripe

TOLERANCE = dt.timedelta(seconds=300)
# What Stripe writes: one time, and a signature of each secret and scheme.
_ITEM = re.compile(r"(?P<name>[a-z][a-z0-9]{0,7})=(?P<value>[0-9A-Za-z]{1,200})")
_TIME = re.compile(r"[0-9]{1,12}")
_HEADER_CHARS_MAX = 4_000


def is_signed(
    payload: bytes, header: str, *, secrets: Sequence[str], now: dt.datetime
) -> bool:
    """Tell whether one of the secrets signed these bytes within `TOLERANCE` of now.

    The SDK compares the signatures. It takes what was signed for the future, so the
    time is looked at here; the header must not leave open which time that is.
    """
    signed_at = _time_in(header)
    if signed_at is None or abs(int(now.timestamp()) - signed_at) > TOLERANCE.seconds:
        return False
    return any(_is_signed(payload, header, secret) for secret in secrets if secret)


def _is_signed(payload: bytes, header: str, secret: str) -> bool:
    try:
        stripe.WebhookSignature.verify_header(payload, header, secret)
    # The payload may be no text.
    except (stripe.SignatureVerificationError, UnicodeDecodeError):
        return False
    return True


def _time_in(header: str) -> int | None:
    """Return the one time of a header that has the form of Stripe's."""
    if len(header) > _HEADER_CHARS_MAX:
        return None
    items = [_ITEM.fullmatch(part) for part in header.split(",")]
    times = [item["value"] for item in items if item and item["name"] == "t"]
    if None in items or len(times) != 1 or not _TIME.fullmatch(times[0]):
        return None
    return int(times[0])
