"""Whatever happens in whatever order: no money appears, and each change is told."""

import contextlib
from typing import Any

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.standins.stripe.account import Account
from tests.standins.stripe.clock import VirtualClock
from tests.standins.stripe.errors import ApiError
from tests.standins.stripe.shapes import shown
from tests.standins.stripe.world import (
    balances,
    cards,
    checkout,
    collecting,
    credit_notes,
    customers,
    disputes,
    finalising,
    hosted,
    intents,
    invoices,
    items,
    methods,
    refunds,
)

DAY_S = 86_400
NUMBERS = [card.number for card in cards.CARDS]
TOKENS = [card.tokens[0] for card in (*cards.CARDS, *cards.BANK_ACCOUNTS)]
# Changed by Stripe without an event of the object's own.
SILENT = {
    "customer": {"next_invoice_sequence"},
    # Money becomes available some days later.
    "dispute": {"balance_transactions"},
    "payment_intent": {"amount"},
}
TOLD = (
    "charge",
    "checkout.session",
    "credit_note",
    "customer",
    "dispute",
    "invoice",
    "payment_intent",
    "payment_method",
    "refund",
)
Row = dict[str, Any]


class StillClock(VirtualClock):
    """A clock that only tests move, so that a run can be had again."""

    def __init__(self) -> None:
        super().__init__()
        self.moment = 1_800_000_000.0

    def now(self) -> float:
        return self.moment

    def advance(self, seconds: float) -> None:
        self.moment += seconds


class World(RuleBasedStateMachine):
    """One customer, and everything that can happen to its invoices and payments."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = StillClock()
        self.account = Account(self.clock, base_url="http://stripe.test")

    @initialize(currency=st.sampled_from(["usd", "eur"]))
    def begin(self, currency: str) -> None:
        self.currency = currency
        address = {"country": "DE"}
        asked = {"name": "Acme", "address": address}
        self.customer: str = customers.create(self.account, asked)["id"]

    def one(self, kind: str, pick: int, **fields: Any) -> str:
        """Return the id of some object with these fields, or of none at all."""
        rows = [
            row["id"]
            for row in self.account.rows[kind].values()
            if all(row[name] == value for name, value in fields.items())
        ]
        return rows[pick % len(rows)] if rows else "none"

    @rule(token=st.sampled_from(TOKENS))
    def take_a_card(self, token: str) -> None:
        with contextlib.suppress(ApiError):
            given = {"customer": self.customer}
            method = methods.attach(self.account, token, given)
            default = {"default_payment_method": method["id"]}
            asked = {"invoice_settings": default}
            customers.update(self.account, self.customer, asked)

    @rule(pick=st.integers(0, 9))
    def lose_a_card(self, pick: int) -> None:
        with contextlib.suppress(ApiError):
            reference = self.one("payment_method", pick, customer=self.customer)
            methods.detach(self.account, reference)

    @rule(
        amounts=st.lists(st.integers(-200, 3000), min_size=1, max_size=3),
        advances=st.booleans(),
        taxed=st.booleans(),
    )
    def invoice(self, amounts: list[int], advances: bool, taxed: bool) -> None:
        asked = {
            "customer": self.customer,
            "currency": self.currency,
            "auto_advance": advances,
            "automatic_tax": {"enabled": taxed},
        }
        made = invoices.create(self.account, asked)
        lines = [{"amount": amount} for amount in amounts]
        items.add_lines(self.account, made["id"], {"lines": lines})

    @rule(pick=st.integers(0, 9))
    def finalise(self, pick: int) -> None:
        reference = self.one("invoice", pick, status="draft")
        with contextlib.suppress(ApiError):
            finalising.finalise(self.account, reference, {})

    @rule(pick=st.integers(0, 9), how=st.sampled_from(["card", "band", "asked"]))
    def pay(self, pick: int, how: str) -> None:
        reference = self.one("invoice", pick, status="open")
        asked: Row = {"off_session": how == "card", "paid_out_of_band": how == "band"}
        with contextlib.suppress(ApiError):
            collecting.pay(self.account, reference, asked)

    @rule(pick=st.integers(0, 9), number=st.sampled_from(NUMBERS))
    def pay_on_the_page(self, pick: int, number: str) -> None:
        with contextlib.suppress(ApiError):
            reference = self.one("invoice", pick, status="open")
            hosted.pay_invoice(self.account, reference, number)

    @rule(pick=st.integers(0, 9), passed=st.booleans())
    def answer_the_bank(self, pick: int, passed: bool) -> None:
        with contextlib.suppress(ApiError):
            asked = self.one("payment_intent", pick, status="requires_action")
            hosted.authenticate(self.account, asked, passed=passed)

    @rule(pick=st.integers(0, 9), gives_up=st.booleans())
    def end_an_invoice(self, pick: int, gives_up: bool) -> None:
        reference = self.one("invoice", pick, status="open")
        end = collecting.mark_uncollectible if gives_up else collecting.void
        with contextlib.suppress(ApiError):
            end(self.account, reference)

    @rule(number=st.sampled_from(NUMBERS), amount=st.integers(50, 3000))
    def buy_on_a_page(self, number: str, amount: int) -> None:
        product = {"name": "Credit"}
        price = {
            "currency": self.currency,
            "unit_amount": amount,
            "product_data": product,
        }
        asked = {
            "mode": "payment",
            "success_url": "https://shop.example",
            "customer": self.customer,
            "line_items": [{"price_data": price}],
        }
        session = checkout.create(self.account, asked)
        with contextlib.suppress(ApiError):
            checkout.complete(self.account, session["id"], number)

    @rule(token=st.sampled_from(TOKENS), amount=st.integers(50, 3000))
    def pay_alone(self, token: str, amount: int) -> None:
        asked = {
            "amount": amount,
            "currency": self.currency,
            "customer": self.customer,
            "confirm": True,
            "payment_method": token,
            "allowed_payment_method_types": ["card", "sepa_debit"],
        }
        with contextlib.suppress(ApiError):
            intents.create(self.account, asked)

    @rule(pick=st.integers(0, 9), invoice=st.integers(0, 9))
    def put_a_payment_on_an_invoice(self, pick: int, invoice: int) -> None:
        asked = {"payment_intent": self.one("payment_intent", pick, status="succeeded")}
        reference = self.one("invoice", invoice, status="open")
        with contextlib.suppress(ApiError):
            collecting.attach_payment(self.account, reference, asked)

    @rule(pick=st.integers(0, 9), amount=st.integers(1, 2000))
    def refund(self, pick: int, amount: int) -> None:
        asked = {"charge": self.one("charge", pick, status="succeeded")}
        with contextlib.suppress(ApiError):
            refunds.create(self.account, {**asked, "amount": amount})

    @rule(pick=st.integers(0, 9), won=st.booleans())
    def decide_a_dispute(self, pick: int, won: bool) -> None:
        reference = self.one("dispute", pick)
        with contextlib.suppress(ApiError):
            disputes.decide(self.account, reference, "won" if won else "lost")

    @rule(
        pick=st.integers(0, 9),
        amount=st.integers(1, 1500),
        goes=st.sampled_from(["credit_amount", "refund_amount", "out_of_band_amount"]),
    )
    def credit(self, pick: int, amount: int, goes: str) -> None:
        status = "open" if pick % 2 else "paid"
        reference = self.one("invoice", pick, status=status)
        with contextlib.suppress(ApiError):
            remaining = invoices.retrieve(self.account, reference)["amount_remaining"]
            asked: Row = {"invoice": reference, "amount": amount}
            asked[goes] = max(0, amount - remaining)
            credit_notes.create(self.account, asked)

    @rule(pick=st.integers(0, 9))
    def take_a_note_back(self, pick: int) -> None:
        with contextlib.suppress(ApiError):
            credit_notes.void(self.account, self.one("credit_note", pick))

    @rule(amount=st.integers(-300, 300).filter(bool))
    def adjust_the_balance(self, amount: int) -> None:
        asked = {"amount": amount, "currency": self.currency}
        with contextlib.suppress(ApiError):
            balances.create(self.account, self.customer, asked)

    @rule(seconds=st.sampled_from([1, 11, 3600, DAY_S, 4 * DAY_S, 12 * DAY_S]))
    def wait(self, seconds: int) -> None:
        self.clock.advance(seconds)
        self.account.run_due()

    @invariant()
    def an_invoice_adds_up(self) -> None:
        for invoice in self.account.invoices.values():
            if invoice["status"] == "draft":
                continue
            due, paid = invoice["amount_due"], invoice["amount_paid"]
            assert invoice["amount_remaining"] == due - paid >= 0
            assert (invoice["amount_remaining"] == 0) == (invoice["status"] == "paid")
            carried = invoice["ending_balance"] - invoice["starting_balance"]
            noted = invoice["pre_payment_credit_notes_amount"]
            assert invoice["total"] == due + carried + noted
            payments = self.account.payments_of[invoice["id"]]
            came = sum(row["amount_paid"] or 0 for row in payments)
            band = self.account.out_of_band.get(invoice["id"], 0)
            assert paid == came + band
            for payment in payments:
                if payment["status"] == "open":
                    assert payment["amount_requested"] == due - paid

    @invariant()
    def balances_are_the_sum_of_what_moved_them(self) -> None:
        for customer in self.account.customers.values():
            rows = self.account.rows[balances.KIND].values()
            moved = sum(r["amount"] for r in rows if r["customer"] == customer["id"])
            assert customer["balance"] == moved

    @invariant()
    def money_comes_and_goes_once(self) -> None:
        rows = self.account.rows
        came = [row for row in rows["charge"].values() if row["status"] == "succeeded"]
        back = [row for row in rows["refund"].values() if row["status"] != "failed"]
        lost = [row for row in rows["dispute"].values() if row["status"] != "won"]
        held = sum(row["amount"] for row in rows["balance_transaction"].values())
        assert held == sum(r["amount"] for r in came) - sum(
            r["amount"] for r in [*back, *lost]
        )
        for charge in came:
            own = sum(r["amount"] for r in back if r["charge"] == charge["id"])
            assert charge["amount_refunded"] == own <= charge["amount"]
        for intent in rows["payment_intent"].values():
            own = [r["amount"] for r in came if r["payment_intent"] == intent["id"]]
            done = intent["status"] == "succeeded"
            assert own == ([intent["amount_received"]] if done else [])

    @invariant()
    def each_change_was_told(self) -> None:
        last: dict[str, Row] = {}
        for event in self.account.events.rows.values():
            told = event["data"]["object"]
            last[told.get("id", "")] = told
        for kind in TOLD:
            silent = SILENT.get(kind, set())
            for reference, row in self.account.rows[kind].items():
                if reference not in last and kind in ("payment_method", _OPEN):
                    continue
                now = shown(self.account, row)
                before = last[reference]
                differs = {name for name in now if now[name] != before.get(name)}
                assert differs <= silent, (kind, differs)


# Neither a card of nobody nor a page that nobody used is told of.
_OPEN = "checkout.session"
TestWorld = World.TestCase
TestWorld.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)
