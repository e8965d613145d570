"""The course in peace: bill, push, be paid, follow; how long each takes, and what of.

Failure: a step that raises ends the course. Owns: nothing that outlives it.
"""

import random
import re
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from metering.billing.models import Invoice
from metering.inbox.models import WebhookEvent
from tests.collecting.endpoint import taking_webhooks
from tests.collecting.equal import differences
from tests.collecting.lives import done_by
from tests.collecting.payers import Payers
from tests.collecting.place import WEBHOOK_SECRET, Stripe, standing_in
from tests.collecting.work import BILLED
from tests.collecting.world import make_customers
from tests.databases import Database
from tests.standins.stripe import StripeStandIn

TOO_MANY = 429
# Of ids alone: words in paths are in small letters.
_ID = re.compile(r"[0-9A-Z]")
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
    wrong: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Watch:
    """Times stretches, and counts the calls of each."""

    stripe: Stripe
    course: Course
    say: Say

    def time(self, name: str, act: Callable[[], object]) -> None:
        journal = self.stripe.standin.engine.journal
        first, started = len(journal), time.monotonic()
        act()
        seconds = time.monotonic() - started
        calls = Counter(_endpoint(each.method, each.path) for each in journal[first:])
        self.course.stretches.append(Timed(name, seconds, calls))
        self.say(f"{name}: {seconds:.1f} s, {calls.total():,} calls to Stripe")


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
            course.wrong = differences(stripe.place(database), stripe)
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

    def follow() -> None:
        stripe.standin.hooks.settle(600)
        work("follow", workers=course.workers)

    watch.time(
        "make tenants", lambda: make_customers(database, course.tenants, buyers=0)
    )
    watch.time("bill their month", lambda: work(*BILLED))
    course.invoices = Invoice.objects.filter(provider="stripe").count()
    watch.time("push", push)
    watch.time("follow what was pushed", follow)
    watch.time("payers pay", payers.pay)
    watch.time("follow payments", follow)
    watch.time("payers regret", payers.regret)
    watch.time("follow regrets", follow)
    course.payers = payers.done


def _endpoint(method: str, path: str) -> str:
    parts = path.strip("/").split("/")
    named = ["*" if _ID.search(part) else part for part in parts[1:]]
    return f"{method} /{'/'.join([*parts[:1], *named])}"
