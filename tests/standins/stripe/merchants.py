"""Several Stripe accounts in one stand-in, told apart by their API keys.

A key names an account and a mode: `sk_live_` and `rk_live_` are live. The first account
also answers to keys that nobody made known, until `is_strict`.
"""

import secrets
from dataclasses import dataclass, field

from tests.standins.stripe.account import Account
from tests.standins.stripe.clock import VirtualClock
from tests.standins.stripe.errors import ApiError
from tests.standins.stripe.idempotency import KeyStore
from tests.standins.stripe.limits import Limits

LIVE_PREFIXES = ("sk_live_", "rk_live_")


@dataclass(slots=True)
class Merchant:
    """One account in one mode, with its idempotency keys and its limits."""

    account: Account
    keys: KeyStore
    limits: Limits


@dataclass(slots=True)
class Merchants:
    """Every account, and the API keys that open them."""

    clock: VirtualClock
    is_strict: bool = False
    rows: list[Merchant] = field(default_factory=list)
    _by_key: dict[str, Merchant] = field(default_factory=dict)

    def add(self, *, name: str, api_key: str = "", reference: str = "") -> Merchant:
        """Open an account; its mode is that of its key."""
        account = Account(self.clock)
        account.name = name
        account.id = reference or f"acct_{secrets.token_hex(8)}"
        account.livemode = api_key.startswith(LIVE_PREFIXES)
        merchant = Merchant(
            account,
            KeyStore(self.clock),
            Limits(self.clock, livemode=account.livemode),
        )
        self.rows.append(merchant)
        if api_key:
            self.give_key(merchant, api_key)
        return merchant

    def give_key(self, merchant: Merchant, api_key: str) -> None:
        """Let a key open an account; raises `ValueError` where the modes differ."""
        if api_key.startswith(LIVE_PREFIXES) != merchant.account.livemode:
            raise ValueError("the key is of another mode than the account")
        self._by_key[api_key] = merchant

    def behind(self, api_key: str) -> Merchant:
        """Return the account that a key opens; raises the refusal of Stripe."""
        if not api_key:
            raise ApiError(401, "You did not provide an API key.", stored=False)
        found = self._by_key.get(api_key)
        if found is None and not self.is_strict:
            found = self.rows[0]
        if found is None:
            raise ApiError(
                401, f"Invalid API Key provided: {_masked(api_key)}", stored=False
            )
        return found


def _masked(api_key: str) -> str:
    return f"{api_key[:8]}{'*' * 8}{api_key[-4:]}"
