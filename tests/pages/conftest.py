"""Who looks at the pages: staff with all rights, staff with some, and nobody."""

import datetime as dt
from collections.abc import Callable

import pytest
from django.test import Client

SignIn = Callable[..., Client]


@pytest.fixture
def sign_in(operator_db: None) -> SignIn:
    """Provide a function that signs somebody in, with permissions `app.name`."""
    # Models can be imported once the settings are there, which is after this file.
    from django.contrib.auth import get_user_model  # noqa: PLC0415
    from django.contrib.auth.models import Permission  # noqa: PLC0415

    from tests.factories.accounts import sign_in as show_factor  # noqa: PLC0415

    def signed_in(*permissions: str, is_staff: bool = True) -> Client:
        user = get_user_model().objects.create(username="person", is_staff=is_staff)
        for name in permissions:
            app, codename = name.split(".")
            user.user_permissions.add(
                Permission.objects.get(content_type__app_label=app, codename=codename)
            )
        return show_factor(Client(), user)

    return signed_in


@pytest.fixture
def finance(sign_in: SignIn) -> Client:
    """Provide the session of somebody who may see the finance pages."""
    return sign_in(
        "usage.view_dayrollup", "billing.view_invoice", "ledger.view_movement"
    )


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> dt.datetime:
    """Stop the finance page's clock, so that no hour turns before it is shown."""
    stopped = dt.datetime.now(dt.UTC)
    monkeypatch.setattr("pages.finance.views.database_now", lambda: stopped)
    return stopped
