"""Operators' pages of price books: draft a version, quote its prices, publish it.

Prices are read and written as quotes per million tokens. A published version is only
shown: its page has no field to change and no button.
"""

from collections.abc import Mapping
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from unfold.admin import TabularInline
from unfold.decorators import action

from kit.admin import (
    ReadOnlyInline,
    ServiceAdmin,
    confirmed_action,
    state_label,
)
from kit.admin.dialogs import go_to
from kit.errors import PlatformError
from kit.money import quote_per_million
from metering.pricing import replaying, selectors, services
from metering.pricing.assignment_admin import PriceBookAssignmentAdmin
from metering.pricing.contract_admin import ContractAdmin
from metering.pricing.discounting import set_discounts
from metering.pricing.forms import QUOTED, PriceForm, PublishForm, left_out
from metering.pricing.models import (
    DISCOUNTS,
    Price,
    PriceBook,
    PriceBookVersion,
)
from metering.pricing.preview_admin import (
    changes_table,
    preview_table,
    whole_preview,
)
from metering.usage.epochs import database_now

# Some have modules of their own, which Django does not look for.
__all__ = [
    "ContractAdmin",
    "PriceBookAdmin",
    "PriceBookAssignmentAdmin",
    "PriceBookVersionAdmin",
]


class _DraftPrices(TabularInline):  # type: ignore[misc]
    """The prices of a draft."""

    model = Price
    form = PriceForm
    fields = ("model", *QUOTED)
    extra = 1
    hide_title = True
    verbose_name_plural = "prices per million tokens"

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Allow whoever may change the version."""
        return request.user.has_perm("pricing.change_pricebookversion")

    has_change_permission = has_add_permission
    has_delete_permission = has_add_permission


class _PublishedPrices(ReadOnlyInline):
    """The prices of a published version."""

    model = Price
    fields = ("model", *QUOTED)
    readonly_fields = fields
    show_change_link = False
    hide_title = True
    tab = False
    verbose_name_plural = "prices per million tokens"

    @admin.display(description="input per million")
    def input_per_million(self, row: Price) -> str:
        """Show the quote."""
        return quote_per_million(row.input_picos)

    @admin.display(description="cached input per million")
    def cached_input_per_million(self, row: Price) -> str:
        """Show the quote."""
        return quote_per_million(row.cached_input_picos)

    @admin.display(description="output per million")
    def output_per_million(self, row: Price) -> str:
        """Show the quote."""
        return quote_per_million(row.output_picos)


class _VersionInline(ReadOnlyInline):
    model = PriceBookVersion
    fields = ("number", "effective_at", "published_at")
    readonly_fields = fields
    tab = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[PriceBookVersion]:
        """Read versions with their book, which names them."""
        rows: QuerySet[PriceBookVersion] = super().get_queryset(request)
        return rows.select_related("book")


@admin.register(PriceBook)
class PriceBookAdmin(ServiceAdmin):
    """Price books: create one, see its versions, draft the next."""

    list_display = ("name", "currency", "is_default", "created_at")
    list_filter = ("currency", "is_default")
    search_fields = ("name",)
    search_help_text = "Name, id"
    empty_says = "Without a price no model can be called: make a book and draft in it."
    fields = ("name", "currency", "is_default")
    fixed_fields = fields
    inlines = (_VersionInline,)
    actions_detail = ("draft",)

    def create(self, values: Mapping[str, Any], request: HttpRequest) -> PriceBook:
        """Create an empty book."""
        return services.create_price_book(**values)

    def update(self, row: PriceBook, changes: Mapping[str, Any]) -> PriceBook:
        """Leave the book as it is: prices change by version."""
        return row

    def get_inlines(self, request: HttpRequest, obj: Any) -> Any:
        """Show the versions once there is a book."""
        return self.inlines if obj else ()

    @action(description="Draft a version", permissions=["change"], icon="edit_note")  # type: ignore[untyped-decorator]
    def draft(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Go to the form of a new version of this book."""
        form = reverse("admin:pricing_pricebookversion_add")
        return HttpResponseRedirect(f"{form}?book={object_id}")


@admin.register(PriceBookVersion)
class PriceBookVersionAdmin(ServiceAdmin):
    """Versions of price books: quote prices in a draft, publish it for good."""

    list_display = ("__str__", "status", "effective_at", "published_at")
    list_filter = (
        "book",
        ("published_at", admin.EmptyFieldListFilter),
    )
    list_select_related = ("book",)
    search_fields = ("book__name", "prices__model")
    search_help_text = "Book, model with a price, id"
    readonly_fields = (
        "number",
        "published_at",
        "discounts",
        "changed",
        "last_month",
        "everybody",
    )
    fixed_fields = ("book",)
    actions_detail = ("preview", "publish")

    @state_label(draft="warning", published="success", corrective="info")
    def status(self, row: PriceBookVersion) -> str:
        """Show the state as a label."""
        return row.state

    @admin.display(description="last month's use under it")
    def last_month(self, row: PriceBookVersion) -> str:
        """Show what a draft would come to, tenant by tenant."""
        return preview_table(row)

    @admin.display(description="discounts")
    def discounts(self, row: PriceBookVersion) -> str:
        """Show what prices follow from others, and by how much less."""
        names = ("cached input", "batches", "kept answers")
        said = [
            f"{name} {percent.normalize():f} % less"
            for name, percent in zip(
                names, (getattr(row, each) for each in DISCOUNTS), strict=True
            )
            if percent is not None
        ]
        return ", ".join(said) or "none: every price is quoted"

    @admin.display(description="what it changes")
    def changed(self, row: PriceBookVersion) -> str:
        """Show each price beside the one before."""
        return changes_table(row)

    @admin.display(description="last month's use of all")
    def everybody(self, row: PriceBookVersion) -> str:
        """Show what the last preview of all tenants came to."""
        return whole_preview(row)

    def get_queryset(self, request: HttpRequest) -> QuerySet[PriceBookVersion]:
        """Read versions with their books, which name them."""
        rows: QuerySet[PriceBookVersion] = super().get_queryset(request)
        return rows.select_related("book")

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Ask a new draft for its book and its beginning."""
        if obj is None:
            return ("book", "effective_at")
        rows = (("book", "number"), ("effective_at", "published_at"))
        if obj.state != "draft":
            return (*rows, "discounts", "changed")
        return (*rows, *DISCOUNTS, "changed", "last_month", "everybody")

    def held_with(self, row: PriceBookVersion) -> Mapping[str, str]:
        """Hold an edit against the draft's prices too: they are on the same page."""
        return {
            f"the price of {each.model}": ", ".join(
                quote_per_million(picos)
                for picos in (
                    each.input_picos,
                    each.cached_input_picos,
                    each.output_picos,
                )
            )
            for each in row.prices.all()
        }

    def get_inlines(self, request: HttpRequest, obj: Any) -> Any:
        """Show prices to be changed in a draft, to be read when published."""
        if obj is None:
            return ()
        return (_DraftPrices,) if obj.state == "draft" else (_PublishedPrices,)

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Propose that a version begins now."""
        return {
            "effective_at": timezone.now().replace(microsecond=0),
            **super().get_changeform_initial_data(request),
        }

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse to change what is no draft."""
        # Actions ask with an id in the object's place; their service refuses by itself.
        if isinstance(obj, PriceBookVersion) and obj.state != "draft":
            return False
        return bool(super().has_change_permission(request, obj))

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> Any:
        """Offer publication of drafts only."""
        row = self.get_object(request, str(object_id))
        if row is None or row.state != "draft":
            return []
        return super().get_actions_detail(request, object_id)

    def create(
        self, values: Mapping[str, Any], request: HttpRequest
    ) -> PriceBookVersion:
        """Draft a version, with the prices that the last published one has."""
        return services.draft_version(
            copy_from=selectors.last_published(book=values["book"]), **values
        )

    def update(
        self, row: PriceBookVersion, changes: Mapping[str, Any]
    ) -> PriceBookVersion:
        """Let the draft begin at another instant, or set its discounts."""
        discounts = {name: changes[name] for name in DISCOUNTS if name in changes}
        if "effective_at" in changes:
            services.reschedule_version(
                version=row, effective_at=changes["effective_at"]
            )
        return set_discounts(version=row, **discounts) if discounts else row

    def save_formset(
        self, request: HttpRequest, form: Any, formset: Any, change: bool
    ) -> None:
        """Write the prices of a draft by their services, and tell the log which."""
        version = form.instance
        formset.new_objects, formset.changed_objects = [], []
        formset.deleted_objects = []
        gone = set(formset.deleted_forms)
        for row in formset.forms:
            if row.has_changed() and row not in gone:
                self._set_price(version, row, formset)
        for row in gone:
            if row.instance.pk:
                services.remove_price(version=version, model=row.initial["model"])
                formset.deleted_objects.append(row.instance)

    def _set_price(
        self, version: PriceBookVersion, row: PriceForm, formset: Any
    ) -> None:
        model, before = row.cleaned_data["model"], row.initial.get("model")
        if before and before != model:
            services.remove_price(version=version, model=before)
        price = services.set_price(version=version, model=model, **row.quotes())
        if before:
            formset.changed_objects.append((price, row.changed_data))
        else:
            formset.new_objects.append(price)

    @confirmed_action(
        label="Preview for all",
        explanation="Last month's use of every tenant is counted under the draft; it "
        "changes nothing.",
        icon="query_stats",
    )
    def preview(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        """Ask for a job that counts it, and go to its page."""
        row = self.get_object(request, object_id)
        if row is None:
            raise Http404
        try:
            job = replaying.ask_preview(version=row)
        except PlatformError as refused:
            messages.error(request, refused.message)
            back = reverse("admin:pricing_pricebookversion_change", args=(row.pk,))
            return go_to(request, back)
        return go_to(request, reverse("admin:jobs_job_change", args=(job.pk,)))

    @confirmed_action(
        label="Publish",
        explanation="The version and its prices can never be changed after this; "
        "gateways follow at once.",
        icon="publish",
        is_danger=True,
        form=PublishForm,
    )
    def publish(self, request: HttpRequest, form: Any, object_id: str) -> HttpResponse:
        """Publish the draft."""
        return self.act(
            request,
            object_id,
            lambda row: services.publish_or_begin_now(
                version=row,
                now=database_now(),
                drop=left_out(row) if form.cleaned_data["drop"] else (),
            ),
            done="Published.",
        )
