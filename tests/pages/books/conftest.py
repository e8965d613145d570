"""Books that are kept, for the pages that show them."""

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.pages.books.world import Books


@pytest.fixture
def books(operator_db: None) -> "Books":
    """Fill the books of September and October 2026."""
    # Models can be imported once the settings are there, which is after this file.
    from tests.pages.books.world import fill  # noqa: PLC0415

    return fill()
