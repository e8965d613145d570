"""Workers killed anywhere between an invoice and its money: each once, on both sides.

The same drafts go through the same course again and again, with two workers at a time
that die at points drawn by lot, while payers pay, pages are closed, calls are lost,
refused and answered twice, and webhooks come late, double, shuffled, forged or never.
Each course is then finished in peace, and must end with both sides equal, nothing left
undone, and every check of the books sound.

Failure: a worker that fails, where it was not killed, ends the run. Owns: the courses.
"""

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from metering.billing.models import Invoice
from metering.collection.models import Outgoing, Purchase
from metering.inbox.models import WebhookEvent
from tests.collecting.buyers import Buyers
from tests.collecting.endpoint import Endpoint, taking_webhooks
from tests.collecting.equal import differences, undone_here
from tests.collecting.lives import Death, begin, done_by
from tests.collecting.metered import make_meters, untold, use_lately
from tests.collecting.payers import Payers
from tests.collecting.place import WEBHOOK_SECRET, Place, Stripe, standing_in
from tests.collecting.work import BILLED, COLLECTED
from tests.collecting.world import Customers, make_customers
from tests.databases import Database
from tests.scale.server import copied
from tests.standins.stripe import StripeStandIn

KILLS_EACH = 45
ROUNDS_MAX = 60
FINISHING_ROUNDS_MAX = 40
MINUTE_S, HOUR_S = 60, 3600
# Others may be at work on the machine.
SETTLED_WITHIN_S = 600
FAULTS = (
    *("drop_before", "commit_then_drop", "commit_then_500", "error_500"),
    *("lock_timeout", "rate_limited"),
)
WEATHER = {
    **{"drop": 0.12, "duplicate": 0.25, "delay": 0.2, "lost_answer": 0.1},
    **{"bad_signature": 0.05, "tampered": 0.05, "stale": 0.05, "garbage": 0.03},
}
Say = Callable[[str], None]


@dataclass
class Killed:
    """How many workers died in which step, over how many courses; what was wrong."""

    kills: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    done: Counter[str] = field(default_factory=Counter)
    decided: Counter[str] = field(default_factory=Counter)
    courses: int = 0
    webhooks: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)


def prepare(database: Database, *, tenants: int, buyers: int) -> Customers:
    """Make what every course begins with: drafts that nobody has pushed yet."""
    with StripeStandIn() as standin:
        place = Stripe.open(standin).place(database)
        with standing_in(place):
            customers = make_customers(database, tenants, buyers=buyers)
            done_by(place, BILLED, workers=1)
            use_lately(customers.billed, now=place.now)
    return customers


def kill_workers(
    prepared: Database,
    customers: Customers,
    *,
    times: int,
    workers: int = 2,
    seed: int = 1,
    say: Say = lambda _: None,
) -> Killed:
    """Kill so many workers, over as many courses as that takes; say what differed."""
    dice = random.Random(seed)
    found = Killed()
    while found.kills.total() < times and not found.wrong:
        left = min(KILLS_EACH, times - found.kills.total())
        with copied(prepared) as database, StripeStandIn() as standin:
            stripe = Stripe.open(standin)
            make_meters(stripe)
            place = stripe.place(database)
            with standing_in(place), taking_webhooks(place) as endpoint:
                standin.add_webhook(
                    endpoint.url, secrets=[WEBHOOK_SECRET], account=stripe.account
                )
                course = _Course(database, stripe, customers, endpoint, dice, found)
                course.run(left, workers)
        found.courses += 1
        say(
            f"course {found.courses}: {found.kills.total()} killed,"
            f" {len(found.wrong)} wrong"
        )
    return found


class _Course:
    """One course: disturbed until so many are dead, then finished in peace."""

    def __init__(
        self,
        database: Database,
        stripe: Stripe,
        customers: Customers,
        endpoint: Endpoint,
        dice: random.Random,
        found: Killed,
    ) -> None:
        self._database = database
        self._stripe = stripe
        self._standin = stripe.standin
        self._endpoint = endpoint
        self._dice = dice
        self._found = found
        self._payers = Payers(stripe, dice)
        self._buyers = Buyers(stripe, customers.buyers, dice)

    def run(self, kills: int, workers: int) -> None:
        """Go through it, and note what is wrong in the end."""
        self._buyers.make_rules()
        self._standin.weather(self._dice.randrange(1 << 30), **WEATHER)
        rounds = 0
        while kills > 0 and rounds < ROUNDS_MAX:
            rounds += 1
            kills -= self._round(min(kills, workers))
        self._standin.engine.faults.clear()
        self._standin.hooks.plan.clear()
        self._finish()
        self._payers.regret()
        self._finish()
        self._note()

    def _round(self, workers: int) -> int:
        """Let workers live and mostly die, while others act; return how many died."""
        for _ in range(self._dice.randrange(4)):
            self._break_a_call()
        with self._standin.hooks.held(shuffle=self._dice.randrange(1 << 30)):
            lives = [
                begin(self._place, self._steps(), Death.drawn(self._dice))
                for _ in range(workers)
            ]
            self._payers.pay()
            self._buyers.ask(self._place)
            self._buyers.pay()
            if self._dice.random() < 0.2:
                self._endpoint.kill()
                self._found.kills["web"] += 1
            died = [life for life in lives if life.end()]
        # Here, while what is sent still suffers: workers to come follow it.
        self._standin.hooks.settle(SETTLED_WITHIN_S)
        for life in died:
            self._found.kills[life.step] += 1
        self._standin.advance(self._dice.uniform(0, 10 * MINUTE_S))
        return len(died)

    @property
    def _place(self) -> Place:
        return self._stripe.place(self._database)

    def _steps(self) -> list[str]:
        steps = list(COLLECTED)
        self._dice.shuffle(steps)
        return steps

    def _break_a_call(self) -> None:
        kind = self._dice.choice(FAULTS)
        self._found.faults[kind] += 1
        method = self._dice.choice(("POST", "POST", "GET"))
        self._standin.plan(kind, method=method, nth=self._dice.randint(1, 8))

    def _finish(self) -> None:
        """Let an hour pass, and workers come to their ends, until nothing is left."""
        for _ in range(FINISHING_ROUNDS_MAX):
            self._standin.advance(HOUR_S)
            self._standin.hooks.settle(SETTLED_WITHIN_S)
            done_by(self._place, list(COLLECTED), workers=1)
            self._payers.pay()
            self._buyers.pay()
            if not self._is_more_to_come():
                return

    def _is_more_to_come(self) -> bool:
        return (
            Invoice.objects.filter(provider="stripe", hosted_url="").exists()
            or Purchase.objects.filter(state__in=Purchase.UNDER_WAY).exists()
            or Outgoing.objects.filter(state=Outgoing.State.WAITING).exists()
            or WebhookEvent.objects.filter(state=WebhookEvent.State.WAITING).exists()
            or any(undone_here())
            or untold()
            or bool(self._standin.hooks.waiting())
        )

    def _note(self) -> None:
        self._found.wrong += differences(self._place, self._stripe)
        self._found.done += self._payers.done + self._buyers.done
        for row in Outgoing.objects.all():
            self._found.decided[f"{row.get_kind_display()} {row.state}"] += 1
        attempts = self._standin.hooks.attempts
        told = {attempt.event for attempt in attempts}
        self._found.webhooks["sent again"] += len(attempts) - len(told)
        self._found.webhooks["never sent"] += len(self._events() - told)
        for attempt in attempts:
            for disorder in attempt.disorders or ("as it should be",):
                self._found.webhooks[disorder] += 1

    def _events(self) -> set[str]:
        with self._standin.engine.opened(self._stripe.account) as account:
            return set(account.events.rows)
