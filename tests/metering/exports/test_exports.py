"""Exports: what a file holds, that all of it is there, and who gets it."""

import csv
import datetime as dt
import hashlib
import io
import json
import zlib
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain, islice, repeat
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from kit.contracts import TokenCounts
from kit.errors import InvalidRequest
from kit.spreadsheet import said
from metering.billing.issuing import issue_invoice
from metering.exports import services, writing
from metering.exports.focus import COLUMNS
from metering.exports.models import Export, ExportPart, Form, Subject
from metering.exports.wanted import Wanted
from metering.exports.writing import Written, blocks
from metering.usage.selectors import database_now
from metering.usage.services import roll_up
from tenants.models import ApiKey, Tenant
from tests.factories.billing import (
    CLOSED,
    FIRST,
    make_draft,
    make_month,
    make_tenant_of,
)
from tests.factories.exports import END, make_export

PICOS = 10**12


def rows_of(row: Export) -> list[dict[str, str]]:
    """Return a file's rows, and see that it is the file of its manifest."""
    content = b"".join(_pieces(row))
    assert hashlib.sha256(content).hexdigest() == row.sha256
    assert len(content) == row.byte_count
    found = list(csv.DictReader(io.StringIO(content.decode())))
    assert len(found) == row.row_count
    return found


def _pieces(row: Export) -> Iterator[bytes]:
    for part in ExportPart.objects.filter(export=row).order_by("number"):
        yield zlib.decompress(bytes(part.content))


def picos(text: str) -> int:
    """Return a decimal in picos, exactly."""
    whole, _, fraction = text.removeprefix("-").partition(".")
    found = int(whole) * PICOS + int(f"{fraction:0<12}")
    return -found if text.startswith("-") else found


@pytest.fixture
def tenant(operator_db: None) -> Tenant:
    """Provide a tenant that used three classes of tokens in a month."""
    tenant = make_tenant_of()
    counts = TokenCounts(
        input_tokens=7, cached_input_tokens=3, output_tokens=5, reasoning_tokens=2
    )
    make_month(tenant=tenant, counts=counts)
    return tenant


def test_usage_is_all_there_in_picos(tenant: Tenant) -> None:
    make_month()

    rows = rows_of(make_export(tenant=tenant))

    assert {row["tenant"] for row in rows} == {tenant.slug}
    assert {row["token_class"]: int(row["quantity"]) for row in rows} == {
        "requests": 1,
        "input": 7,
        "cached_input": 3,
        "output": 5,
        "reasoning": 2,
    }
    for row in rows:
        assert picos(row["charge"]) == int(row["charge_picos"])
    assert {row["date"] for row in rows} == {"2026-09-10"}


def test_without_a_tenant_it_is_of_all(tenant: Tenant) -> None:
    make_month()

    rows = rows_of(make_export())

    assert len({row["tenant_id"] for row in rows}) == 2


def test_focus_has_its_columns_and_the_same_total(tenant: Tenant) -> None:
    plain = rows_of(make_export(tenant=tenant))
    focus = rows_of(make_export(tenant=tenant, form=Form.FOCUS))

    assert tuple(focus[0]) == COLUMNS
    assert len(focus) == 3
    total = sum(int(row["charge_picos"]) for row in plain)
    assert sum(picos(row["BilledCost"]) for row in focus) == total > 0
    for row in focus:
        price, quantity = picos(row["ListUnitPrice"]), int(row["PricingQuantity"])
        assert price * quantity == picos(row["ListCost"])
        assert row["ChargeCategory"] == "Usage"
        assert row["ChargePeriodStart"] == "2026-09-10T00:00:00Z"
        assert row["BillingPeriodStart"] == "2026-09-01T00:00:00Z"
        assert row["BillingPeriodEnd"] == "2026-10-01T00:00:00Z"
        assert json.loads(row["Tags"])["key_id"]


def test_ledger_and_invoices_tell_of_the_same_money(tenant: Tenant) -> None:
    counts = TokenCounts(input_tokens=4_000_001, cached_input_tokens=0, output_tokens=0)
    invoice = issue_invoice(
        invoice=make_draft(tenant=tenant, counts=counts), now=CLOSED
    )
    until = dt.date(2026, 11, 1)
    asked: Any = {"tenant": tenant, "first_date": FIRST, "end_date": until}
    files = {}
    for subject in (Subject.LEDGER, Subject.INVOICES):
        for form in Form:
            row = services.ask_for_export(subject=subject, form=form, **asked)
            services.make_exports(now=database_now())
            row.refresh_from_db()
            files[subject, form] = rows_of(row)

    entries = files[Subject.LEDGER, Form.CSV]
    assert sum(int(row["amount_picos"]) for row in entries) == 0
    assert sum(int(row["debit_picos"]) for row in entries) > 0
    lines = files[Subject.INVOICES, Form.CSV]
    assert {row["number"] for row in lines} == {invoice.number}
    assert sum(int(row["amount_minor"]) for row in lines) == invoice.amount_minor
    assert sum(int(row["exact_picos"]) for row in lines) == invoice.exact_picos
    # What is earned, with what rounding gave or took, is what is charged.
    earned = files[Subject.LEDGER, Form.FOCUS]
    charged = files[Subject.INVOICES, Form.FOCUS]
    assert billed(earned) == billed(charged) > 0


def billed(rows: list[dict[str, str]]) -> int:
    """Return what all rows cost, in picos."""
    return sum(picos(row["BilledCost"]) for row in rows)


def test_a_file_in_many_blocks_is_the_same_file(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = make_export(tenant=tenant)
    monkeypatch.setattr(writing, "BLOCK_BYTES", 1)
    monkeypatch.setattr(writing, "ROWS_AT_ONCE", 2)

    parts = make_export(tenant=tenant)

    assert ExportPart.objects.filter(export=parts).count() > 3
    assert parts.sha256 == whole.sha256
    assert rows_of(parts) == rows_of(whole)


def test_a_long_file_is_read_a_little_at_a_time(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first block leaves before the last row was read."""
    roll_up()
    monkeypatch.setattr(writing, "BLOCK_BYTES", 1)
    monkeypatch.setattr(writing, "ROWS_AT_ONCE", 1)
    written = Written()

    file = blocks(wanted_of(tenant), written)
    first = next(file)

    assert (written.row_count, written.byte_count) == (1, len(first))
    assert len(list(file)) == 5
    assert written.row_count == 5


def wanted_of(tenant: Tenant) -> Wanted:
    """Ask for a month of usage."""
    return Wanted(
        subject=Subject.USAGE,
        form=Form.CSV,
        first_date=FIRST,
        end_date=END,
        tenant_id=tenant.pk,
    )


def test_what_fails_says_so_and_leaves_nothing(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(wanted: Wanted, written: Written) -> Iterator[bytes]:
        yield b"half of"
        raise RuntimeError

    with monkeypatch.context() as patch:
        patch.setattr(services, "blocks", broken)
        failed = make_export(tenant=tenant)

    assert (failed.state, failed.sha256) == ("failed", "")
    assert failed.problem
    assert not ExportPart.objects.filter(export=failed).exists()
    assert make_export(tenant=tenant).state == "ready"


class Killed(BaseException):
    """What no handler of the product catches, as a kill is."""


def test_one_that_ends_its_worker_is_given_up_and_holds_up_no_other(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(wanted: Wanted, written: Written) -> Iterator[bytes]:
        yield from islice(blocks(wanted, written), 1)
        raise Killed

    monkeypatch.setattr(services, "blocks", killed)
    deadly = ask(tenant)
    for _ in range(services.ATTEMPTS_MAX):
        with pytest.raises(Killed):
            services.make_exports(now=database_now())
        assert not ExportPart.objects.exists()
    monkeypatch.undo()
    other = ask(tenant)
    assert services.make_exports(now=database_now()) == 1

    deadly.refresh_from_db()
    other.refresh_from_db()
    assert (deadly.state, other.state) == ("failed", "ready")
    assert "cut off 3 times" in deadly.problem


def test_one_that_takes_too_long_is_given_up(tenant: Tenant) -> None:
    long, other = ask(tenant), ask(tenant)
    # When the scan began, when it takes the first one up, when that began, and then.
    clock = chain([0, 1, 1], repeat(services.MAKING_S_MAX + 2))
    assert services.make_exports(now=database_now(), seconds=lambda: next(clock)) == 0

    long.refresh_from_db()
    other.refresh_from_db()
    assert (long.state, other.state) == ("failed", "waiting")
    assert "fewer days" in long.problem
    assert services.make_exports(now=database_now()) == 1


def ask(tenant: Tenant) -> Export:
    """Ask for a month's use."""
    return services.ask_for_export(
        tenant=tenant,
        subject=Subject.USAGE,
        form=Form.CSV,
        first_date=FIRST,
        end_date=END,
    )


def test_after_its_time_the_content_is_gone(tenant: Tenant) -> None:
    row = make_export(tenant=tenant)
    assert row.expires_at is not None

    assert services.throw_away_expired(now=row.expires_at - dt.timedelta(1)) == 0
    assert services.throw_away_expired(now=row.expires_at) == 1

    row.refresh_from_db()
    assert row.state == "expired"
    assert not ExportPart.objects.filter(export=row).exists()
    assert row.sha256


def test_the_download_carries_count_and_hash(tenant: Tenant, operator: Client) -> None:
    row = make_export(tenant=tenant)
    response: Any = operator.get(
        f"/api/v1/exports/{row.pk}/content/", headers={"Accept": "text/csv"}
    )

    assert response.headers["x-tollgate-rows"] == str(row.row_count)
    assert response.headers["Content-Length"] == str(row.byte_count)
    assert response.headers["Repr-Digest"].startswith("sha-256=:")
    assert f"{row.pk}.csv" in response.headers["Content-Disposition"]
    assert len(b"".join(response.streaming_content)) == row.byte_count


def test_no_name_becomes_a_formula(tenant: Tenant) -> None:
    ApiKey.objects.filter(tenant=tenant).update(name="=1+1")

    assert rows_of(make_export(tenant=tenant))[0]["key"].startswith("'=1+1")
    assert said("plain") == "plain"


def test_dates_that_make_no_sense_are_refused(tenant: Tenant) -> None:
    for end_date in (FIRST, FIRST + dt.timedelta(401)):
        with pytest.raises(InvalidRequest):
            replace(wanted_of(tenant), end_date=end_date)


def test_the_command_writes_the_same_file(tenant: Tenant, tmp_path: Path) -> None:
    row = make_export(tenant=tenant)
    path, printed = tmp_path / "usage.csv", io.StringIO()
    asked = ("export", "usage", "--from", "2026-09-01", "--to", "2026-10-01")

    call_command(
        *asked,
        *("--tenant", tenant.slug, "--output", str(path), "--json"),
        stdout=printed,
    )

    manifest = json.loads(printed.getvalue())
    assert (manifest["rows"], manifest["sha256"]) == (row.row_count, row.sha256)
    assert hashlib.sha256(path.read_bytes()).hexdigest() == row.sha256
    with pytest.raises(CommandError, match="no tenant"):
        call_command(*asked, "--tenant", "nobody")
