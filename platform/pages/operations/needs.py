"""What needs an operator: each a sentence with its number, and the way to the rows.

Every look is a count or two over an index of what is undone, so that the front page
costs the same on a good day and on a bad one. Nobody is told of what they may not see.

Failure: none of its own. Owns: nothing.
"""

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from django.db.models import Count, Q
from django.urls import reverse
from django.utils.timesince import timesince

from inference.control.live import Now
from inference.control.models import Replica, ServedModel
from inference.control.selectors import callable_models
from kit.links import rights_for
from metering.alerts.models import Crossing
from metering.billing import outbox
from metering.billing.models import Invoice, ProviderCustomer
from metering.collection.meters.backlog import backlog as meter_backlog
from metering.collection.models import Standing as ProviderStanding
from metering.collection.selectors import outgoing_backlog
from metering.inbox import selectors as inbox
from metering.jobs.models import Job
from metering.ledger.request_models import GrantRequest
from metering.reconciliation.selectors import Standing as Books
from metering.topups.models import TopUp
from pages.design.badges import Tone
from pages.operations.shell import Reader

# An event that waits longer than a worker takes for a whole round.
INBOX_AGE = dt.timedelta(minutes=15)
# A call in doubt for longer was not just sent.
OUTBOX_AGE = dt.timedelta(minutes=15)
LOW_PERCENT = 80
_FAILED_LATELY = dt.timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Need:
    """One thing that somebody has to look at."""

    what: str
    address: str
    why: str = ""
    tone: Tone = Tone.BAD


@dataclass(frozen=True, slots=True)
class _Asked:
    serving: Now
    books: Books | None
    now: dt.datetime


_Look = Callable[[_Asked], Iterator[Need]]


def needs(
    user: Reader, *, serving: Now, books: Books | None, now: dt.datetime
) -> list[Need]:
    """Return what needs somebody and this one may see, the most pressing first."""
    asked = _Asked(serving, books, now)
    found = [
        need
        for address, look in _LOOKS
        if user.has_perms(rights_for(address))
        for need in look(asked)
    ]
    return sorted(found, key=lambda each: each.tone is not Tone.BAD)


def _gateways(asked: _Asked) -> Iterator[Need]:
    lately = asked.now - dt.timedelta(hours=1)
    silent = [
        each.name
        for each in asked.serving.gateways
        if each.is_silent and each.at > lately
    ]
    address = reverse("operations:live") + "#gateways"
    if not asked.serving.live_gateways:
        yield Need(
            "No gateway says that it runs",
            address,
            "No request is answered, or none of them reaches the database.",
        )
    elif silent:
        yield Need(
            f"{_of(len(silent), 'gateway')} fell silent within the hour",
            address,
            f"{_named(silent)}: stopped, lost, or cut off from the database.",
            Tone.WAIT,
        )


def _models(asked: _Asked) -> Iterator[Need]:
    callables = callable_models(now=asked.now)
    # What retired needs none, unless adapters of it are served.
    needed = Q(pk__in=callables.values("pk")) | Q(pk__in=callables.values("base"))
    offered = ServedModel.objects.filter(needed, enabled=True, base=None)
    without = offered.exclude(replicas__state=Replica.State.ACTIVE)
    if names := list(without.order_by("name").values_list("name", flat=True)[:20]):
        yield Need(
            f"{_of(len(names), 'model')} without an active replica",
            reverse("operations:routes"),
            f"{_named(names)}: calls are told that nobody serves it.",
        )
    if not asked.serving.live_gateways:
        return
    down = [each for each in asked.serving.replicas if each.condition == "down"]
    if down:
        yield Need(
            f"{_of(len(down), 'replica')} down",
            f"{reverse('operations:live')}#replicas",
            f"{_named([f'{each.model}/{each.name}' for each in down])}: no gateway"
            " sends requests there.",
        )


def _books(asked: _Asked) -> Iterator[Need]:
    books = asked.books
    if books is None:
        return
    runs = reverse("admin:reconciliation_run_changelist")
    if books.differences and books.run:
        yield Need(
            f"{_of(books.differences, 'difference')} in the books",
            reverse("admin:reconciliation_run_change", args=(books.run.pk,)),
            "Delivered, metered, rated and invoiced are not the same.",
        )
    if books.problem:
        yield Need("The books are not proven", runs, books.problem, Tone.WAIT)
    if books.cases:
        address = reverse("admin:reconciliation_case_changelist")
        whose = f"{books.unowned} without an owner." if books.unowned else ""
        yield Need(
            f"{_of(books.cases, 'open case')} of reconciliation",
            f"{address}?state__exact=open",
            whose,
            Tone.BAD if books.unowned else Tone.WAIT,
        )


def _outbox(asked: _Asked) -> Iterator[Need]:
    found = outbox.backlog()
    address = reverse("admin:billing_provideroperation_changelist")
    if found.parked:
        yield Need(
            f"{_of(found.parked, 'provider call')} parked",
            f"{address}?state__exact=parked",
            "Refused again and again: somebody has to decide.",
        )
    left = found.in_doubt + found.refused
    if left and found.oldest_at and found.age(now=asked.now) > OUTBOX_AGE:
        yield Need(
            f"{_of(left, 'provider call')} undone",
            f"{address}?undone=yes",
            f"The oldest for {timesince(found.oldest_at, asked.now, depth=1)}.",
            Tone.WAIT,
        )


def _inbox(asked: _Asked) -> Iterator[Need]:
    found = inbox.backlog()
    address = reverse("admin:inbox_webhookevent_changelist")
    if found.parked:
        yield Need(
            f"{_of(found.parked, 'provider event')} parked",
            f"{address}?state__exact=parked",
            "Tried again and again: what they tell is not in our books.",
        )
    if found.waiting and found.oldest_at:
        age = asked.now - found.oldest_at
        if age > INBOX_AGE:
            yield Need(
                f"{_of(found.waiting, 'provider event')} waiting",
                f"{address}?state__exact=waiting",
                f"The oldest for {timesince(found.oldest_at, asked.now, depth=1)}.",
                Tone.WAIT,
            )


def _providers(asked: _Asked) -> Iterator[Need]:
    differing = ProviderStanding.objects.exclude(difference="").count()
    if differing:
        address = reverse("admin:collection_standing_changelist")
        yield Need(
            f"{_of(differing, 'invoice')} otherwise at the provider than here",
            f"{address}?differs_since__isempty=0",
        )


def _outgoing(asked: _Asked) -> Iterator[Need]:
    if refused := outgoing_backlog().refused:
        yield Need(
            f"{_of(refused, 'fact')} that a provider is not told of",
            f"{reverse('admin:collection_outgoing_changelist')}?state__exact=waiting",
            "Notes, refunds and the like: each says what keeps it.",
            Tone.WAIT,
        )


def _meters(asked: _Asked) -> Iterator[Need]:
    found = meter_backlog()
    if found.parked:
        address = reverse("admin:collection_meterevent_changelist")
        yield Need(
            f"{_of(found.parked, 'meter event')} parked",
            f"{address}?state__exact=parked",
            "The provider's meters lack that use.",
            Tone.WAIT,
        )
    if found.differences:
        yield Need(
            f"{_of(found.differences, 'hour')} of which meters were told too much",
            reverse("admin:collection_meterdifference_changelist"),
            tone=Tone.WAIT,
        )


def _tax_ids(asked: _Asked) -> Iterator[Need]:
    unknown = ProviderCustomer.objects.exclude(tax_id_problem="").count()
    if unknown:
        address = reverse("admin:billing_providercustomer_changelist")
        yield Need(
            f"{_of(unknown, 'tax id')} not known at the provider",
            f"{address}?tax_id_problem__isempty=0",
            "Those tenants are taxed as if they had none.",
            Tone.WAIT,
        )


def _invoices(asked: _Asked) -> Iterator[Need]:
    # Without an address at the provider, as the index has it: no draft has one.
    drafts = Invoice.objects.filter(state=Invoice.State.DRAFT, hosted_url="")
    stuck = drafts.exclude(problem="")
    if count := stuck.count():
        address = reverse("admin:billing_invoice_changelist")
        yield Need(
            f"{_of(count, 'draft invoice')} with a problem",
            f"{address}?state__exact=draft",
            "Each says on its page what keeps it from being issued.",
        )


def _credit(asked: _Asked) -> Iterator[Need]:
    low = Crossing.objects.filter(
        kind="credit", cleared_at=None, share__gte=LOW_PERCENT
    ).aggregate(
        low=Count("tenant", distinct=True),
        spent=Count("tenant", distinct=True, filter=Q(share__gte=100)),
    )
    address = reverse("admin:alerts_crossing_changelist")
    if low["spent"]:
        yield Need(
            f"{_of(low['spent'], 'tenant')} out of credit",
            f"{address}?kind__exact=credit",
            "Their calls are refused until they buy more.",
            Tone.WAIT,
        )
    if left := low["low"] - low["spent"]:
        yield Need(
            f"{_of(left, 'tenant')} low on credit",
            f"{address}?kind__exact=credit",
            f"{LOW_PERCENT} % of it are used.",
            Tone.WAIT,
        )


def _top_ups(asked: _Asked) -> Iterator[Need]:
    failed = TopUp.objects.filter(
        state=TopUp.State.FAILED, ended_at__gt=asked.now - _FAILED_LATELY
    ).count()
    if failed:
        address = reverse("admin:topups_topup_changelist")
        yield Need(
            f"{_of(failed, 'top-up')} failed within a week",
            f"{address}?state__exact=failed",
            tone=Tone.WAIT,
        )


def _grants(asked: _Asked) -> Iterator[Need]:
    waiting = GrantRequest.objects.filter(state=GrantRequest.State.WAITING).count()
    if waiting:
        address = reverse("admin:ledger_grantrequest_changelist")
        yield Need(
            f"{_of(waiting, 'grant')} of credit to approve",
            f"{address}?state__exact=waiting",
            "Another person than the one who asked decides.",
            Tone.WAIT,
        )


def _jobs(asked: _Asked) -> Iterator[Need]:
    failed = Job.objects.filter(
        state=Job.State.FAILED, finished_at__gt=asked.now - _FAILED_LATELY
    ).count()
    if failed:
        address = reverse("admin:jobs_job_changelist")
        yield Need(
            f"{_of(failed, 'job')} failed within a week",
            f"{address}?state__exact=failed",
            "Each says why, and goes on where it stopped once it is resumed.",
        )


# Whoever may see the list may be told what of it is undone.
_LOOKS: tuple[tuple[str, _Look], ...] = (
    ("admin:control_replica_changelist", _gateways),
    ("admin:control_servedmodel_changelist", _models),
    ("admin:reconciliation_run_changelist", _books),
    ("admin:billing_provideroperation_changelist", _outbox),
    ("admin:inbox_webhookevent_changelist", _inbox),
    ("admin:collection_standing_changelist", _providers),
    ("admin:collection_outgoing_changelist", _outgoing),
    ("admin:collection_meterevent_changelist", _meters),
    ("admin:billing_providercustomer_changelist", _tax_ids),
    ("admin:billing_invoice_changelist", _invoices),
    ("admin:alerts_crossing_changelist", _credit),
    ("admin:topups_topup_changelist", _top_ups),
    ("admin:ledger_grantrequest_changelist", _grants),
    ("admin:jobs_job_changelist", _jobs),
)


def _of(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _named(names: list[str]) -> str:
    """Name a few of them, and count the rest."""
    shown, rest = names[:3], len(names) - 3
    return ", ".join(shown) + (f" and {rest:,} more" if rest > 0 else "")
