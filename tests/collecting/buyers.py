"""What those do who buy credit: ask for a page and pay on it, or let a rule buy.

Every other one has stored a card at Stripe, and a rule that buys with it; the others
ask for pages, and pay at once, fail first, or never come back. Failure: what the
product refuses somebody who asks too soon is left as it is. Owns: nothing.
"""

import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from kit.errors import Conflict
from kit.money import picos_from_minor
from metering.collection.buying.asking import ask_checkout
from metering.collection.methods import read_methods
from metering.collection.models import Purchase
from metering.ledger.wallets import wallet
from metering.topups.services import set_rule
from metering.usage.selectors import database_now
from tenants.models import Tenant
from tests.collecting.payers import DECLINED, VISA
from tests.collecting.place import Place, Stripe
from tests.metering.collection.shopping import customer
from tests.standins.stripe.errors import ApiError
from tests.standins.stripe.world import cards, checkout, customers, methods

AMOUNT_MINOR = 5_000
CREDIT_S_MAX = 60
RULES_EVERY = 2
BOUGHT_BY_RULE_MAX = 4


@dataclass(slots=True)
class Buyers:
    """Who buys, and what was bought how."""

    stripe: Stripe
    tenants: Sequence[Tenant]
    dice: random.Random
    done: Counter[str] = field(default_factory=Counter)
    seen: set[str] = field(default_factory=set)

    def make_rules(self) -> None:
        """Let some store a card, and have a rule buy with it at once."""
        for tenant in self.tenants[::RULES_EVERY]:
            self._store_card(tenant)
            picos = picos_from_minor(AMOUNT_MINOR, tenant.currency)
            set_rule(
                tenant=tenant,
                threshold_picos=picos * BOUGHT_BY_RULE_MAX,
                amount_minor=AMOUNT_MINOR,
                period_max_minor=AMOUNT_MINOR * BOUGHT_BY_RULE_MAX,
                cool_off_s=60,
            )

    def ask(self, place: Place) -> None:
        """Let one who pays on pages ask for one."""
        tenant = self.dice.choice(self.tenants[1::RULES_EVERY])
        try:
            ask_checkout(tenant=tenant, amount_minor=AMOUNT_MINOR, now=place.now)
        except Conflict:
            self.done["asked too soon"] += 1
        else:
            self.done["asked for a page"] += 1

    def pay(self) -> None:
        """Let those whose page is there decide about it, once."""
        rows = Purchase.objects.filter(state=Purchase.State.OPEN)
        for session in rows.exclude(session="").values_list("session", flat=True):
            if session in self.seen:
                continue
            self.seen.add(session)
            lot = self.dice.choice(("page paid", "page declined", "page left"))
            self.done[lot] += 1
            if lot == "page declined":
                self.pay_on(session, DECLINED)
            if lot != "page left":
                self.pay_on(session, VISA)

    def time_credit(self, place: Place) -> list[float]:
        """Pay page after page; return how long each took to be credit, in seconds."""
        took = []
        for row in Purchase.objects.filter(state=Purchase.State.OPEN).order_by("pk"):
            started = time.monotonic()
            assert self.pay_on(row.session, VISA)
            while not wallet(tenant=row.tenant, now=place.now).available:
                assert time.monotonic() < started + CREDIT_S_MAX, row
                time.sleep(0.005)
            took.append(time.monotonic() - started)
        return sorted(took)

    def pay_on(self, session: str, card: str) -> bool:
        """Press the page's button; tell whether the card was taken."""
        with self.stripe.standin.engine.opened(self.stripe.account) as account:
            try:
                checkout.complete(account, session, card)
            except ApiError:
                return False
            return True

    def _store_card(self, tenant: Tenant) -> None:
        owner = customer(tenant)
        with self.stripe.standin.engine.opened(self.stripe.account) as account:
            card = methods.of_card(account, cards.by_number(VISA))
            methods.keep(account, card, account.customer(owner.reference))
            chosen: Any = {"default_payment_method": card["id"]}
            customers.update(account, owner.reference, {"invoice_settings": chosen})
        read_methods(customer=owner, now=database_now())
