"""What is posted of days: the statement against its rules, said one row at a time."""

import datetime as dt

from django.db.models import Sum
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kit.contracts import TokenClass
from kit.orm.atomic import atomic
from metering.ledger.models import Account, Entry, Transaction
from metering.ledger.services import DAY_GRACE, post_days
from metering.usage.models import ChangedDay, DayRollup
from tests.factories.pricing import make_price
from tests.factories.usage import make_use

FIRST = dt.date(2026, 11, 20)
NOON = dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC)
DUE = dt.datetime(2026, 11, 23, tzinfo=dt.UTC) + DAY_GRACE
CHARGED = (TokenClass.INPUT, TokenClass.CACHED_INPUT, TokenClass.OUTPUT)
ONE_DAY = dt.timedelta(days=1)

# Tenant, day, project, price, token class, tokens.
_row = st.tuples(
    st.integers(0, 1),
    st.integers(0, 2),
    st.integers(1, 2),
    st.integers(0, 1),
    st.sampled_from(TokenClass),
    st.integers(-3, 5),
)
# One tenant's day, price and class.
Key = tuple[int, dt.date, int, TokenClass]


class Model:
    """The books by the words of their rules."""

    def __init__(self) -> None:
        self.rolled: dict[Key, list[int]] = {}
        self.posted: dict[Key, list[int]] = {}
        self.transactions: set[tuple[object, ...]] = set()

    def post(self, currency_of: dict[int, str]) -> int:
        grown = 0
        for key, rolled in self.rolled.items():
            tenant, date, price, token_class = key
            before = self.posted.setdefault(key, [0, 0, 0])
            more = [rolled[0] - before[0], rolled[1] - before[1]]
            if token_class not in CHARGED or not any(more):
                continue
            grown += 1
            self.posted[key] = [*rolled, before[2] + 1]
            name = f"{date} price {price} {token_class.name.lower()} r{before[2] + 1}"
            ends_at = dt.datetime.combine(date + ONE_DAY, dt.time(), dt.UTC)
            for kind, picos in (("accrued", more[1]), ("revenue", -more[1])):
                self.transactions.add(
                    (tenant, name, ends_at, kind, currency_of[price], picos, more[0])
                )
        return grown


def in_books() -> set[tuple[object, ...]]:
    """Return every entry of use with its transaction and its posting's quantity."""
    entries = Entry.objects.select_related("transaction", "account")
    return {
        (
            entry.tenant_id,
            entry.transaction.source,
            entry.transaction.occurred_at,
            entry.account.kind,
            entry.account.currency,
            entry.amount_picos,
            entry.transaction.day_postings.get().quantity,
        )
        for entry in entries.filter(transaction__kind=Transaction.Kind.USAGE)
    }


@settings(
    max_examples=25,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(rounds=st.lists(st.lists(_row, max_size=8), min_size=1, max_size=3))
def test_days_are_posted_as_the_rules_say(
    operator_db: None, rounds: list[list[tuple[int, int, int, int, TokenClass, int]]]
) -> None:
    with atomic():
        _play(rounds)


def _play(
    rounds: list[list[tuple[int, int, int, int, TokenClass, int]]],
) -> None:
    prices = [make_price(), make_price(currency="JPY")]
    uses = [make_use(price=prices[0], admitted_at=NOON) for _ in range(2)]
    model = Model()
    for rows in rounds:
        for which, day, project, price, token_class, tokens in rows:
            tenant, date = uses[which].tenant_id, FIRST + day * ONE_DAY
            place = {
                "tenant_id": tenant,
                "date": date,
                "project_id": project,
                "api_key_id": 1,
                "price_id": prices[price].id,
                "token_class": token_class,
            }
            row, _ = DayRollup.objects.get_or_create(
                **place, defaults={"quantity": 0, "charge_picos": 0}
            )
            DayRollup.objects.filter(**place).update(
                quantity=row.quantity + tokens, charge_picos=row.charge_picos + tokens
            )
            ChangedDay.objects.get_or_create(tenant_id=tenant, date=date)
            key = (tenant, date, prices[price].id, token_class)
            sums = model.rolled.setdefault(key, [0, 0])
            model.rolled[key] = [each + tokens for each in sums]
        before = in_books()
        grown = post_days(now=DUE).postings
        tenants = {use.tenant_id for use in uses}
        mine = {row for row in in_books() - before if row[0] in tenants}
        known = set(model.transactions)
        assert grown == model.post({each.id: each.currency for each in prices})
        assert mine == model.transactions - known
    assert not ChangedDay.objects.exists()
    accounts = Account.objects.annotate(picos=Sum("entries__amount_picos"))
    assert sum(row.picos or 0 for row in accounts) == 0
