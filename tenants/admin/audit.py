"""Operators' pages of the audit: who changed what, to be searched and never changed."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import flatten
from django.contrib.auth.models import User
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html, format_html_join

from kit.acting import ActorKind
from kit.admin import ReadOnlyAdmin
from kit.orm.audited import Audited
from tenants import selectors
from tenants.audit import telling
from tenants.models import AuditEntry, Member, Tenant
from tenants.selectors.audit import Named

_WORDS_MAX = 4
_BIGINT_DIGITS = 18
_NOBODY = Named()


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnlyAdmin):
    """Entries of every chain, newest first."""

    list_display = ("at", "action", "thing", "of", "actor", "changed", "request_id")
    list_display_links = ("at",)
    list_filter = ("actor_kind", ("at", admin.DateFieldListFilter))
    search_fields = ("object_kind", "object_id", "action", "request_id")
    search_help_text = "Object (api_key 311), action, request id, e-mail of who acted"
    empty_says = "No change matches: entries are here for every change since the start."
    ordering = ("-id",)
    fields = (
        ("at", "request_id"),
        ("action", "thing"),
        ("of", "actor"),
        ("was", "became"),
        ("personal_before", "personal_after"),
        ("chain", "seq"),
        "previous",
        "digest",
    )
    readonly_fields = tuple(flatten(fields))

    def look_up(self, rows: Sequence[AuditEntry]) -> None:
        """Read who acted and on which tenants, for a page of entries at once."""
        self._name(rows)

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> AuditEntry | None:
        """Read one entry with who acted and what of it is personal."""
        row: AuditEntry | None = super().get_object(request, object_id, from_field)
        if row is not None:
            self._name([row])
        return row

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[AuditEntry], search_term: str
    ) -> tuple[QuerySet[AuditEntry], bool]:
        """Look each word up as it stands: parts of words are in no index."""
        words = search_term.replace("\0", "").split()
        for word in words[:_WORDS_MAX]:
            queryset = queryset.filter(_by_actor(word) if "@" in word else _by(word))
        return queryset, False

    @admin.display(description="object")
    def thing(self, row: AuditEntry) -> str:
        """Link to the object's page, where it has one."""
        shown = f"{row.object_kind} {row.object_id}"
        address = _address(row)
        if not address:
            return shown
        return format_html('<a class="underline" href="{}">{}</a>', address, shown)

    @admin.display(description="tenant")
    def of(self, row: AuditEntry) -> str:
        """Show whose chain it is in."""
        return getattr(row, "tenant_slug", "") or "installation"

    @admin.display(description="by")
    def actor(self, row: AuditEntry) -> str:
        """Show who acted, as it is called now."""
        named: Named = getattr(row, "named", _NOBODY)
        kind = row.actor_kind.replace("_", " ")
        number = "" if row.actor_id is None else f" {row.actor_id}"
        # Most accounts are called by their address.
        who = " ".join(dict.fromkeys(filter(None, (named.name, named.email))))
        return f"{kind}{number} ({who})" if who else f"{kind}{number}"

    @admin.display(description="fields")
    def changed(self, row: AuditEntry) -> str:
        """Name the fields that changed; what they hold is on the entry's page."""
        names = sorted(row.before.keys() | row.after.keys())
        return ", ".join(names[:6]) + (" …" if len(names) > 6 else "")

    @admin.display(description="before")
    def was(self, row: AuditEntry) -> str:
        """Show the fields as they were."""
        return _fields(row, row.before)

    @admin.display(description="after")
    def became(self, row: AuditEntry) -> str:
        """Show the fields as they became."""
        return _fields(row, row.after)

    @admin.display(description="personal, before")
    def personal_before(self, row: AuditEntry) -> str:
        """Show the personal fields as they were, until they are forgotten."""
        return _personal(row, "before")

    @admin.display(description="personal, after")
    def personal_after(self, row: AuditEntry) -> str:
        """Show the personal fields as they became, until they are forgotten."""
        return _personal(row, "after")

    def _name(self, rows: Sequence[Any]) -> None:
        actors = selectors.audit_actors(rows)
        details = selectors.audit_details(rows)
        tenants = Tenant.objects.only("slug", "currency").in_bulk(
            {row.tenant_id for row in rows if row.tenant_id}
        )
        for row in rows:
            row.named = actors[selectors.actor_key(row)]
            row.detail = details.get(row.pk)
            of = tenants.get(row.tenant_id)
            row.tenant_slug = of.slug if of else ""
            row.tenant_currency = of.currency if of else ""


def _by(word: str) -> Q:
    found = Q(object_id=word) | Q(object_kind=word) | Q(action=word)
    found |= Q(request_id=word)
    if word.isdecimal() and len(word) <= _BIGINT_DIGITS:
        found |= Q(pk=int(word))
    return found


def _by_actor(email: str) -> Q:
    accounts = User.objects.filter(Q(email__iexact=email) | Q(username=email))
    members = Member.objects.filter(email__iexact=email).values_list("pk", flat=True)
    return (
        Q(
            actor_kind__in=(ActorKind.OPERATOR, ActorKind.ACCOUNT),
            actor_id__in=list(accounts.values_list("pk", flat=True)),
        )
        | Q(actor_kind=ActorKind.MEMBER, actor_id__in=list(members))
        | Q(member_id__in=list(members))
    )


def _address(row: AuditEntry) -> str:
    """Return the address of the page of what was changed; empty without one."""
    for model in admin.site._registry:
        audited: Audited | None = getattr(model, "audited", None)
        noun = audited.noun if audited else _OF_FRAMEWORKS.get(model._meta.label_lower)
        if noun == row.object_kind:
            name = f"{model._meta.app_label}_{model._meta.model_name}"
            try:
                return reverse(f"admin:{name}_change", args=(row.object_id,))
            except NoReverseMatch:
                return ""
    return ""


_OF_FRAMEWORKS = {"auth.user": "account", "auth.group": "group"}


def _fields(row: AuditEntry, side: Mapping[str, Any]) -> str:
    """Show one side of a change, a field a line; amounts with their currency."""
    currency = telling.currency_of(
        row.after, row.before, otherwise=getattr(row, "tenant_currency", "")
    )
    lines = format_html_join(
        "",
        "<div>{}: {}</div>",
        (
            (name, value if amount is None else amount)
            for name, value in sorted(side.items())
            for amount in [telling.amount(name, value, currency)]
        ),
    )
    return lines or "-"


def _personal(row: AuditEntry, side: str) -> str:
    if not row.detail_digest:
        return "-"
    detail = getattr(row, "detail", None)
    if detail is None:
        return "forgotten"
    held: dict[str, object] = getattr(detail, side)
    return ", ".join(f"{name}: {value}" for name, value in sorted(held.items())) or "-"
