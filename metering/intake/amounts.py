"""What tokens come to at a place: picos where money is counted, tokens where they are.

Pure. A prompt whose cached share is not known yet is taken at its dearest.
"""

from kit.contracts import BudgetPlace, LinearPrice, TokenCounts
from metering.pricing.rating import charge_picos


def amount_of(place: BudgetPlace, price: LinearPrice, counts: TokenCounts) -> int:
    """Return what these counts come to, exactly as an event of them would."""
    if place.kind != "quota":
        return charge_picos(price, counts)
    prompt = counts.input_tokens + counts.cached_input_tokens
    return _counted(place.unit, prompt, counts.output_tokens)


def bound_of(
    place: BudgetPlace, price: LinearPrice, *, prompt_tokens: int, output_tokens: int
) -> int:
    """Return the most that a prompt of unknown cached share and its output come to."""
    if place.kind != "quota":
        dearest = max(price.input_picos, price.cached_input_picos)
        return prompt_tokens * dearest + output_tokens * price.output_picos
    return _counted(place.unit, prompt_tokens, output_tokens)


def floor_of(
    place: BudgetPlace, price: LinearPrice, *, prompt_tokens: int, output_tokens: int
) -> int:
    """Return the least that they come to, whatever share turns out to be cached."""
    if place.kind != "quota":
        cheapest = min(price.input_picos, price.cached_input_picos)
        return prompt_tokens * cheapest + output_tokens * price.output_picos
    return _counted(place.unit, prompt_tokens, output_tokens)


def _counted(unit: str, prompt_tokens: int, output_tokens: int) -> int:
    if unit == "output_tokens":
        return output_tokens
    if unit == "input_tokens":
        return prompt_tokens
    return prompt_tokens + output_tokens
