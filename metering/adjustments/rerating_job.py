"""A re-rating as a job: its chunks are the steps, so people see how far it is.

Failure: a re-rating that cannot go on fails its job, which says why, and keeps no other
waiting; a person resumes it. Owns: nothing; the re-rating keeps its own place.
"""

import datetime as dt

from django.db.models import Sum
from django.urls import reverse

from kit.json_values import JsonObject
from kit.money import format_picos
from metering.adjustments.models import ReratedTenant, Rerating
from metering.adjustments.previewing import count_requests, scope_of_rerating
from metering.adjustments.rerating import rerate_chunk
from metering.jobs import services as jobs
from metering.jobs.kinds import Kind, Step, Stepped
from metering.jobs.models import Job

NAME = "adjustments.rerate"
_AGAIN_AFTER = dt.timedelta(seconds=5)


def ask_for(row: Rerating) -> Job:
    """Ask for the job that does a re-rating, once."""
    whose = f" of {row.tenant}" if row.tenant else ""
    return jobs.ask(
        kind=NAME,
        subject=str(row.pk),
        title=f"Rate use of {row.model}{whose} under {row.book} anew",
        asked={"rerating": row.pk},
    )


def ask_for_those_left() -> int:
    """Ask for jobs of re-ratings that have none, as of an earlier version; count."""
    running = Rerating.objects.filter(state=Rerating.State.RUNNING)
    asked = 0
    for row in running.select_related("book", "tenant").order_by("pk"):
        if not Job.objects.filter(kind=NAME, subject=str(row.pk)).exists():
            ask_for(row)
            asked += 1
    return asked


def _take_step(step: Step) -> Stepped:
    row = Rerating.objects.select_related("book", "tenant").get(
        pk=step.asked["rerating"]
    )
    whole = step.place.get("whole") or count_requests(scope_of_rerating(row))
    taken = rerate_chunk(rerating_id=row.pk, now=step.now)
    row.refresh_from_db(fields=["state"])
    is_done = row.state == Rerating.State.DONE
    sums = ReratedTenant.objects.filter(rerating=row).aggregate(
        requests=Sum("requests", default=0),
        before=Sum("charge_before_picos", default=0),
        after=Sum("charge_after_picos", default=0),
    )
    done = int(sums["requests"])
    return Stepped(
        done=done,
        # Use may have been corrected since it was counted.
        whole=done if is_done else max(whole, done),
        place={"whole": whole},
        is_finished=is_done,
        # None taken and not done: somebody else has it in hand.
        not_before=None if taken or is_done else step.now + _AGAIN_AFTER,
        outcome=_outcome(int(sums["before"]), int(sums["after"]), row.book.currency),
    )


def _outcome(before: int, after: int, currency: str) -> JsonObject:
    return {
        "charged before": f"{format_picos(before)} {currency}",
        "charged now": f"{format_picos(after)} {currency}",
        "difference": f"{format_picos(after - before)} {currency}",
    }


def _address(asked: JsonObject) -> str:
    return reverse("admin:adjustments_rerating_change", args=(asked["rerating"],))


KIND = Kind(
    name=NAME,
    label="Re-rating",
    unit="requests",
    step=_take_step,
    address=_address,
    right="adjustments.add_rerating",
)
