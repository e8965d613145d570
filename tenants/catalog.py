"""Which models there are and which of them retire, told by the part that serves them.

This app comes before serving and imports nothing of it, so serving hands its list over
when Django starts. Failure: without a list no model is known, and naming one is refused
rather than kept unchecked.
"""

import datetime as dt
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Retirement:
    """A model whose calls are refused from an instant on, and what to call instead."""

    model: str
    retires_at: dt.datetime
    successor: str = ""


# Returns the public names of the models; of those that are offered, or of all.
Names = Callable[[bool], Collection[str]]
Retirements = Callable[[], Sequence[Retirement]]


class Catalog:
    """The names of models, asked anew each time: models come and go."""

    def __init__(self) -> None:
        self._names: Names = lambda offered: ()
        self._retirements: Retirements = lambda: ()

    def read_from(self, names: Names, retirements: Retirements = lambda: ()) -> None:
        """Ask here from now on."""
        self._names = names
        self._retirements = retirements

    def known_models(self, *, offered: bool = False) -> frozenset[str]:
        """Return the names of all models, or only of those that callers may use now."""
        return frozenset(self._names(offered))

    def retirements(self) -> Sequence[Retirement]:
        """Return which offered models retire or have retired, the soonest first."""
        return self._retirements()


_catalog = Catalog()
read_from = _catalog.read_from
known_models = _catalog.known_models
retirements = _catalog.retirements
