"""Every model of the product is audited, or stands here with the reason."""

from pathlib import Path

from django.apps import apps
from django.db import models

from kit.orm.audited import Audited
from tests.databases import ROOT

PRODUCT = [ROOT / name for name in ("platform", "tenants", "metering", "inference")]
OF_THE_METER = "the product writes it from what was used"
OF_THE_LEDGER = "it is a record of its own, append-only, which `verify_ledger` holds"
OF_A_PROVIDER = "the product notes what a provider says"
NOT_AUDITED = {
    "adjustments.reratedtenant": "it adds up what a re-rating, which is audited, did",
    "alerts.crossing": OF_THE_METER,
    "alerts.delivery": "the product writes how each attempt went",
    "alerts.event": "the product writes what it told",
    "alerts.watch": OF_THE_METER,
    "billing.callpace": "the product writes when it may call",
    "billing.claimedposting": OF_THE_LEDGER,
    "billing.invoiceline": "it is written with its invoice and never changes",
    "billing.providercustomer": "the product notes what a provider answered",
    "budgets.lease": OF_THE_METER,
    "budgets.window": OF_THE_METER,
    "collection.comparison": "the product notes what it compared",
    "collection.dispute": OF_A_PROVIDER,
    "collection.providerpayment": OF_A_PROVIDER,
    "collection.providerrefund": OF_A_PROVIDER,
    "collection.standing": OF_A_PROVIDER,
    "collection.metercurrencies": "the product notes what settings said",
    "collection.meterdifference": "the product notes what it compared",
    "collection.meterprogress": "the product notes what it compared",
    "collection.outgoing": "the product tells what notes and refunds, audited, say",
    "control.modelfallback": "the model that it stands in for tells of it",
    "control.publication": "it is made of rows that are audited",
    "control.publicationversion": "it is a counter",
    "control.pulse": "gateways write how they are",
    "control.refusal": "gateways write what they counted",
    "documents.document": "it is made of an invoice or note, and never changes",
    "economics.daymargin": "it is made of rates, rollups and postings",
    "economics.daytotal": "it is made of rates, rollups and postings",
    "economics.replicaspan": "the product notes which replicas are there",
    "economics.workedday": "the product notes what it worked out",
    "exports.exportpart": "its export tells of it",
    "idempotency.claim": OF_THE_METER,
    "idempotency.retry": OF_THE_METER,
    "inbox.progress": "the product notes up to where it listed events",
    "ledger.account": OF_THE_LEDGER,
    "documents.attempt": "the product writes what it tried",
    "ledger.creditaccount": "it follows from how its tenant pays, which is audited",
    "ledger.creditburn": OF_THE_LEDGER,
    "ledger.creditdraw": OF_THE_LEDGER,
    "ledger.dayposting": OF_THE_LEDGER,
    "ledger.entry": OF_THE_LEDGER,
    "ledger.monthtotal": "it sums what months moved",
    "ledger.movement": "it sums what entries say",
    "ledger.posteduse": "it sums what day postings say",
    "ledger.transaction": OF_THE_LEDGER,
    "pricing.contractprice": "its contract tells of it, and of all when it is signed",
    "pricing.price": "its version tells of it, and of all when it is published",
    "receivables.creditnoteline": "it is written with its note and never changes",
    "receivables.notecounter": "it is a counter",
    "reconciliation.difference": "the product writes what it found",
    "reconciliation.engineprocess": "the product writes what engines say",
    "reconciliation.enginereading": "the product writes what engines say",
    "reconciliation.epochproof": "the product writes what it counted",
    "reconciliation.run": "the product writes what it did",
    "subscriptions.plancomponent": "its version tells of it, and when published of all",
    "subscriptions.plandiscount": "its version tells of it, and when published of all",
    "tenants.auditanchor": "it is the audit",
    "tenants.auditdetail": "it is the audit",
    "tenants.auditentry": "it is the audit",
    "tenants.audithead": "it is the audit",
    "tenants.keyuse": OF_THE_METER,
    "tenants.storedanswer": "it answers a repeated request, for a day",
    "usage.billingday": OF_THE_METER,
    "usage.changedday": OF_THE_METER,
    "usage.checkpoint": OF_THE_METER,
    "usage.correction": OF_THE_METER,
    "usage.dayrollup": OF_THE_METER,
    "usage.epoch": OF_THE_METER,
    "usage.event": OF_THE_METER,
    "usage.hourrollup": OF_THE_METER,
    "usage.hourtotal": OF_THE_METER,
    "usage.keyhourrollup": OF_THE_METER,
    "usage.keyhourspan": OF_THE_METER,
    "usage.rollupmark": OF_THE_METER,
    "usage.utcrollup": OF_THE_METER,
}


def ours() -> list[type[models.Model]]:
    """Return the models of the product's own applications."""
    return [
        model
        for config in apps.get_app_configs()
        if any(Path(config.path).is_relative_to(root) for root in PRODUCT)
        for model in config.get_models()
    ]


def audited_of(model: type[models.Model]) -> Audited | None:
    found: Audited | None = getattr(model, "audited", None)
    return found


def test_every_model_is_audited_or_says_why_not() -> None:
    unaudited = {each._meta.label_lower for each in ours() if not audited_of(each)}
    assert unaudited == NOT_AUDITED.keys()


def test_what_is_audited_names_fields_that_there_are() -> None:
    for model in ours():
        audited = audited_of(model)
        if audited is None:
            continue
        fields = {field.attname for field in model._meta.concrete_fields}
        assert audited.personal | audited.hidden <= fields, model
        assert audited.tenant is None or audited.tenant in fields, model


def test_each_kind_of_object_is_one_model() -> None:
    nouns = [audited.noun for each in ours() if (audited := audited_of(each))]
    assert len(nouns) == len(set(nouns))
    assert not {"account", "group"} & set(nouns)


def test_no_secret_is_ever_told() -> None:
    """Not even a digest: of a short secret it would be one to try against."""
    secret = ("digest", "nonce", "secret", "password", "salt", "sealed")
    told = [
        f"{model._meta.label_lower}.{field.attname}"
        for model in ours()
        if (audited := audited_of(model))
        for field in model._meta.concrete_fields
        if any(word in field.attname for word in secret)
        and field.attname not in audited.hidden
    ]
    assert told == []


def test_addresses_are_personal() -> None:
    told = [
        f"{model._meta.label_lower}.{field.attname}"
        for model in ours()
        if (audited := audited_of(model))
        for field in model._meta.concrete_fields
        if isinstance(field, models.EmailField)
        and field.attname not in audited.personal
    ]
    assert told == []
