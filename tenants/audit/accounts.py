"""Record what happens to accounts: made, changed, signed in, locked out.

Accounts belong to frameworks, whose signals stand here in the place of services. What
happens to them is the installation's, whoever the account acts for. The chain holds
ids and flags; names and addresses are personal, passwords are nowhere.

Failure: as with every change, what cannot be recorded is not done. A failed sign-in is
recorded of accounts that there are: what else was typed may be anything, a password
included. Called by: Django, allauth and axes.
"""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from django.apps import apps
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser, Group, User
from django.contrib.auth.signals import (
    user_logged_in,
    user_logged_out,
    user_login_failed,
)
from django.db.models import Model
from django.db.models.signals import m2m_changed, post_delete, post_save, pre_save

from kit.acting import Actor, ActorKind, acting_as, current
from kit.orm.atomic import atomic
from kit.orm.audited import Audited, as_json, values
from kit.orm.audited import Told as Change
from kit.orm.roles import as_operator
from tenants.audit.recording import append

ACCOUNT = Audited(
    "account",
    tenant=None,
    personal=frozenset({"username", "email", "first_name", "last_name"}),
    hidden=frozenset({"password", "last_login"}),
)
GROUP = Audited("group", tenant=None)

# Where the fields of a row are kept between its `pre_save` and its `post_save`.
_BEFORE = "_audit_before"
_LINKED = {"post_add": "add", "post_remove": "remove", "pre_clear": "remove"}


def actor_of(user: User | AnonymousUser, *, request_id: str = "") -> Actor:
    """Return on whose behalf a signed-in account acts by itself."""
    if not user.is_authenticated:
        return Actor(ActorKind.SYSTEM, request_id=request_id)
    if user.is_staff:
        return Actor(ActorKind.OPERATOR, user.pk, request_id=request_id)
    return Actor(ActorKind.ACCOUNT, user.pk, scopes=frozenset(), request_id=request_id)


def connect() -> None:
    """Record from now on."""
    for model, audited in ((get_user_model(), ACCOUNT), (Group, GROUP)):
        _connect_rows(model, audited)
    user_logged_in.connect(_signed_in, dispatch_uid="audit.signed_in")
    user_logged_out.connect(_signed_out, dispatch_uid="audit.signed_out")
    user_login_failed.connect(_sign_in_failed, dispatch_uid="audit.failed")
    for through in (User.groups, User.user_permissions, Group.permissions):
        m2m_changed.connect(
            _linked, sender=through.through, dispatch_uid=f"audit.{through.through}"
        )
    _connect_second_factors()
    _connect_lock_outs()


def tell_account(
    account: Model,
    *,
    action: str,
    before: Mapping[str, object] | None = None,
    after: Mapping[str, object] | None = None,
) -> None:
    """Record what happened to an account, in the installation's chain."""
    _append(account, ACCOUNT, action, before or {}, after or {})


def _append(
    row: Model,
    audited: Audited,
    action: str,
    before: Mapping[str, object],
    after: Mapping[str, object],
) -> None:
    change = Change(
        row=row,
        audited=audited,
        action=action,
        before={name: as_json(value) for name, value in before.items()},
        after={name: as_json(value) for name, value in after.items()},
    )
    # A sign-in happens before there is a role, and the chain is not a tenant's.
    with as_operator(), atomic():
        append(change)


def _connect_rows(model: type[Model], audited: Audited) -> None:
    def remember(instance: Model, **_: Any) -> None:
        row = model._default_manager.filter(pk=instance.pk).first()
        setattr(instance, _BEFORE, values(row) if row else {})

    def record(instance: Model, created: bool, **_: Any) -> None:
        before: dict[str, object] = instance.__dict__.pop(_BEFORE, {})
        _record_saved(instance, audited, {} if created else before)

    pre_save.connect(
        remember, sender=model, weak=False, dispatch_uid=f"audit.before.{model}"
    )
    post_save.connect(
        record, sender=model, weak=False, dispatch_uid=f"audit.after.{model}"
    )


def _record_saved(row: Model, audited: Audited, before: Mapping[str, object]) -> None:
    after = values(row)
    shown = {
        name
        for name, value in after.items()
        if name not in audited.hidden and before.get(name, row) != value
    }
    if shown:
        _append(
            row,
            audited,
            "update" if before else "create",
            {name: before[name] for name in shown if name in before},
            {name: after[name] for name in shown},
        )
    if before and before.get("password") != after.get("password"):
        # Django also hashes the same password anew, when one signs in with an old hash.
        is_given = getattr(row, "_password", None) is not None
        _append(
            row, audited, "change_password" if is_given else "rehash_password", {}, {}
        )


def _signed_in(user: User, **_: Any) -> None:
    with acting_as(actor_of(user, request_id=current().request_id)):
        tell_account(user, action="sign_in")


def _signed_out(user: User | None, **_: Any) -> None:
    if user is not None:
        tell_account(user, action="sign_out")


def _sign_in_failed(credentials: Mapping[str, Any], **_: Any) -> None:
    _tell_named(credentials, action="fail_sign_in")


def _locked_out(username: str | None, **_: Any) -> None:
    _tell_named({"username": username}, action="lock_out")


def _tell_named(credentials: Mapping[str, Any], *, action: str) -> None:
    name = credentials.get("username") or credentials.get("email")
    if not isinstance(name, str) or "\0" in name:
        return
    with as_operator():
        accounts = get_user_model().objects
        account = (
            accounts.filter(username__iexact=name).first()
            or accounts.filter(email__iexact=name).first()
        )
    if account is not None:
        tell_account(account, action=action)


def _linked(
    sender: type[Model],
    instance: Model,
    action: str,
    reverse: bool,
    model: type[Model],
    pk_set: set[int] | None,
    **_: Any,
) -> None:
    """Record which groups and permissions an account or a group was given or lost."""
    verb = _LINKED.get(action)
    if verb is None:
        return
    linked = _linked_to(instance, model, sender) if pk_set is None else pk_set
    if not linked:
        return
    if not reverse:
        _append_links(instance, verb, model, linked)
        return
    for row in model._default_manager.filter(pk__in=linked):
        _append_links(row, verb, type(instance), {instance.pk})


def _linked_to(instance: Model, model: type[Model], through: type[Model]) -> set[int]:
    """Return what is about to be cleared, which the signal does not say."""
    mine, theirs = instance._meta.model_name, f"{model._meta.model_name}_id"
    rows = through._default_manager.filter(**{f"{mine}_id": instance.pk})
    return set(rows.values_list(theirs, flat=True))


def _append_links(row: Model, verb: str, model: type[Model], ids: set[int]) -> None:
    noun = f"{model._meta.model_name}s"
    named = {noun: ids}
    _append(
        row,
        GROUP if isinstance(row, Group) else ACCOUNT,
        f"{verb}_{noun}",
        {} if verb == "add" else named,
        named if verb == "add" else {},
    )


def _connect_second_factors() -> None:
    if not apps.is_installed("allauth.mfa"):
        return
    factor = apps.get_app_config("mfa").get_model("Authenticator")
    post_save.connect(_factor_saved, sender=factor, dispatch_uid="audit.factor.saved")
    post_delete.connect(
        _factor_deleted, sender=factor, dispatch_uid="audit.factor.deleted"
    )
    signals = import_module("allauth.mfa.signals")
    signals.authentication_failed.connect(
        _factor_failed, dispatch_uid="audit.factor.failed"
    )


def _factor_saved(instance: Any, created: bool, **_: Any) -> None:
    # It is also saved at each use, which is no change.
    if created:
        factor = {"factor": instance.type}
        tell_account(instance.user, action="add_second_factor", after=factor)


def _factor_deleted(instance: Any, **_: Any) -> None:
    factor = {"factor": instance.type}
    tell_account(instance.user, action="remove_second_factor", before=factor)


def _factor_failed(user: User, **_: Any) -> None:
    tell_account(user, action="fail_second_factor")


def _connect_lock_outs() -> None:
    if apps.is_installed("axes"):
        signals = import_module("axes.signals")
        signals.user_locked_out.connect(_locked_out, dispatch_uid="audit.locked_out")
