"""Two people edit one row: the second is told what the first did, and decides."""

from unittest import mock

import pytest
from django.test import Client

from kit.errors import Conflict, InvalidRequest
from tenants import services
from tests.admin import page, signed_in, submit, words
from tests.admin.forms import fields_of
from tests.factories.control import make_model, make_replica
from tests.factories.tenants import make_project, make_tenant

TENANT = "tenants_tenant"


@pytest.fixture
def admin(operator_db: None) -> Client:
    """Provide an operator's session."""
    return signed_in()


def test_the_second_is_told_and_nothing_is_overwritten(admin: Client) -> None:
    tenant = make_tenant(name="Old", billing_email="old@example.com")
    address = page(TENANT, "change", tenant.pk)
    opened = fields_of(admin.get(address))
    submit(admin, address, {"name": "First"})

    answer = admin.post(address, {**opened, "name": "Second"})
    text = words(answer.content)
    assert answer.status_code == 200
    assert "This changed while you had it open, last by operator at" in text
    assert "name is now “First”, it was “Old”" in text
    tenant.refresh_from_db()
    assert tenant.name == "First"


def test_a_second_save_is_a_decision(admin: Client) -> None:
    tenant = make_tenant(name="Old")
    address = page(TENANT, "change", tenant.pk)
    opened = fields_of(admin.get(address))
    submit(admin, address, {"name": "First"})
    told = fields_of(admin.post(address, {**opened, "name": "Second"}))
    assert told["name"] == "Second"
    assert admin.post(address, told).status_code == 302
    tenant.refresh_from_db()
    assert tenant.name == "Second"


def test_what_the_second_had_not_touched_is_taken_over(admin: Client) -> None:
    tenant = make_tenant(name="Old", billing_email="old@example.com")
    address = page(TENANT, "change", tenant.pk)
    opened = fields_of(admin.get(address))
    submit(admin, address, {"billing_email": "first@example.com"})
    told = fields_of(admin.post(address, {**opened, "name": "Second"}))
    assert told["billing_email"] == "first@example.com"
    admin.post(address, told)
    tenant.refresh_from_db()
    assert (tenant.name, tenant.billing_email) == ("Second", "first@example.com")


def test_a_change_by_an_action_or_a_program_counts_too(admin: Client) -> None:
    tenant = make_tenant()
    address = page(TENANT, "change", tenant.pk)
    submit(admin, address, {"name": "Before"})
    opened = fields_of(admin.get(address))
    services.suspend_tenant(tenant=tenant)
    text = words(admin.post(address, {**opened, "name": "Late"}).content)
    assert "state is now “suspended”, it was “active”" in text
    # Not by whoever used the admin last: the audit knows better.
    assert "last by system at" in text
    tenant.refresh_from_db()
    assert tenant.name != "Late"


@pytest.mark.parametrize("held", ["", "made-up", None])
def test_a_form_that_does_not_say_how_it_was_opened_is_refused(
    admin: Client, held: str | None
) -> None:
    tenant = make_tenant(name="Old")
    address = page(TENANT, "change", tenant.pk)
    opened = fields_of(admin.get(address))
    opened.pop("opened_as")
    if held is not None:
        opened["opened_as"] = held
    assert admin.post(address, {**opened, "name": "New"}).status_code == 200
    tenant.refresh_from_db()
    assert tenant.name == "Old"


def test_numbers_and_choices_are_taken_over_like_words(admin: Client) -> None:
    model = make_model(context_tokens=1000)
    replica = make_replica(model=model, dialect="vllm")
    for name, row, first, second, taken in (
        (
            "control_servedmodel",
            model,
            {"context_tokens": "2000", "policy": "prefix_aware"},
            "description",
            "2000",
        ),
        (
            "control_replica",
            replica,
            {"dialect": "openai", "auth": "bearer"},
            "upstream_model",
            "openai",
        ),
    ):
        address = page(name, "change", row.pk)
        opened = fields_of(admin.get(address))
        submit(admin, address, first)
        told = fields_of(admin.post(address, {**opened, second: "mine"}))
        assert told[next(iter(first))] == taken
        assert admin.post(address, told).status_code == 302
        row.refresh_from_db()
        assert str(getattr(row, next(iter(first)))) == taken


@pytest.mark.parametrize(
    ("kind", "field"), [("control_replica", "model"), ("tenants_apikey", "project")]
)
def test_what_no_row_can_be_called_is_asked_again(
    admin: Client, kind: str, field: str
) -> None:
    address = page(kind, "add")

    answer = admin.post(address, {**fields_of(admin.get(address)), field: "<script>"})

    assert answer.status_code == 200
    assert "That choice is not one of the available choices." in words(answer.content)


def test_a_name_that_no_row_can_have_is_refused(admin: Client) -> None:
    address = page("control_servedmodel", "add")

    answer = admin.post(address, {**fields_of(admin.get(address)), "fallbacks": "\0"})

    assert answer.status_code == 200
    assert "Null characters are not allowed." in words(answer.content)


def test_what_a_service_refuses_is_said_and_all_that_was_typed_stays(
    admin: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = InvalidRequest("There is such a key already.", param="name")
    monkeypatch.setattr(services, "issue_key", mock.Mock(side_effect=refused))
    typed = {"name": "laptop", "scopes": ["generate"], "priority": "default"}
    answer = admin.post(
        page("tenants_apikey", "add"), {**typed, "project": make_project().pk}
    )
    assert answer.status_code == 200
    form = answer.context["adminform"].form
    assert form.errors == {"name": ["There is such a key already."]}
    assert fields_of(answer)["name"] == "laptop"


def test_of_a_row_that_exists_too(
    admin: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant = make_tenant(name="Old")
    address = page(TENANT, "change", tenant.pk)
    typed = fields_of(admin.get(address)) | {"name": "New"}
    refused = Conflict("It is being closed.", param="elsewhere")
    monkeypatch.setattr(services, "update_tenant", mock.Mock(side_effect=refused))
    answer = admin.post(address, typed)
    assert "It is being closed." in words(answer.content)
    assert fields_of(answer)["name"] == "New"
    tenant.refresh_from_db()
    assert tenant.name == "Old"
