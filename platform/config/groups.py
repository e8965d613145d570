"""The groups of operators, and what each may do; the same in every installation.

They are part of the product: each migration puts them as they stand here, so that a new
page is in the right hands from its first day. Whoever needs another cut makes a group
of their own. Failure: none of its own; nobody is put into a group by this.
"""

from typing import Any

from django.apps import AppConfig
from django.contrib.auth.models import Group, Permission
from django.db.models import Q

_SEE = ("view",)
_RUN = ("view", "add", "change")
# Runs may be asked for, and cases looked after.
_RECONCILE = (*_SEE, "add_run", "change_case")

# What the members may do, by app; of the tenants' app Finance sees who pays, no more.
RIGHTS: dict[str, dict[str, tuple[str, ...]]] = {
    "Operators": {
        "tenants": (*_RUN, "suspend"),
        "control": _RUN,
        "pricing": _RUN,
        "subscriptions": _RUN,
        "alerts": _RUN,
        "usage": _SEE,
        "ledger": (
            *_SEE,
            "add_creditgrant",
            "change_creditgrant",
            "add_grantrequest",
        ),
        "taxes": _SEE,
        "receivables": _SEE,
        "topups": _RUN,
        "exports": (*_SEE, "add_export"),
        "documents": _SEE,
        "collection": (*_SEE, "change_meterevent"),
        # Providers' calls are let go on, and invoices tried again.
        "billing": (*_SEE, "change_provideroperation", "change_invoice"),
        "inbox": (*_SEE, "change_webhookevent"),
        "adjustments": (*_SEE, "add_adjustment", "add_rerating"),
        "reconciliation": _RECONCILE,
        "jobs": (*_SEE, "change_job"),
        "economics": _SEE,
    },
    "Support": {
        "tenants": (*_SEE, "suspend", "add_note"),
        "control": _SEE,
        "pricing": _SEE,
        "subscriptions": _SEE,
        "alerts": _SEE,
        "usage": _SEE,
        "ledger": _SEE,
        "taxes": _SEE,
        "receivables": _SEE,
        "topups": _SEE,
        "exports": _SEE,
        "documents": _SEE,
        "collection": _SEE,
        "billing": _SEE,
        "inbox": _SEE,
        "reconciliation": _SEE,
        "adjustments": _SEE,
        "jobs": _SEE,
    },
    "Finance": {
        "tenants": ("view_tenant", "view_plan", "view_note", "add_note"),
        "pricing": _SEE,
        "subscriptions": _RUN,
        "alerts": _SEE,
        "usage": _SEE,
        "ledger": _SEE,
        "taxes": _RUN,
        "receivables": _RUN,
        "topups": _RUN,
        "exports": (*_SEE, "add_export"),
        "documents": _SEE,
        "collection": (*_SEE, "change_meterevent"),
        "billing": _RUN,
        "inbox": (*_SEE, "change_webhookevent"),
        "adjustments": _SEE,
        "reconciliation": _RECONCILE,
        "jobs": (*_SEE, "change_job"),
        "economics": _RUN,
    },
}

# Who approves what others prepared, beside them or in a group of its own.
RIGHTS["Finance approvers"] = {
    **{
        app: ("view_tenant", "view_plan", "view_note") if app == "tenants" else _SEE
        for app in RIGHTS["Finance"]
    },
    "economics": (*_SEE, "approve_close"),
    "ledger": (*_SEE, "approve_grantrequest"),
}


def put_in_place(sender: AppConfig, using: str, **kwargs: Any) -> None:
    """Give the groups their rights over one app, once its permissions are there."""
    of_app = Permission.objects.using(using).filter(
        content_type__app_label=sender.label
    )
    for name, rights in RIGHTS.items():
        verbs = rights.get(sender.label)
        if verbs is None:
            continue
        group = _group(name, using)
        due = set(of_app.filter(_of(verbs)).values_list("pk", flat=True))
        held = Group.permissions.through.objects.using(using).filter(group=group)
        held.filter(permission__in=of_app).exclude(permission__in=due).delete()
        held.bulk_create(
            (held.model(group_id=group.pk, permission_id=each) for each in due),
            ignore_conflicts=True,
        )


def _group(name: str, using: str) -> Group:
    """Return the group of a name, made if need be.

    In bulk, here as above: what a migration makes is nobody's change to be recorded,
    and a relation would write as the role in force, which migrates nothing.
    """
    groups = Group.objects.using(using)
    groups.bulk_create([Group(name=name)], ignore_conflicts=True)
    return groups.get(name=name)


def _of(verbs: tuple[str, ...]) -> Q:
    """Match permissions of verbs, and those that are named whole."""
    matched = Q()
    for verb in verbs:
        matched |= (
            Q(codename=verb) if "_" in verb else Q(codename__startswith=f"{verb}_")
        )
    return matched
