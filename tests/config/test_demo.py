"""The demo of `make up`: made once, and never in the way of what operators do."""

import datetime as dt

import pytest

from config.demo import Demo, Engine, seed
from tenants import selectors, services
from tenants.models import Member

ENGINE = Engine(
    url="http://127.0.0.1:1", dialect="vllm", model="demo-model", context_tokens=100
)
NOW = dt.datetime.now(dt.UTC)


def again(before: Demo) -> Demo:
    """Seed as the next start does."""
    known = {
        "OPENAI_API_KEY": before.api_key,
        "TOLLGATE_ADMIN_PASSWORD": before.admin_password,
        "TOLLGATE_ADMIN_TOTP_SECRET": before.admin_totp_secret,
        "TOLLGATE_CONSOLE_PASSWORD": before.console_password,
    }
    return seed(engine=ENGINE, known=known, now=NOW)


@pytest.fixture
def first(operator_db: None) -> Demo:
    """Provide the first start's demo."""
    return seed(engine=ENGINE, known={}, now=NOW)


def test_the_next_start_changes_nothing(first: Demo) -> None:
    assert again(first) == first


def test_a_project_that_was_archived_is_followed_by_another(first: Demo) -> None:
    tenant = selectors.tenant_by_slug("demo")
    for known in (first, again(first)):
        project = selectors.projects(tenant_id=tenant.pk, archived=False).get()
        services.archive_project(project=project, now=NOW)
        assert again(known).api_key != known.api_key
    open_keys = selectors.api_keys(now=NOW, tenant_id=tenant.pk, active=True)
    assert open_keys.count() == 1


def test_the_owner_signs_in_to_the_console_and_is_not_put_back(first: Demo) -> None:
    tenant = selectors.tenant_by_slug("demo")
    (owner,) = selectors.members(tenant_id=tenant.pk, removed=False)
    assert (owner.role, owner.user.username) == ("owner", first.console_user)
    assert owner.user.check_password(first.console_password)
    Member.objects.filter(pk=owner.pk).update(removed_at=NOW)

    assert again(first) == first
    assert not selectors.members(tenant_id=tenant.pk, removed=False).exists()
