"""Let those who hold a plan version go over to another, however many they are: a job.

Each step takes a few tenants, each moved or refused by itself. Failure: a tenant that
cannot be moved is named with the reason, and keeps what it has.
"""

from django.db.models import QuerySet
from django.urls import reverse

from kit.errors import Conflict, InvalidRequest, PlatformError
from kit.json_values import JsonObject
from metering.jobs import services as jobs
from metering.jobs.kinds import Kind, Step, Stepped
from metering.jobs.models import Job
from metering.subscriptions.models import PlanVersion, Subscription
from metering.subscriptions.subscribing import change_subscription

NAME = "subscriptions.migrate"
STEP_TENANTS = 20
# Of those that were refused so many are named; all are counted.
_NAMED_MAX = 20


def ask_migration(*, source: PlanVersion, target: PlanVersion) -> Job:
    """Ask that all who hold a version go over to another with their next period.

    Whoever has agreed an end is left alone. Raises `Conflict` for a draft, and
    `InvalidRequest` where the two are not in the same currency.
    """
    if target.published_at is None:
        raise Conflict(f"{target} is a draft: publish it first.", param="target")
    if source.currency != target.currency or source.pk == target.pk:
        raise InvalidRequest(
            f"Choose another version in {source.currency}.", param="target"
        )
    return jobs.ask(
        kind=NAME,
        subject=str(source.pk),
        title=f"Move subscribers of {source} to {target}",
        asked={"source": source.pk, "target": target.pk},
        whole=holders(source).count(),
    )


def holders(version: PlanVersion) -> QuerySet[Subscription]:
    """Return the subscriptions to a version that have no end."""
    return Subscription.objects.filter(version=version, ends_on__isnull=True)


def holders_of_plan(plan_id: int) -> QuerySet[Subscription]:
    """Return the subscriptions to any version of a plan that have no end."""
    return Subscription.objects.filter(version__plan_id=plan_id, ends_on__isnull=True)


def _take_step(step: Step) -> Stepped:
    source = PlanVersion.objects.get(pk=step.asked["source"])
    target = PlanVersion.objects.get(pk=step.asked["target"])
    place = {"after": 0, "moved": 0, "refused": 0, "named": [], **step.place}
    rows = list(
        holders(source)
        .filter(pk__gt=place["after"])
        .select_related("tenant")
        .order_by("pk")[:STEP_TENANTS]
    )
    for each in rows:
        try:
            change_subscription(subscription=each, version=target, now=step.now)
            place["moved"] += 1
        except PlatformError as refused:
            place["refused"] += 1
            place["named"].append(f"{each.tenant.slug}: {refused.message}")
        place["after"] = each.pk
    place["named"] = place["named"][:_NAMED_MAX]
    left = holders(source).filter(pk__gt=place["after"]).count()
    done = place["moved"] + place["refused"]
    return Stepped(
        done=done,
        whole=done + left,
        place=place,
        is_finished=not left,
        outcome=_outcome(place),
    )


def _outcome(place: JsonObject) -> JsonObject:
    told = {"moved": place["moved"], "not moved": place["refused"]}
    return {**told, "why": " ".join(place["named"])} if place["named"] else told


def _address(asked: JsonObject) -> str:
    return reverse("admin:subscriptions_planversion_change", args=(asked["source"],))


KIND = Kind(
    name=NAME,
    label="Move of subscribers",
    unit="subscriptions",
    step=_take_step,
    cancelling="Who was moved stays moved; the others keep what they have.",
    address=_address,
    right="subscriptions.change_planversion",
)
