"""Operators' pages of long work: how far each job is, and what may be done about it.

A job's page follows it by itself while it goes on; without scripts, by loading anew.
"""

import datetime as dt
from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.contrib.auth.models import AbstractUser, AnonymousUser
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.urls import path, reverse
from django.utils import timezone
from django.utils.html import format_html

from kit.admin import (
    BulkAction,
    Confirmation,
    Consequences,
    ReadOnlyAdmin,
    confirmed_action,
    state_label,
)
from metering.jobs import selectors, services
from metering.jobs.kinds import kinds
from metering.jobs.models import Job

Person = AbstractUser | AnonymousUser
State = Job.State
_MINUTE = dt.timedelta(minutes=1)


class _KindFilter(admin.SimpleListFilter):
    title = "kind"
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, _: Any) -> list[tuple[str, str]]:
        """Offer the kinds that there are."""
        return [(each.name, each.label) for each in kinds().values()]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        """Keep those of the chosen kind."""
        return queryset.filter(kind=self.value()) if self.value() else queryset


class Resume(BulkAction):
    """Let the chosen jobs go on."""

    name = "resume"
    label = "Resume"
    explanation = "They go on after the last step that was kept."
    done = "Resumed."
    permission = "run"

    def consequences(self, rows: Sequence[Job], *, now: dt.datetime) -> Consequences:
        """Count what is left to do."""
        left = sum(max(0, row.whole - row.done) for row in rows if row.whole)
        return Consequences(lines=(f"Left to do, where it is known: {left:,}.",))

    def is_done(self, row: Job) -> bool:
        """Leave those that did not fail."""
        return row.state != State.FAILED

    def refusal(self, row: Job, user: Person) -> str:
        """Ask for the right of the job's kind too."""
        return lacks_right(row, user)

    def do(self, row: Job, *, now: dt.datetime) -> Job:
        """Let one go on."""
        return services.resume(job=row, now=now)


class _CancelForm(Confirmation):
    def consequence(self, object_id: str) -> str:
        """Say what is done already, and that it stays."""
        row = selectors.job(int(object_id))
        kind = kinds().get(row.kind)
        if kind is None or not kind.cancelling:
            return "A job of this kind cannot be left half done."
        return f"{_counted(row)} {kind.cancelling}"


@admin.register(Job)
class JobAdmin(ReadOnlyAdmin):
    """Long work, the latest first."""

    list_display = ("title", "kind_label", "status", "how_far", "who", "created_at")
    list_filter = ("state", _KindFilter)
    search_fields = ("title", "subject")
    search_help_text = "Title, subject, id"
    empty_says = (
        "No long work has been asked for: re-ratings, previews of prices and closes of"
        " months are listed here while they go on and afterwards."
    )
    fields = (
        ("title", "status"),
        "how_far_live",
        ("kind_label", "subject"),
        "problem",
        ("who", "created_at"),
        ("began_at", "stepped_at", "finished_at"),
        "result",
    )
    readonly_fields = (
        "status",
        "kind_label",
        "how_far_live",
        "who",
        "result",
    )
    ordering = ("-id",)
    bulk_actions = (Resume(),)
    actions_detail = ("cancel", "resume")

    def get_urls(self) -> Any:
        """Add the part of a job's page that follows it."""
        follow = self.admin_site.admin_view(self.follow)
        mine = path("<int:job_id>/progress/", follow, name="jobs_job_progress")
        return [mine, *super().get_urls()]

    def follow(self, request: HttpRequest, job_id: int) -> HttpResponse:
        """Show how far a job is now, as a part of its page.

        Once it is in another state than the page says, the whole page is loaded anew:
        its label and what may be done are no part of this.
        """
        row = Job.objects.filter(pk=job_id).first()
        if row is None or not self.has_view_permission(request, row):
            raise Http404
        if request.GET.get("shown", row.state) != row.state:
            return HttpResponse(headers={"HX-Refresh": "true"})
        return render(request, "jobs/progress.html", _shown(row))

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> Any:
        """Offer what may be done about a job as it is."""
        row = self.get_object(request, str(object_id))
        if row is None:
            return []
        kind = kinds().get(row.kind)
        may_end = not row.has_ended or row.state == State.FAILED
        names = {
            "cancel": may_end and kind is not None and bool(kind.cancelling),
            "resume": row.state == State.FAILED,
        }
        offered = super().get_actions_detail(request, object_id)
        return [
            each
            for each in offered
            if any(may and name in each.action_name for name, may in names.items())
        ]

    def has_run_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        """Let those cancel and resume who may change jobs, and ask for one like it."""
        if not request.user.has_perm("jobs.change_job"):
            return False
        row = self.get_object(request, str(object_id)) if object_id else None
        return row is None or not lacks_right(row, request.user)

    @state_label(
        ordering="state",
        waiting="info",
        running="info",
        done="success",
        failed="danger",
        cancelled="warning",
    )
    def status(self, row: Job) -> str:
        """Show the state as a label."""
        return row.state

    @admin.display(description="kind", ordering="kind")
    def kind_label(self, row: Job) -> str:
        """Name the kind in words."""
        kind = kinds().get(row.kind)
        return kind.label if kind else row.kind

    @admin.display(description="progress")
    def how_far(self, row: Job) -> str:
        """Show how far it is."""
        return render_to_string("jobs/bar.html", _shown(row))

    @admin.display(description="progress")
    def how_far_live(self, row: Job) -> str:
        """Show how far it is, followed while it goes on."""
        return render_to_string("jobs/progress.html", _shown(row))

    @admin.display(description="asked for by")
    def who(self, row: Job) -> str:
        """Name who asked for it."""
        kind = row.actor_kind.replace("_", " ")
        return kind if row.actor_id is None else f"{kind} {row.actor_id}"

    @admin.display(description="where it leads")
    def result(self, row: Job) -> str:
        """Link to what it is about."""
        kind = kinds().get(row.kind)
        if kind is None or kind.address is None:
            return "-"
        address = kind.address(row.asked)
        return format_html('<a class="underline" href="{}">{}</a>', address, row.title)

    @confirmed_action(
        label="Resume",
        explanation="It goes on after the last step that was kept.",
        icon="play_arrow",
        permission="run",
    )
    def resume(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        """Let the job go on."""
        return self.act(
            request,
            object_id,
            lambda row: services.resume(job=row, now=timezone.now()),
            done="Resumed.",
        )

    @confirmed_action(
        label="Cancel job",
        explanation="No more steps are taken; the one in hand is undone.",
        icon="stop_circle",
        is_danger=True,
        permission="run",
        form=_CancelForm,
    )
    def cancel(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        """Take no more steps of the job."""
        return self.act(
            request,
            object_id,
            lambda row: services.cancel(job=row, now=timezone.now()),
            done="Cancelled.",
        )


def lacks_right(row: Job, user: Person) -> str:
    """Say what an account needs to turn a job of this kind; empty where it has it."""
    kind = kinds().get(row.kind)
    if kind is None or not kind.right or user.has_perm(kind.right):
        return ""
    return f"Your account needs {kind.right} for this kind of job."


def _shown(row: Job) -> dict[str, Any]:
    """Return what the parts of the pages show of a job."""
    progress = selectors.progress(row)
    return {
        "job": row,
        "progress": progress,
        "counted": _counted(row),
        "left": _said(progress.left) if progress.left is not None else "",
        "address": f"{reverse('admin:jobs_job_progress', args=(row.pk,))}"
        f"?shown={row.state}",
    }


def _counted(row: Job) -> str:
    """Say how much is done, of how much."""
    found = selectors.progress(row)
    if found.whole is None:
        return f"{found.done:,} {found.unit} done." if found.done else "Nothing done."
    return f"{found.done:,} of {found.whole:,} {found.unit} done."


def _said(left: dt.timedelta) -> str:
    """Say how long it goes on, no finer than anybody can know."""
    if left < _MINUTE:
        return "less than a minute"
    minutes = -(-left // _MINUTE)
    hours, minutes = divmod(minutes, 60)
    return f"about {hours} h {minutes} min" if hours else f"about {minutes} min"
