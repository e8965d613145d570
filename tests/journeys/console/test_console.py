"""The journeys through the console, each in a module of its own, in one product.

Here they are collected: a file of tests is one product's.
"""

import pytest

from tests.journeys.console.first_call import (
    test_from_an_invitation_to_the_first_streamed_answer,
)

pytestmark = pytest.mark.timeout(300)

__all__ = ["test_from_an_invitation_to_the_first_streamed_answer"]
