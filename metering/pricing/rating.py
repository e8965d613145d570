"""Rating: what tokens cost under one linear price, in whole picos.

Pure integer arithmetic: nothing rounds, so order, batching and splitting of a request's
tokens change no sum. The gateway rates each request with it, rollups and invoices are
held against it. Failure: none. Owns: the formula, and nothing else.
"""

from kit.contracts import LinearPrice, TokenClass, TokenCounts

CHARGED_CLASSES = (TokenClass.INPUT, TokenClass.CACHED_INPUT, TokenClass.OUTPUT)


def unit_picos(price: LinearPrice, token_class: TokenClass) -> int:
    """Return what one token of the class costs.

    Reasoning lies inside output and requests cost nothing of their own: both are zero.
    """
    match token_class:
        case TokenClass.INPUT:
            return price.input_picos
        case TokenClass.CACHED_INPUT:
            return price.cached_input_picos
        case TokenClass.OUTPUT:
            return price.output_picos
        case _:
            return 0


def class_charges(price: LinearPrice, counts: TokenCounts) -> dict[TokenClass, int]:
    """Return the charge of each class that carries one; counts may be negative."""
    return {
        TokenClass.INPUT: counts.input_tokens * price.input_picos,
        TokenClass.CACHED_INPUT: counts.cached_input_tokens * price.cached_input_picos,
        TokenClass.OUTPUT: counts.output_tokens * price.output_picos,
    }


def charge_picos(price: LinearPrice, counts: TokenCounts) -> int:
    """Return what a request, or a correction of one, costs."""
    return sum(class_charges(price, counts).values())
