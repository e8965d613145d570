"""The course in peace: bill, push, be paid, follow; how long each takes, and what of.

Failure: a step that raises ends the course. Owns: nothing that outlives it.
"""

import random
import re
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from metering.billing.models import Invoice
from metering.collection.buying.asking import ask_checkout
from metering.collection.models import Comparison, Outgoing, Standing
from metering.inbox.models import WebhookEvent
from tests.collecting.buyers import AMOUNT_MINOR, Buyers
from tests.collecting.endpoint import taking_webhooks
from tests.collecting.equal import differences
from tests.collecting.lives import begin, done_by
from tests.collecting.payers import Payers
from tests.collecting.place import WEBHOOK_SECRET, Stripe, standing_in
from tests.collecting.work import BILLED
from tests.collecting.world import make_customers
from tests.databases import Database
from tests.standins.stripe import StripeStandIn

TOO_MANY = 429
# Of ids alone: words in paths are in small letters.
_ID = re.compile(r"[0-9A-Z]")
BUYERS_MIN, BUYERS_MAX = 2, 100
CLAIMED_S = 600
T = TypeVar("T")
Say = Callable[[str], None]


@dataclass(slots=True)
class Timed:
    """What a stretch of the course took: seconds, and calls to Stripe."""

    name: str
    seconds: float
    calls: Counter[str]


@dataclass(slots=True)
class Course:
    """What was done, and how both sides stand at the end."""

    tenants: int
    workers: int
    invoices: int = 0
    stretches: list[Timed] = field(default_factory=list)
    payers: Counter[str] = field(default_factory=Counter)
    limit_errors: int = 0
    webhooks: int = 0
    # How many the last comparison looked at, and how long credit took to be usable.
    compared: int = 0
    # Of how many invoices something was decided here.
    decided: int = 0
    credit_s: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Watch:
    """Times stretches, and counts the calls of each."""

    stripe: Stripe
    course: Course
    say: Say

    def time(self, name: str, act: Callable[[], T]) -> T:
        journal = self.stripe.standin.engine.journal
        first, started = len(journal), time.monotonic()
        result = act()
        seconds = time.monotonic() - started
        calls = Counter(_endpoint(each.method, each.path) for each in journal[first:])
        self.course.stretches.append(Timed(name, seconds, calls))
        self.say(f"{name}: {seconds:.1f} s, {calls.total():,} calls to Stripe")
        return result


def run(
    database: Database,
    *,
    tenants: int,
    workers: int = 1,
    seed: int = 1,
    say: Say = lambda _: None,
) -> Course:
    """Go through the course at a Stripe of its own, held to its limits."""
    course = Course(tenants, workers)
    with StripeStandIn() as standin:
        stripe = Stripe.open(standin)
        standin.hold_to_limits()
        place = stripe.place(database)
        with standing_in(place), taking_webhooks(place) as endpoint:
            standin.add_webhook(
                endpoint.url, secrets=[WEBHOOK_SECRET], account=stripe.account
            )
            watch = _Watch(stripe, course, say)
            _collect(database, watch, random.Random(seed))
            course.webhooks = WebhookEvent.objects.count()
            course.wrong += differences(stripe.place(database), stripe)
        course.limit_errors = sum(
            each.outcome is not None and each.outcome.status == TOO_MANY
            for each in standin.engine.journal
        )
    return course


def _collect(database: Database, watch: _Watch, dice: random.Random) -> None:
    course, stripe = watch.course, watch.stripe
    payers = Payers(stripe, dice)

    def work(*names: str, workers: int = 1) -> dict[str, int]:
        return done_by(stripe.place(database), names, workers=workers)

    def push() -> None:
        while Invoice.objects.filter(hosted_url="", problem="").exists():
            work("push")

    def compare() -> None:
        work("compare")
        row = Comparison.objects.get()
        course.compared = row.invoices
        course.wrong += [row.problem] if row.problem else []
        standings = Standing.objects.exclude(difference="")
        course.wrong += standings.values_list("difference", flat=True)

    def follow() -> None:
        stripe.standin.hooks.settle(600)
        work("follow", workers=course.workers)

    def decide() -> None:
        course.decided += work("decide")["decide"]
        # Notes wait for the refunds that they name.
        while Outgoing.objects.filter(state=Outgoing.State.WAITING).exists():
            work("tell")
            stripe.standin.advance(CLAIMED_S)

    customers = watch.time(
        "make tenants",
        lambda: make_customers(database, course.tenants, buyers=_buyers(course)),
    )
    watch.time("bill their month", lambda: work(*BILLED))
    course.invoices = Invoice.objects.filter(provider="stripe").count()
    watch.time("push", push)
    watch.time("follow what was pushed", follow)
    watch.time("compare all that is open", compare)
    watch.time("decide of what is open", decide)
    watch.time("payers pay", payers.pay)
    watch.time("follow payments", follow)
    watch.time("decide of what is paid", decide)
    watch.time("follow what was decided", follow)
    watch.time("payers regret", payers.regret)
    watch.time("follow regrets", follow)
    watch.time("compare again", compare)
    course.payers = payers.done
    buyers = Buyers(stripe, customers.buyers, dice)
    for tenant in customers.buyers:
        now = stripe.place(database).now
        ask_checkout(tenant=tenant, amount_minor=AMOUNT_MINOR, now=now)
    watch.time("open pages for credit", lambda: work("buy"))
    course.credit_s = watch.time("buy credit", lambda: _buy(database, buyers))
    # What that worker was about to follow is claimed for five minutes.
    stripe.standin.advance(CLAIMED_S)
    watch.time("follow purchases", follow)
    watch.time("decide of what was bought", decide)
    watch.time("follow what was taken back", follow)


def _buy(database: Database, buyers: Buyers) -> list[float]:
    """Pay for credit while a worker follows what it is told."""
    place = buyers.stripe.place(database)
    life = begin(place, ["keep following"])
    try:
        return buyers.time_credit(place)
    finally:
        life.process.kill()
        life.process.join()


def _buyers(course: Course) -> int:
    return min(BUYERS_MAX, max(BUYERS_MIN, course.tenants // 10))


def _endpoint(method: str, path: str) -> str:
    parts = path.strip("/").split("/")
    named = ["*" if _ID.search(part) else part for part in parts[1:]]
    return f"{method} /{'/'.join([*parts[:1], *named])}"
