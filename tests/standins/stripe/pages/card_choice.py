"""The choice of a test card: there is no other way to pay at a stand-in."""

from collections.abc import Sequence
from html import escape

from tests.standins.stripe.world.cards import BANK_ACCOUNTS, CARDS, DAY_S, Card

_AUTHENTICATION = {
    "unless_set_up": "asks you to confirm, unless it was stored before",
    "always": "asks you to confirm each time",
}
_REFUNDS = {"later": "refunds take a while", "fails_later": "refunds fail later on"}


def choice(kinds: Sequence[str], *, label: str = "Test card") -> str:
    """Return a field named `card` with the cards of these kinds."""
    options = "".join(
        f'<option value="{escape(card.number)}">{escape(_told(card))}</option>'
        for card in (*CARDS, *BANK_ACCOUNTS)
        if card.kind in kinds
    )
    return (
        f'<label for="card">{escape(label)}</label>'
        f'<select id="card" name="card">{options}</select>'
    )


def _told(card: Card) -> str:
    grouped = " ".join(
        card.number[start : start + 4] for start in range(0, len(card.number), 4)
    )
    effects = ", ".join(_effects(card)) or "pays"
    return f"{grouped} ({card.brand or 'SEPA'}): {effects}"


def _effects(card: Card) -> list[str]:
    effects = []
    if card.authentication in _AUTHENTICATION:
        effects.append(_AUTHENTICATION[card.authentication])
    if card.refuses_to_pay is not None:
        effects.append(card.refuses_to_pay.message.rstrip(".").lower())
    if card.disputed is not None:
        effects.append(f"pays, and is disputed at once ({card.disputed})")
    if card.refunds in _REFUNDS:
        effects.append(f"pays, {_REFUNDS[card.refunds]}")
    if card.settles_after_s:
        slow = card.settles_after_s >= DAY_S
        effects.append("settles after days" if slow else "settles after seconds")
    return effects
