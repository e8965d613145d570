"""What the products of tests start from: whole, alike, and nothing of one run in it."""

from pathlib import Path

import pytest

from config.local.account import service_account
from config.local.state import SECRETS, State, read_env
from tests.journeys.migrated import fill
from tests.journeys.product import environment, temporary_state

pytestmark = pytest.mark.timeout(240)


def test_two_products_start_alike_and_choose_ports_of_their_own() -> None:
    with temporary_state() as one, temporary_state() as other:
        for state in (one, other):
            fill(state, environment())
            assert {path.name for path in state.iterdir()} == {
                "postgres",
                "secrets.env",
            }
            assert set(read_env(state / "secrets.env")) == set(SECRETS)
            assert not (state / "postgres" / "postmaster.pid").exists()
        assert State(one).secrets() == State(other).secrets()
        account = service_account()
        if account.uid is not None:
            data = State(one).postgres_data(account)
            assert {path.stat().st_uid for path in _all(data)} == {account.uid}


def _all(folder: Path) -> list[Path]:
    return [folder, *folder.rglob("*")]
