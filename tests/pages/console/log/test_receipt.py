"""A receipt in the console: every figure is what was metered, priced and billed."""

import datetime as dt
from dataclasses import replace

import pytest
from django.test import Client

from kit.handling import NOT_NOTED, Handling, Keyed
from kit.orm.roles import as_operator
from metering.billing import services
from metering.billing.models import InvoiceLine
from tenants.models import Member
from tests.factories.accounts import sign_in
from tests.factories.billing import CLOSED, FIRST, STARTED, make_tenant_of
from tests.factories.pricing import make_price
from tests.factories.tenants import make_member
from tests.factories.usage import commit, make_epoch, make_use, undoing
from tests.pages.reading import text

pytestmark = pytest.mark.usefixtures("fresh_database")
ONE_DAY = dt.timedelta(days=1)


def a_request(
    member: Member, *, is_undone: bool = False, handling: Handling = NOT_NOTED
) -> str:
    """Commit a request of the member's tenant; return its id."""
    use = make_use(
        price=make_price(), admitted_at=STARTED + 9 * ONE_DAY, tenant=member.tenant
    )
    use = replace(use, handling=handling)
    epoch = make_epoch(started_at=STARTED, state="closed")
    (event,) = commit(epoch, use)
    if is_undone:
        commit(epoch, undoing(event, use))
    return str(event.request_id)


def receipt(member: Member, request_id: str) -> tuple[int, str]:
    """Return the status and the text of a receipt."""
    person = sign_in(Client(), member.user)
    answer = person.get(f"/console/{member.tenant.slug}/requests/{request_id}/")
    return answer.status_code, text(answer.content)


def test_it_says_when_how_much_and_by_which_price() -> None:
    member = make_member(tenant=make_tenant_of(zone="Europe/Berlin"))
    status, said = receipt(member, a_request(member))

    assert status == 200
    assert "Received and admitted 2026-09-10 02:00:00.000" in said
    assert "First token 2026-09-10 02:00:00.001 +1.0 ms" in said
    assert "Sent to an engine its turn came not recorded" in said
    # 100 x 3 + 20 x 0.3 + 50 x 15, per million.
    assert "Input the request 100 3.00 v1 0.00 0300 USD" in said
    assert "Cached input the request 20 0.30 v1 0.00 0006 USD" in said
    assert "Output the request 50 15.00 v1 0.00 0750 USD" in said
    assert "Total 170 0.00 1056 USD" in said
    assert "Held when it was let in not recorded" in said
    assert "Attempts at engines not recorded" in said
    assert "Idempotency key not recorded" in said
    assert "Invoice none yet by itself" in said


def test_it_names_the_invoice_lines_for_whoever_may_see_invoices() -> None:
    member = make_member(tenant=make_tenant_of())
    request_id = a_request(member)
    with as_operator():
        closed = services.close_period(tenant=member.tenant, date=FIRST, now=CLOSED)
    # Its draft is not the tenant's to see yet.
    _, said = receipt(member, request_id)
    assert "Invoice none yet by itself" in said
    with as_operator():
        assert closed.invoice is not None
        services.issue_invoice(invoice=closed.invoice, now=CLOSED)
        line = InvoiceLine.objects.filter(kind="usage").latest("position")
        closed.invoice.refresh_from_db()

    _, said = receipt(member, request_id)
    named = f"{closed.invoice.number}, line {line.position}"
    assert f"Invoice line {named}: {line.description}" in said
    person = sign_in(Client(), member.user)
    address = f"/console/{member.tenant.slug}"
    page = person.get(f"{address}/requests/{request_id}/").content.decode()
    leads_to = f"{address}/billing/invoices/{closed.invoice.public_id}"
    assert f'href="{leads_to}/lines/{line.position}/"' in page
    assert person.get(f"{leads_to}/lines/{line.position}/").status_code == 200

    developer = make_member(tenant=member.tenant, role="viewer")
    _, said = receipt(developer, request_id)
    assert "your role sees no invoices" in said


def test_what_was_given_back_stands_beside_what_was_charged() -> None:
    member = make_member(tenant=make_tenant_of())
    _, said = receipt(member, a_request(member, is_undone=True))

    assert "Output not delivered: given back -50 15.00 v1 -0.00 0750 USD" in said
    assert "Total 0 0.00 0000 USD" in said
    assert "corrected" in said


HELD = "Held when it was let in"


@pytest.mark.parametrize(
    ("handling", "told"),
    [
        (
            # 200 x 3 + 64 x 15, per million; 0.001056 of it was used.
            Handling(1, 200, 64, Keyed.NONE),
            (
                f"{HELD} 200 input and 64 output tokens, at most 0.00156 USD;"
                " 0.001056 USD was settled, the rest was free at its end",
                "Attempts at engines 1 ",
                "Idempotency key none given",
            ),
        ),
        (
            Handling(3, 120, 8, Keyed.FIRST),
            (
                "at most 0.00048 USD; 0.001056 USD was settled, more was held as it",
                "Attempts at engines 3: 2 before the last did not take it",
                "Idempotency key given: the first attempt with it",
            ),
        ),
        (
            Handling(0, 0, 0, Keyed.RETRY),
            (
                f"{HELD} nothing: no budget, quota or credit bounds it",
                "Attempts at engines none: its answer was kept from before",
                "Idempotency key given: it tried an earlier request again",
            ),
        ),
    ],
)
def test_it_says_what_was_done_for_a_request(
    handling: Handling, told: tuple[str, ...]
) -> None:
    member = make_member(tenant=make_tenant_of())
    _, said = receipt(member, a_request(member, handling=handling))
    for each in told:
        assert each in said


def test_it_is_not_there_for_others() -> None:
    member, other = (make_member(tenant=make_tenant_of()) for _ in range(2))
    request_id = a_request(member)
    assert receipt(other, request_id)[0] == 404
    assert receipt(member, "01a00000-0000-7000-8000-000000000000")[0] == 404
