"""How credit burns and ends: the SQL against a model that moves one pico at a time."""

import datetime as dt
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kit.orm.atomic import cursor
from metering.ledger.models import CreditAccount, CreditGrant
from tenants.models import Tenant
from tests.factories.tenants import make_tenant

START = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)
pytestmark = pytest.mark.usefixtures("operator_db")


@dataclass
class Piece:
    """One grant as the model keeps it."""

    number: int
    amount: int
    priority: int
    ends: int | None
    burned: int = 0
    expired: int = 0
    reversed: int = 0
    is_over: bool = False

    @property
    def rest(self) -> int:
        return self.amount - self.burned - self.expired - self.reversed


@dataclass
class Model:
    """Credit by the words of its rules, as slowly as they are said."""

    pieces: list[Piece] = field(default_factory=list)
    # Use that nothing has paid yet.
    owed: int = 0

    def use(self, picos: int) -> None:
        self.owed += picos

    def settle(self, hour: int) -> None:
        while self.owed:
            left = [each for each in self.pieces if not each.is_over and each.rest]
            if not left:
                break
            first = min(
                left,
                key=lambda it: (it.priority, it.ends is None, it.ends or 0, it.number),
            )
            first.burned += 1
            self.owed -= 1
        for each in self.pieces:
            if not each.is_over and each.ends is not None and each.ends <= hour:
                each.expired, each.is_over = each.rest, True

    def charge_back(self, number: int, picos: int) -> None:
        piece = self.pieces[number]
        for _ in range(min(picos, piece.rest + piece.burned)):
            if not piece.rest:
                piece.burned -= 1
                self.owed += 1
            piece.reversed += 1

    def limit(self, hour: int) -> int:
        self.settle(hour)
        return sum(each.amount - each.expired - each.reversed for each in self.pieces)


class InSql:
    """The same by the functions of the database."""

    def __init__(self) -> None:
        self.tenant = make_tenant(payment_mode="prepaid")
        self.posted = 0
        self.rows: list[CreditGrant] = []

    def settle(self, hour: int) -> None:
        self._call("credit_settle", hour)

    def limit(self, hour: int) -> int:
        seen = self._call("credit_allowance", hour)
        assert self._call("credit_limit", hour) == seen
        return seen

    def grant(self, amount: int, priority: int, ends: int | None) -> None:
        self.rows.append(
            CreditGrant.objects.create(
                tenant_id=self.tenant.pk,
                source="top_up",
                amount_picos=amount,
                currency="USD",
                priority=priority,
                expires_at=None if ends is None else START + ends * HOUR,
                reference=str(len(self.rows)),
            )
        )

    def charge_back(self, number: int, picos: int) -> None:
        row = self.rows[number]
        row.refresh_from_db()
        kept = row.amount_picos - row.expired_picos - row.reversed_picos
        taken = min(picos, kept)
        row.reversed_picos += taken
        row.burned_picos = min(row.burned_picos, kept - taken)
        row.save()

    def state(self) -> list[tuple[int, int, int, bool]]:
        rows = CreditGrant.objects.filter(tenant_id=self.tenant.pk).order_by("pk")
        return [
            (
                row.burned_picos,
                row.expired_picos,
                row.reversed_picos,
                row.expired_at is not None,
            )
            for row in rows
        ]

    def _call(self, name: str, hour: int) -> int:
        with cursor() as session:
            session.execute(
                f"SELECT {name}(%s, %s, %s)",
                [self.tenant.pk, START + hour * HOUR, self.posted],
            )
            return int(session.fetchone()[0])


_amounts = st.integers(1, 30)
_grants = st.tuples(
    st.just("grant"), _amounts, st.integers(0, 2), st.none() | st.integers(1, 12)
)
_steps = st.lists(
    _grants
    | st.tuples(st.just("use"), st.integers(0, 40))
    | st.tuples(st.just("charge_back"), st.integers(0, 9), _amounts)
    | st.tuples(st.just("wait"), st.integers(1, 4))
    | st.tuples(st.just("limit")),
    min_size=1,
    max_size=25,
)


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(steps=_steps)
def test_burns_and_ends_as_the_rules_say(
    steps: list[tuple[str | int | None, ...]],
) -> None:
    model, sql, hour = Model(), InSql(), 0
    for name, *given_ in steps:
        match name, given_:
            case "grant", [int(amount), int(priority), ends]:
                later = hour + ends if isinstance(ends, int) else None
                model.settle(hour)
                sql.settle(hour)
                model.pieces.append(Piece(len(model.pieces), amount, priority, later))
                sql.grant(amount, priority, later)
            case "use", [int(picos)]:
                model.use(picos)
                sql.posted += picos
            case "charge_back", [int(which), int(picos)] if model.pieces:
                number = which % len(model.pieces)
                model.settle(hour)
                sql.settle(hour)
                model.charge_back(number, picos)
                sql.charge_back(number, picos)
            case "wait", [int(hours)]:
                hour += hours
            case "limit", []:
                assert sql.limit(hour) == model.limit(hour)
    model.settle(hour)
    sql.settle(hour)
    assert sql.state() == [
        (each.burned, each.expired, each.reversed, each.is_over)
        for each in model.pieces
    ]


def test_a_postpaid_tenant_has_no_limit_by_credit() -> None:
    sql = InSql()
    sql.grant(10, 0, None)
    Tenant.objects.filter(pk=sql.tenant.pk).update(payment_mode="postpaid")
    with cursor() as session:
        session.execute("SELECT credit_limit(%s, %s, 0)", [sql.tenant.pk, START])
        assert session.fetchone() == (None,)


def test_what_is_not_paid_from_credit_burns_none() -> None:
    sql = InSql()
    account = CreditAccount.objects.get(tenant_id=sql.tenant.pk)
    account.base_picos = 100
    account.save()
    sql.grant(10, 0, 5)
    sql.posted = 103
    assert sql.limit(0) == 110
    assert sql.limit(5) == 103
    assert sql.state() == [(3, 7, 0, True)]


_CHANGES: dict[str, dict[str, object]] = {
    "the amount": {"amount_picos": 11},
    "the expiry": {"expires_at": None},
    "the order": {"priority": 1},
    "the reference": {"reference": "other"},
    "less reversed": {"reversed_picos": 0},
}


@pytest.mark.parametrize("what", _CHANGES)
def test_what_a_grant_says_never_changes(what: str) -> None:
    sql = InSql()
    sql.grant(10, 0, 5)
    sql.charge_back(0, 1)
    with pytest.raises(Exception, match="changes only by what burns"):
        CreditGrant.objects.filter(pk=sql.rows[0].pk).update(**_CHANGES[what])
