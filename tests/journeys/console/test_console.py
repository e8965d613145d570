"""The journeys through the console, each in a module of its own, in one product.

Here they are collected: a file of tests is one product's.
"""

import pytest

from tests.journeys.console.bills import (
    test_credit_is_paid_for_on_the_providers_page_and_a_receipt_comes,
)
from tests.journeys.console.first_call import (
    test_from_an_invitation_to_the_first_streamed_answer,
)
from tests.journeys.console.keys import (
    test_a_key_is_rotated_with_an_overlap_revoked_and_stopped,
)
from tests.journeys.console.playground import (
    test_an_answer_streams_and_costs_what_its_receipt_says,
    test_it_stops_compares_and_goes_on,
    test_nothing_of_it_is_kept,
    test_what_is_refused_is_said_and_can_be_sent_again,
)

pytestmark = pytest.mark.timeout(300)

__all__ = [
    "test_a_key_is_rotated_with_an_overlap_revoked_and_stopped",
    "test_an_answer_streams_and_costs_what_its_receipt_says",
    "test_credit_is_paid_for_on_the_providers_page_and_a_receipt_comes",
    "test_from_an_invitation_to_the_first_streamed_answer",
    "test_it_stops_compares_and_goes_on",
    "test_nothing_of_it_is_kept",
    "test_what_is_refused_is_said_and_can_be_sent_again",
]
