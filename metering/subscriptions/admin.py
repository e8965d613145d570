"""Operators' pages of what plans cost, and of who holds which version.

A published version is only shown. Of a subscription what was agreed stays: it is
changed by going over to another version, or ended.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from django.contrib import admin, messages
from django.db.models import Count, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone

from kit.admin import ReadOnlyInline, ServiceAdmin, confirmed_action, state_label
from kit.admin.dialogs import go_to
from kit.errors import PlatformError
from kit.money import format_minor
from metering.subscriptions import migrating, services
from metering.subscriptions.forms import (
    ChangeForm,
    EndForm,
    MigrateForm,
    PublishForm,
    VersionForm,
)
from metering.subscriptions.models import (
    PlanComponent,
    PlanDiscount,
    PlanVersion,
    Subscription,
)
from metering.usage.epochs import database_now

_TERMS = ("name", "fee_minor", "fee_in_advance", "minimum_commitment_minor")
# What a form calls an amount, and what a service does.
_COLUMNS = {"fee": "fee_minor", "minimum_commitment": "minimum_commitment_minor"}


class _Components(ReadOnlyInline):
    model = PlanComponent
    fields = ("name", "meter", "served_models", "document")
    readonly_fields = fields
    show_change_link = False
    hide_title = True
    tab = False


class _Discounts(ReadOnlyInline):
    model = PlanDiscount
    fields = ("name", "scope", "served_models", "percent", "amount_minor")
    readonly_fields = fields
    show_change_link = False
    hide_title = True
    tab = False


@admin.register(PlanVersion)
class PlanVersionAdmin(ServiceAdmin):
    """Versions of plans: draft one, say what it charges, publish it, move holders."""

    form = VersionForm
    list_display = (
        "__str__",
        "plan",
        "status",
        "fee_said",
        "least_said",
        "held_by",
        "published_at",
    )
    list_filter = ("currency", ("published_at", admin.EmptyFieldListFilter))
    list_select_related = ("plan",)
    search_fields = ("name", "plan__slug")
    search_help_text = "Name, plan, id"
    empty_says = "A plan costs nothing until a version of it is published and held."
    autocomplete_fields = ("plan",)
    fixed_fields = ("plan", "currency")
    readonly_fields = (
        "fee_said",
        "least_said",
        "held_by",
        "number",
        "published_at",
    )
    ordering = ("-id",)
    actions_detail = ("publish", "migrate")

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Ask what a draft says; show what was published."""
        if obj is not None and obj.state == "published":
            return (
                ("plan", "number", "name"),
                ("fee_said", "fee_in_advance", "least_said"),
                ("held_by", "published_at"),
            )
        return (
            ("plan", "currency", "name"),
            ("fee", "fee_in_advance", "minimum_commitment"),
            "components",
            "discounts",
        )

    def get_inlines(self, request: HttpRequest, obj: Any) -> Any:
        """Show what a published version is made of."""
        is_published = obj is not None and obj.state == "published"
        return (_Components, _Discounts) if is_published else ()

    def look_up(self, rows: Sequence[Any]) -> None:
        """Count who holds each version of a page."""
        open_ended = Q(subscriptions__ends_on__isnull=True)
        counted = PlanVersion.objects.filter(pk__in=[row.pk for row in rows]).annotate(
            holders=Count("subscriptions", filter=open_ended)
        )
        counts = dict(counted.values_list("pk", "holders"))
        for row in rows:
            row.holder_count = counts.get(row.pk, 0)

    @state_label(draft="warning", published="success")
    def status(self, row: PlanVersion) -> str:
        """Show the state as a label."""
        return row.state

    @admin.display(description="fee a period", ordering="fee_minor")
    def fee_said(self, row: PlanVersion) -> str:
        """Show the fee with its currency."""
        return format_minor(row.fee_minor, row.currency)

    @admin.display(description="at least", ordering="minimum_commitment_minor")
    def least_said(self, row: PlanVersion) -> str:
        """Show the commitment with its currency."""
        return format_minor(row.minimum_commitment_minor, row.currency)

    @admin.display(description="held by, without an end")
    def held_by(self, row: Any) -> str:
        """Show how many tenants hold it for good."""
        if not hasattr(row, "holder_count"):
            self.look_up([row])
        return f"{row.holder_count:,}"

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse to change what is no draft."""
        # Actions ask with an id in the object's place; their service refuses by itself.
        if isinstance(obj, PlanVersion) and obj.state != "draft":
            return False
        return bool(super().has_change_permission(request, obj))

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> Any:
        """Offer publication of a draft, and to move holders of what is published."""
        row = self.get_object(request, str(object_id))
        if row is None:
            return []
        mine = "publish" if row.state == "draft" else "migrate"
        offered = super().get_actions_detail(request, object_id)
        return [each for each in offered if mine in each.action_name]

    def create(self, values: Mapping[str, Any], request: HttpRequest) -> PlanVersion:
        """Draft a version of the plan."""
        terms: Any = {name: values[name] for name in _TERMS if values.get(name)}
        row = services.draft_plan_version(
            plan=values["plan"], currency=values["currency"], **terms
        )
        return self._set_lists(row, values)

    def update(self, row: PlanVersion, changes: Mapping[str, Any]) -> PlanVersion:
        """Change what the draft says."""
        terms: Any = {_COLUMNS.get(name, name): each for name, each in changes.items()}
        lists = {name: terms.pop(name, None) for name in ("components", "discounts")}
        row = services.change_plan_version(version=row, **terms)
        return self._set_lists(row, lists)

    def save_model(
        self, request: HttpRequest, obj: Any, form: Any, change: bool
    ) -> None:
        """Write amounts as they were read: in minor units."""
        for name, column in _COLUMNS.items():
            if name in form.cleaned_data:
                form.cleaned_data[name] = form.cleaned_data[column]
        super().save_model(request, obj, form, change)

    def _set_lists(self, row: PlanVersion, lists: Mapping[str, Any]) -> PlanVersion:
        if lists.get("components") is not None:
            row = services.set_components(version=row, components=lists["components"])
        if lists.get("discounts") is not None:
            row = services.set_discounts(version=row, discounts=lists["discounts"])
        return row

    @confirmed_action(
        label="Publish",
        explanation="What it charges can never be changed after this.",
        icon="publish",
        is_danger=True,
        form=PublishForm,
    )
    def publish(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        """Publish the draft."""
        return self.act(
            request,
            object_id,
            lambda row: services.publish_plan_version(version=row, now=database_now()),
            done="Published.",
        )

    @confirmed_action(
        label="Move holders",
        explanation="They go over to another version with their next period.",
        icon="move_down",
        is_danger=True,
        form=MigrateForm,
    )
    def migrate(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        """Ask for a job that moves them, and go to its page."""
        row = self.get_object(request, object_id)
        if row is None:
            raise Http404
        target = form.cleaned_data["target"]
        try:
            job = migrating.ask_migration(source=row, target=target)
        except PlatformError as refused:
            messages.error(request, refused.message)
            back = reverse("admin:subscriptions_planversion_change", args=(row.pk,))
            return go_to(request, back)
        self.log_change(request, row, f"{job.title}.")
        return go_to(request, reverse("admin:jobs_job_change", args=(job.pk,)))


@admin.register(Subscription)
class SubscriptionAdmin(ServiceAdmin):
    """Who holds which version of a plan, from when on."""

    list_display = ("tenant", "version", "status", "starts_on", "ends_on", "fee_said")
    list_filter = (("ends_on", admin.EmptyFieldListFilter),)
    list_select_related = ("tenant", "version")
    search_fields = ("tenant__slug", "tenant__name", "version__name")
    search_help_text = "Tenant, version's name, id"
    empty_says = "A tenant pays for its use alone until it is subscribed to a plan."
    autocomplete_fields = ("tenant", "version")
    fields = (
        ("tenant", "version"),
        ("starts_on", "ends_on"),
        "fee_said",
        ("agreed_at", "end_agreed_at"),
    )
    readonly_fields = ("fee_said", "agreed_at", "end_agreed_at")
    fixed_fields = ("tenant", "version", "starts_on", "ends_on")
    ordering = ("-id",)
    actions_detail = ("go_over", "end")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Subscription]:
        """Read subscriptions with whom and what they name."""
        rows: QuerySet[Subscription] = super().get_queryset(request)
        return rows.select_related("tenant", "version")

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Propose that it begins today."""
        return {
            "starts_on": timezone.now().date(),
            **super().get_changeform_initial_data(request),
        }

    @state_label(ahead="info", held="success", ending="warning", ended="info")
    def status(self, row: Subscription) -> str:
        """Show where in its time it is."""
        today = timezone.now().date()
        if row.ends_on is not None and row.ends_on <= max(today, row.starts_on):
            return "ended"
        if row.starts_on > today:
            return "ahead"
        return "held" if row.ends_on is None else "ending"

    @admin.display(description="fee a period")
    def fee_said(self, row: Subscription) -> str:
        """Show the fee with its currency."""
        return format_minor(row.version.fee_minor, row.version.currency)

    def create(self, values: Mapping[str, Any], request: HttpRequest) -> Subscription:
        """Subscribe the tenant."""
        terms: Any = {name: values[name] for name in self.fixed_fields}
        return services.subscribe(now=database_now(), **terms)

    def update(self, row: Subscription, changes: Mapping[str, Any]) -> Subscription:
        """Leave it as it is: what was agreed stays."""
        return row

    @confirmed_action(
        label="Change version",
        explanation="This subscription ends as the tenant goes over to another one.",
        icon="swap_horiz",
        form=ChangeForm,
    )
    def go_over(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        """Let the tenant go over to another version."""
        return self.act(
            request,
            object_id,
            lambda row: services.change_subscription(
                subscription=row,
                now=database_now(),
                version=form.cleaned_data["version"],
                starts_on=form.cleaned_data["starts_on"],
            ),
            done="It goes over to another version.",
        )

    @confirmed_action(
        label="End",
        explanation="Its last invoice is that of the period in which it ends.",
        icon="event_busy",
        is_danger=True,
        form=EndForm,
    )
    def end(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        """End the subscription."""
        return self.act(
            request,
            object_id,
            lambda row: services.end_subscription(
                subscription=row,
                now=database_now(),
                ends_on=form.cleaned_data["ends_on"],
            ),
            done="Its end is agreed.",
        )
