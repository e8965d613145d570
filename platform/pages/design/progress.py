"""How far long work is: a part of a page that follows it until it is over. Pure.

It asks for itself anew: that needs `pages.access.live_page`, `parts/live.html` in the
page's head, and a view that answers the part alone. Without a script it says how far
the work was, and leads to a look anew.
"""

from dataclasses import dataclass

from pages.design.badges import Badge
from pages.design.cells import percent_text
from pages.figures import count


@dataclass(frozen=True, slots=True)
class Progress:
    """Work of which `done` of `whole` is done; `whole` is 0 until it is known."""

    title: str
    done: int
    whole: int
    unit: str
    state: Badge
    address: str
    """Where the part is asked for anew."""
    is_over: bool
    note: str = ""
    """How long it may take still, or what came of it."""

    @property
    def text(self) -> str:
        """Return how far it is, in words."""
        if not self.whole:
            return f"{count(self.done)} {self.unit} so far"
        share = percent_text(self.done, self.whole)
        return f"{count(self.done)} of {count(self.whole)} {self.unit}, {share} %"
