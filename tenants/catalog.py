"""Which models a key may be narrowed to, told by the part that serves them.

This app comes before serving and imports nothing of it, so serving hands its list over
when Django starts. Failure: without a list no model is known, and naming one is refused
rather than kept unchecked.
"""

from collections.abc import Callable, Collection

# Returns the public names of the models; of those that are offered, or of all.
Names = Callable[[bool], Collection[str]]


class Catalog:
    """The names of models, asked anew each time: models come and go."""

    def __init__(self) -> None:
        self._names: Names = lambda offered: ()

    def read_from(self, names: Names) -> None:
        """Ask here from now on."""
        self._names = names

    def known_models(self, *, offered: bool = False) -> frozenset[str]:
        """Return the names of all models, or only of those that callers may use now."""
        return frozenset(self._names(offered))


_catalog = Catalog()
read_from = _catalog.read_from
known_models = _catalog.known_models
