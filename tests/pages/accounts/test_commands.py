"""Commands for people who are locked out or lost their phone."""

import io

import pytest
from allauth.mfa.models import Authenticator
from django.core.management import CommandError, call_command
from django.test import Client

from config import checks
from config.local.code import code_at
from tenants.models import AuditEntry
from tests.factories.accounts import make_operator, make_person, sign_in
from tests.pages.accounts.browser import SET_UP, leads_to

pytestmark = pytest.mark.usefixtures("operator_db")


@pytest.mark.parametrize(("typed", "is_reset"), [("operator\n", True), ("y\n", False)])
def test_a_reset_asks_for_the_name(
    monkeypatch: pytest.MonkeyPatch, typed: str, is_reset: bool
) -> None:
    browser = sign_in(Client(), make_operator())
    monkeypatch.setattr("sys.stdin", io.StringIO(typed))
    if is_reset:
        call_command("reset_second_factor", "operator")
    else:
        with pytest.raises(CommandError, match="nothing was changed"):
            call_command("reset_second_factor", "operator")
    assert Authenticator.objects.exists() is not is_reset
    assert leads_to(browser.get("/admin/"), SET_UP) is is_reset


def test_a_reset_is_audited() -> None:
    sign_in(Client(), make_operator())
    call_command("reset_second_factor", "operator", "--yes")
    actions = list(AuditEntry.objects.values_list("action", flat=True))
    assert actions.count("remove_second_factor") == 2


@pytest.mark.parametrize("name", ["nobody", "shared@example.com"])
def test_a_command_wants_one_account(name: str) -> None:
    for number in range(2):
        make_person(f"person-{number}", email="shared@example.com")
    with pytest.raises(CommandError, match="called"):
        call_command("unlock", name)


@pytest.mark.parametrize("is_required", [True, False])
def test_deployments_refuse_operators_without_a_factor(
    settings: object, is_required: bool
) -> None:
    settings.SECOND_FACTOR_REQUIRED = is_required  # type: ignore[attr-defined]
    found = [error.id for error in checks.operators_show_two_factors()]
    assert found == ([] if is_required else ["tollgate.E005"])


@pytest.mark.parametrize(
    ("instant_s", "shown"),
    # RFC 6238, appendix B, SHA-1, the last six of its eight digits.
    [(59, "287082"), (1111111109, "081804"), (20000000000, "353130")],
)
def test_codes_are_those_of_the_standard(instant_s: float, shown: str) -> None:
    secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
    assert code_at(secret, instant_s) == shown
