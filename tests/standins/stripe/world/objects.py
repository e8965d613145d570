"""Rows of an account: made blank in Stripe's shape, found, listed and changed.

`blanks.json` says for each kind what an object shows that nobody asked anything of: it
comes from Stripe's own fixtures (see LICENSE beside it), reduced to keys and neutral
values, so that every key which Stripe shows is there.
"""

import copy
import json
import pickle
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

from tests.standins.stripe.account import Account, Json, created_in
from tests.standins.stripe.errors import invalid, missing

_BLANKS: dict[str, Json] = json.loads(
    (Path(__file__).parent / "blanks.json").read_text()
)
_PICKLED = {kind: pickle.dumps(blank["blank"]) for kind, blank in _BLANKS.items()}
_PREFIXES = {
    "balance_transaction": "txn",
    "billing.meter": "mtr",
    "billing.meter_event_summary": "mtrusg",
    "billing_portal.configuration": "bpc",
    "billing_portal.session": "bps",
    "charge": "ch",
    "checkout.session": "cs_test",
    "credit_note": "cn",
    "credit_note_line_item": "cnli",
    "customer": "cus",
    "customer_balance_transaction": "cbtxn",
    "dispute": "du",
    "invoice": "in",
    "invoice_payment": "inpay",
    "invoiceitem": "ii",
    "item": "li",
    "line_item": "il",
    "payment_intent": "pi",
    "payment_method": "pm",
    "price": "price",
    "refund": "re",
    "setup_intent": "seti",
    "tax.calculation": "taxcalc",
    "tax.calculation_line_item": "tax_li",
    "tax.transaction": "tax",
    "tax.transaction_line_item": "tax_li",
    "tax_id": "txi",
    "tax_rate": "txr",
}
# Parameters that say how the answer looks, or where a list begins: every route's.
_EVERYWHERE = frozenset(
    {"expand", "limit", "starting_after", "ending_before", "created"}
)


def made(account: Account, kind: str, **fields: Any) -> Json:
    """Return a new object that the account does not hold: a part of another one."""
    blank = _BLANKS[kind]
    needed = set(blank.get("needs", "").split())
    if not needed <= fields.keys():
        raise TypeError(f"a {kind} needs {', '.join(sorted(needed - fields.keys()))}")
    stamps: dict[str, Callable[[], Any]] = {
        "id": lambda: account.new_id(_PREFIXES[kind]),
        "created": account.now,
        "livemode": lambda: account.livemode,
    }
    return {
        **{name: stamps[name]() for name in blank["stamped"].split()},
        "object": kind,
        **dict.fromkeys(blank.get("null", "").split()),
        **_unpickled(kind),
        **fields,
    }


def _unpickled(kind: str) -> Json:
    """Return the blank's values, as new as a deep copy and much sooner."""
    values: Json = pickle.loads(_PICKLED[kind])  # noqa: S301 - pickled above
    return values


def new(account: Account, kind: str, **fields: Any) -> Json:
    """Add an object to the account."""
    row = made(account, kind, **fields)
    account.rows[kind][row["id"]] = row
    return row


def found(account: Account, kind: str, reference: str, *, param: str = "id") -> Json:
    """Return an object; 404 when there is none."""
    row = account.rows[kind].get(reference)
    if row is None:
        raise missing(kind.rpartition(".")[2], reference, param=param)
    return row


def listed(
    account: Account, kind: str, params: Json, *, by: str = "", at: str = "created"
) -> Iterator[Json]:
    """Yield the objects that fit the named parameters, newest first."""
    wanted = {name: params[name] for name in by.split() if name in params}
    for row in reversed(account.rows[kind].values()):
        fits = all(row[name] == value for name, value in wanted.items())
        if fits and created_in({"created": row[at]}, params.get("created")):
            yield row


def changed(row: Json, **fields: Any) -> Json:
    """Set fields; return what was there before, of those that are different now."""
    previous = {
        name: copy.deepcopy(row.get(name))
        for name, value in fields.items()
        if row.get(name) != value
    }
    row.update(fields)
    return previous


def update(account: Account, row: Json, **fields: Any) -> Json:
    """Set fields of an object, with the event that says so when they differ."""
    previous = changed(row, **fields)
    if previous:
        account.emit(f"{row['object']}.updated", row, previous=previous)
    return row


def heed(params: Json, known: Collection[str] | str) -> None:
    """Refuse what the SDK declares and this stand-in would only ignore."""
    names = set(known.split() if isinstance(known, str) else known)
    unknown = params.keys() - names - _EVERYWHERE
    if unknown:
        raise invalid(
            f"This stand-in does not do {', '.join(sorted(unknown))}.",
            param=min(unknown),
        )
