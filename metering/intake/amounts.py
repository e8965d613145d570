"""What tokens come to at a place: picos where money is counted, tokens where they are.

Pure. A prompt whose cached share is not known yet is taken at its dearest.
"""

from kit.contracts import BudgetPlace, LinearPrice, TokenCounts
from metering.pricing.rating import charge_picos


def amount_of(place: BudgetPlace, price: LinearPrice, counts: TokenCounts) -> int:
    """Return what these counts come to, exactly as an event of them would."""
    if place.kind != "quota":
        return charge_picos(price, counts)
    if place.unit == "output_tokens":
        return counts.output_tokens
    prompt = counts.input_tokens + counts.cached_input_tokens
    if place.unit == "input_tokens":
        return prompt
    return prompt + counts.output_tokens


def bound_of(
    place: BudgetPlace, price: LinearPrice, *, prompt_tokens: int, output_tokens: int
) -> int:
    """Return the most that a prompt of unknown cached share and its output come to."""
    if place.kind != "quota":
        dearest = max(price.input_picos, price.cached_input_picos)
        return prompt_tokens * dearest + output_tokens * price.output_picos
    return amount_of(
        place,
        price,
        TokenCounts(input_tokens=prompt_tokens, output_tokens=output_tokens),
    )


def per_output_token(place: BudgetPlace, price: LinearPrice) -> int:
    """Return what one more token of output comes to."""
    if place.kind != "quota":
        return price.output_picos
    return 0 if place.unit == "input_tokens" else 1
