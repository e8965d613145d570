"""What payers do at Stripe, by lot: pay, fail first, want money back, dispute, wait.

Failure: what the stand-in refuses a payer is part of the lot; anything else is raised.
Owns: nothing; every deed is done under the stand-in's lock, as a request is.
"""

import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

from metering.billing.models import Invoice
from tests.collecting.deciding import decided_as
from tests.collecting.place import MARK, Stripe
from tests.standins.stripe.errors import ApiError
from tests.standins.stripe.world import disputes, hosted, refunds

VISA = "4242424242424242"
DECLINED = "4000000000000002"
DISPUTED = "4000000000000259"
# How many of a hundred do what.
LOTS = {
    "card": 68,
    "declined first": 10,
    "refunded": 6,
    "refunded in part": 5,
    "disputed": 6,
    "waits": 5,
}
# What those do of whose invoices Finance decides something here.
DECIDED_LOTS = {"card": 85, "declined first": 10, "waits": 5}
_OUTCOMES: tuple[Literal["won", "lost"] | None, ...] = ("won", "lost", None)


@dataclass(slots=True)
class Payers:
    """Who has paid what how."""

    stripe: Stripe
    dice: random.Random
    done: Counter[str] = field(default_factory=Counter)
    # Payment intents by what is still to happen to them.
    intents: dict[str, str] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)

    def pay(self) -> int:
        """Decide about each open invoice once; return how many were paid."""
        before = len(self.intents)
        for reference in self._open():
            self.seen.add(reference)
            lots = DECIDED_LOTS if self._is_decided(reference) else LOTS
            [lot] = self.dice.choices(list(lots), weights=list(lots.values()))
            self.done[lot] += 1
            if lot == "declined first":
                self._decline(reference)
            if lot != "waits":
                card = DISPUTED if lot == "disputed" else VISA
                self.intents[self._pay(reference, card)] = lot
        return len(self.intents) - before

    def regret(self) -> None:
        """Let those who want money back have it, and banks decide their disputes."""
        account = self.stripe.account
        for intent, lot in self.intents.items():
            if lot.startswith("refunded"):
                with self.stripe.standin.engine.opened(account):
                    amount = account.rows["payment_intent"][intent]["amount_received"]
                    part = amount if lot == "refunded" else amount // 3
                    asked = {"payment_intent": intent, "amount": part}
                    refunds.create(account, asked)
                self.intents[intent] = "card"
        with self.stripe.standin.engine.opened(account):
            for dispute in list(account.rows["dispute"].values()):
                if dispute["status"] == "needs_response":
                    decide = self.dice.choice(_OUTCOMES)
                    self.done[f"dispute {decide or 'open'}"] += 1
                    if decide is not None:
                        disputes.decide(account, dispute["id"], decide)

    def _open(self) -> list[str]:
        with self.stripe.standin.engine.opened(self.stripe.account) as account:
            return [
                invoice["id"]
                for invoice in account.invoices.values()
                if invoice["status"] == "open"
                and invoice["amount_remaining"]
                and MARK in invoice["metadata"]
                and invoice["id"] not in self.seen
            ]

    def _is_decided(self, reference: str) -> bool:
        with self.stripe.standin.engine.opened(self.stripe.account) as account:
            mark = account.invoices[reference]["metadata"][MARK]
        return bool(decided_as(Invoice.objects.get(public_id=mark).pk))

    def _pay(self, reference: str, card: str) -> str:
        with self.stripe.standin.engine.opened(self.stripe.account) as account:
            return str(hosted.pay_invoice(account, reference, card)["id"])

    def _decline(self, reference: str) -> None:
        try:
            self._pay(reference, DECLINED)
        except ApiError:
            return
        raise AssertionError("a card that declines has paid")
