"""A model's retirement from its dialog to its refusal: told, shown, no longer served.

The operator announces it in the admin, the worker tells whoever called it by mail and
by a signed call, its members read it in the console, and what gateways are given
refuses it from its instant on.
"""

import datetime as dt
from typing import Any

import pytest
from django.core import mail
from django.test import Client
from pytest_django.fixtures import Settings

from inference.control.models import Publication
from inference.gateway.model_policy import require_served
from inference.routing.snapshot import Snapshot
from kit.errors import ModelRetired
from kit.orm.roles import as_operator
from metering.alerts.retiring import scan
from metering.alerts.sending import send_mails
from metering.usage.models import UtcRollup
from tenants.models import Member, Tenant
from tests.admin import action, confirm, signed_in
from tests.factories.accounts import sign_in
from tests.factories.alerts import make_endpoint
from tests.factories.control import make_model
from tests.factories.tenants import make_member
from tests.metering.alerts.receiving_scene import call, rehearsing, verified
from tests.pages.console.start.test_home import used
from tests.pages.reading import text
from tests.standins.webhook_receiver import receiving

pytestmark = pytest.mark.usefixtures("fresh_database")

MODEL = "control_servedmodel"
# What the tenant that is shown used.
OLD = "demo-model"


def called(tenant: Tenant, *, now: dt.datetime) -> None:
    """Have a tenant called the old model yesterday."""
    with as_operator():
        UtcRollup.objects.create(
            tenant_id=tenant.pk,
            is_month=False,
            date=(now - dt.timedelta(days=1)).date(),
            project_id=1,
            api_key_id=1,
            model=OLD,
            currency="USD",
            requests=12,
            input_tokens=1,
            cached_input_tokens=0,
            output_tokens=1,
            reasoning_tokens=0,
            charge_picos=1,
        )


def signed_operator() -> Client:
    """Return the session of an operator."""
    with as_operator():
        return signed_in()


def given_to_gateways() -> Snapshot:
    """Return what gateways are told of models."""
    snapshot = Snapshot()
    with as_operator():
        for row in Publication.objects.filter(kind="model"):
            snapshot.apply("model", row.key, row.body)
    return snapshot


def micros(at: dt.datetime) -> int:
    """Return an instant as gateways count."""
    return int(at.timestamp()) * 1_000_000


def home(member: Member) -> str:
    """Return what a member reads on the tenant's home."""
    person = sign_in(Client(), member.user)
    return text(person.get(f"/console/{member.tenant.slug}/").content)


def test_a_model_is_announced_told_shown_and_then_refused(settings: Settings) -> None:
    settings.EMAIL_IS_SET = True
    member, now = used()
    stranger = make_member()
    # The dialog takes minutes.
    at = (now + dt.timedelta(days=20)).replace(second=0, microsecond=0)
    old, new = make_model(name=OLD), make_model(name="new")
    called(member.tenant, now=now)
    operator = signed_operator()
    with receiving() as receiver, rehearsing():
        secret = make_endpoint(tenant=member.tenant, url=receiver.url()).secret
        make_endpoint(tenant=stranger.tenant, url=receiver.url())
        confirm(
            operator,
            action(MODEL, "retire", old.pk),
            retires_at=f"{at:%Y-%m-%dT%H:%M}",
            successor=str(new.pk),
        )
        with as_operator():
            assert [scan(now=now), scan(now=now)] == [1, 0]
            send_mails(now=now)
        call(now=now)

    [told] = receiver.received
    event: dict[str, Any] = verified(told, secret, now_s=now.timestamp())
    assert event["type"] == "model.retiring"
    assert (event["data"]["model"], event["data"]["successor"]) == (OLD, "new")
    [letter] = mail.outbox
    assert letter.to == [member.email]
    assert "Call “new” instead" in str(letter.body)
    assert f"{OLD} retires on" in home(member)
    assert "retires" not in home(stranger)

    gateway = given_to_gateways()
    before = micros(at) - 1
    require_served(gateway.models[OLD], gateway, now_us=before)
    with pytest.raises(ModelRetired, match="Call 'new' instead"):
        require_served(gateway.models[OLD], gateway, now_us=micros(at))
    require_served(gateway.models["new"], gateway, now_us=micros(at))
