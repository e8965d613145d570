"""What is kept of a tenant, in the console: its audit, its files, its settings."""

import csv
import datetime as dt
import hashlib
import io
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.test import Client
from django.utils import timezone

from kit.orm.roles import as_operator
from metering.exports.models import Export
from metering.exports.services import make_exports
from metering.usage.services import cover
from tenants import services
from tenants.models import AuditEntry, Member, Tenant
from tests.factories.accounts import sign_in
from tests.factories.exports import make_export
from tests.factories.limits import make_budget
from tests.factories.tenants import make_key, make_member, make_tenant
from tests.pages.reading import tables, text

ONE_DAY = dt.timedelta(days=1)

pytestmark = pytest.mark.usefixtures("fresh_database")

ASKED = {
    "subject": "usage",
    "form": "csv",
    "first": "2026-09-01",
    "last": "2026-09-30",
}


def at(member: Member, rest: str) -> str:
    """Return an address in the tenant's console."""
    return f"/console/{member.tenant.slug}/{rest}"


def browser(member: Member) -> Client:
    """Return the browser of a member who has signed in."""
    return sign_in(Client(), member.user)


def content(answer: Any) -> bytes:
    """Return the bytes of an answer, streamed or not."""
    return bytes(answer.getvalue())


def test_the_audit_says_who_changed_what_from_what_to_what() -> None:
    member = make_member()
    row = make_key(tenant=member.tenant, name="production").row
    make_key(name="somebody-elses")
    person = browser(member)
    person.post(
        at(member, f"keys/{row.pk}/change/"),
        {"name": "renamed", "scopes": row.scopes, "networks": "", "ends_on": ""},
    )

    page = person.get(at(member, "audit/"))

    newest = tables(page.content)["Changes"][1]
    assert newest[1] == f"{member.email} member"
    assert newest[2] == f"API key {row.pk} changed"
    assert newest[3] == "name: production → renamed"
    assert "somebody-elses" not in text(page.content)
    issued = person.get(at(member, f"audit/?kind=api_key&id={row.pk}&by=system"))
    assert len(tables(issued.content)["Changes"]) == 2
    none = text(person.get(at(member, "audit/?to=2001-01-01")).content)
    assert "No change fits the filters" in none
    for wrong in ("from=nonsense", "to=9999-12-31", "from=0001-01-01"):
        assert person.get(at(member, f"audit/?{wrong}")).status_code == 400
    file = person.get(at(member, "audit/?file=audit"))
    rows = list(csv.DictReader(io.StringIO(content(file).decode())))
    with as_operator():
        assert len(rows) == AuditEntry.objects.filter(chain=member.tenant_id).count()


def test_amounts_in_the_audit_are_read_in_units_of_the_currency() -> None:
    member = make_member()
    # Whole numbers that JSON would round are kept as text.
    make_budget(tenant=member.tenant, amount_picos=12_345_500_000_000_000)
    make_budget(tenant=member.tenant, amount_picos=1_000_000_000_000, window="day")
    page = browser(member).get(at(member, "audit/?kind=budget"))
    newest, first = tables(page.content)["Changes"][1:]
    assert newest[3].startswith("amount: 1.00 USD; ")
    assert first[3].startswith("amount: 12,345.50 USD; ")


def test_days_and_times_of_the_audit_are_the_tenants() -> None:
    member = make_member(tenant=make_tenant(zone="Pacific/Kiritimati"))
    person = browser(member)
    page = person.get(at(member, "audit/"))
    assert "times in Pacific/Kiritimati" in text(page.content)
    newest = tables(page.content)["Changes"][1][0]
    with as_operator():
        row = AuditEntry.objects.filter(chain=member.tenant_id).latest("pk")
    local = row.at.astimezone(ZoneInfo("Pacific/Kiritimati"))
    assert newest == f"{local:%Y-%m-%d %H:%M:%S}"
    for day, there in ((local.date(), True), (local.date() + ONE_DAY, False)):
        found = person.get(at(member, f"audit/?from={day}&to={day}"))
        assert (newest in text(found.content)) is there


@pytest.mark.parametrize(
    ("role", "statuses"),
    [
        ("admin", (200, 200, 200)),
        ("billing", (403, 200, 200)),
        ("developer", (403, 403, 200)),
        ("viewer", (403, 403, 200)),
    ],
)
def test_each_role_sees_what_is_its_own(role: str, statuses: tuple[int, ...]) -> None:
    member = make_member(role=role)
    person = browser(member)
    pages = ("audit/", "exports/", "settings/")
    found = tuple(person.get(at(member, page)).status_code for page in pages)
    assert found == statuses


def test_a_file_is_asked_for_followed_and_fetched() -> None:
    member = make_member(role="billing")
    person = browser(member)
    wrong = person.post(at(member, "exports/"), {**ASKED, "last": "2026-08-01"})
    assert wrong.status_code == 400
    assert "Choose the first day, or a later one." in text(wrong.content)
    assert "end_date" not in text(wrong.content)
    late = person.post(at(member, "exports/"), {**ASKED, "last": "9999-12-31"})
    assert late.status_code == 400
    assert "Choose a day of 2000 to 2199." in text(late.content)

    waiting = person.post(at(member, "exports/"), ASKED, follow=True)

    with as_operator():
        row = Export.objects.get()
    assert (row.tenant_id, row.end_date) == (member.tenant_id, dt.date(2026, 10, 1))
    assert 'hx-get="?part=progress"' in waiting.content.decode()
    early = person.get(at(member, f"exports/{row.pk}/file/"), follow=True)
    assert "is being made" in text(early.content)
    with as_operator():
        make_exports(now=timezone.now())
        row.refresh_from_db()
    part = person.get(at(member, f"exports/{row.pk}/?part=progress")).content.decode()
    assert "ready" in part
    assert "hx-get" not in part
    file = person.get(at(member, f"exports/{row.pk}/file/"))
    assert hashlib.sha256(content(file)).hexdigest() == row.sha256
    assert file["x-tollgate-rows"] == str(row.row_count)


def test_a_file_of_another_tenant_is_not_there() -> None:
    member, theirs = make_member(), make_export(tenant=make_tenant())
    person = browser(member)
    for page in ("", "file/", "?part=progress"):
        answer = person.get(at(member, f"exports/{theirs.pk}/{page}"))
        assert answer.status_code == 404
    assert theirs.file_name not in text(person.get(at(member, "exports/")).content)


def test_the_settings_are_changed_by_who_may() -> None:
    member = make_member()
    with as_operator():
        now = timezone.now()
        cover(tenant=member.tenant, earliest=now, latest=now)
    person, page = browser(member), at(member, "settings/")
    sent = {"name": "Acme", "zone": "Europe/Berlin", "period_day": "15"}

    assert person.post(page, {**sent, "zone": "Nowhere"}).status_code == 400
    shown = text(person.post(page, sent, follow=True).content)

    with as_operator():
        found = Tenant.objects.get(pk=member.tenant_id)
    assert (found.name, found.zone, found.period_day) == ("Acme", "Europe/Berlin", 15)
    assert "1 of 1 member has no second factor" in shown
    viewer = make_member(tenant=member.tenant, role="viewer")
    assert "Change it" not in text(browser(viewer).get(page).content)
    assert browser(viewer).post(page, sent).status_code == 403


def test_of_a_suspended_tenant_nothing_changes() -> None:
    member = make_member()
    with as_operator():
        services.suspend_tenant(tenant=member.tenant)
    sent = {"name": "Acme", "zone": "UTC", "period_day": "1"}
    assert browser(member).post(at(member, "settings/"), sent).status_code == 403
