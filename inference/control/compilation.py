"""Rows into the entries that gateways follow: what is published, and in which shape.

Pure functions of rows, except for reading a row's relations. The bodies are the
contract with `inference.routing`; a body of None withdraws an entry.
"""

from collections.abc import Mapping
from typing import Any

from inference.control.limit_entries import LimitSource, PlanSource
from inference.control.models import (
    Calibration,
    ModelAlias,
    Publication,
    Replica,
    ServedModel,
)
from inference.control.sources import RowSource, Source
from inference.openai.media import TEXT_ONLY
from tenants.models import ApiKey, Priority, Tenant


def api_key_body(row: ApiKey) -> dict[str, Any] | None:
    """Compile an API key: gone when revoked or disabled, or with its project archived.

    Empty lists of models and networks keep it from none. The best priority is the
    key's own: gateways take the plan's where that is lower.
    """
    ends = (row.revoked_at, row.disabled_at, row.project.archived_at)
    if any(end is not None for end in ends):
        return None
    return {
        "api_key_id": row.pk,
        "project_id": row.project_id,
        "tenant_id": row.tenant_id,
        "expires_at": None if row.expires_at is None else row.expires_at.timestamp(),
        "scopes": sorted(row.scopes),
        "models": sorted(row.allowed_models),
        "networks": sorted(row.allowed_networks),
        **({} if row.priority == Priority.DEFAULT else {"priority": row.priority}),
    }


def tenant_body(row: Tenant) -> dict[str, Any]:
    """Compile a tenant; a suspended one stays, so that its callers are told so."""
    return {
        "slug": row.slug,
        "active": row.state == Tenant.State.ACTIVE,
        "currency": row.currency,
        "plan_id": row.plan_id,
        "prepaid": row.payment_mode == Tenant.PaymentMode.PREPAID,
    }


def model_body(row: ServedModel) -> dict[str, Any] | None:
    """Compile a served model; a disabled one is gone.

    One whose engines have counted no probes says nothing of the bound of its prompts.
    An adapter's are its base's, and so is what they counted. Settings that change
    nothing are left out.
    """
    if not row.enabled:
        return None
    calibration: Calibration | None = getattr(row, "calibration", None)
    if calibration is None and row.base is not None:
        calibration = getattr(row.base, "calibration", None)
    factors = calibration.factors if calibration else None
    media = set(row.modalities) - TEXT_ONLY
    return {
        "id": row.pk,
        "context_tokens": row.context_tokens,
        "max_output_tokens": row.max_output_tokens,
        "created": int(row.created_at.timestamp()),
        "tokenizer": row.tokenizer,
        "tasks": sorted(row.tasks),
        **({"prompt_bound": factors} if factors else {}),
        **_said(
            modalities=sorted(row.modalities) if media else None,
            base=row.base.name if row.base else None,
            adapter=(row.adapter or row.name) if row.base else None,
            defaults=row.defaults,
            choices_max=row.choices_max,
            allows_tools=None if row.allows_tools else False,
            cache_s=row.cache_s,
            fallbacks=[each.name for each in row.fallbacks if each.enabled],
            retires_at=row.retires_at and int(row.retires_at.timestamp()),
            successor=row.successor.name if row.successor else None,
        ),
        **row.serving(),
    }


def _said(**settings: Any) -> dict[str, Any]:
    """Return the settings that say something."""
    return {name: value for name, value in settings.items() if value or value is False}


def alias_body(row: ModelAlias) -> dict[str, Any] | None:
    """Compile an alias; a disabled one is gone."""
    return {"model": row.model.name} if row.enabled else None


def replica_body(row: Replica) -> dict[str, Any] | None:
    """Compile a replica; a disabled one is gone, a draining one ends what it has."""
    if row.state == Replica.State.DISABLED:
        return None
    return {
        "model": row.model.name,
        "name": row.name,
        "url": row.url,
        "dialect": row.dialect,
        "upstream_model": row.upstream_model or row.model.name,
        "credential": row.credential,
        "auth": row.auth,
        "options": row.options,
        "state": row.state,
        **row.giving(),
    }


Kind = Publication.Kind

SOURCES: Mapping[Kind, Source] = {
    Kind.TENANT: RowSource(Tenant.objects.all, "pk", tenant_body, tenant_field="pk"),
    Kind.MODEL: RowSource(
        lambda: ServedModel.objects.select_related(
            "calibration", "base__calibration", "successor"
        ).prefetch_related("fallback_rows__fallback"),
        "name",
        model_body,
    ),
    Kind.ALIAS: RowSource(
        lambda: ModelAlias.objects.select_related("model"), "name", alias_body
    ),
    Kind.REPLICA: RowSource(
        lambda: Replica.objects.select_related("model"), "pk", replica_body
    ),
    Kind.API_KEY: RowSource(
        lambda: ApiKey.objects.select_related("project"),
        "digest",
        api_key_body,
        tenant_field="tenant_id",
    ),
    Kind.PLAN: PlanSource(),
    Kind.LIMITS: LimitSource(),
}
