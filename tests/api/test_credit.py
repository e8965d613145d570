"""What people may not say of credit over HTTP."""

import pytest
from django.test import Client

from tests.api.calling import taken
from tests.factories.receivables import make_invoice
from tests.factories.tenants import make_tenant


@pytest.mark.parametrize(
    "reference", ["top-up 17", "Top-up 17", "refund 3 of invoice T-1", "credit note 1"]
)
def test_a_reference_that_we_write_ourselves_is_refused(
    operator: Client, reference: str
) -> None:
    terms = {"tenant": make_tenant().pk, "reference": reference}
    answer = taken(operator, "create_credit_grant", **terms)
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == "reference"


@pytest.mark.parametrize("lines", [[None], [[]], [{"position": 1.5}], [1], {}])
def test_lines_of_a_note_that_are_none_are_refused(
    operator: Client, lines: object
) -> None:
    terms = {"invoice": make_invoice().pk, "lines": lines}
    assert taken(operator, "create_credit_note", **terms).status_code == 400
