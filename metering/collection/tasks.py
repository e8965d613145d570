"""Celery tasks of collection: scans that a lost or doubled message cannot hurt."""

from celery import shared_task

from kit.orm.roles import as_operator
from metering.collection import comparing, portal
from metering.collection.buying import advancing
from metering.collection.meters import noting
from metering.collection.meters import telling as meter_telling
from metering.collection.outgoing import telling
from metering.usage.selectors import database_now


@shared_task(name="collection.advance_purchases")
def advance_purchases() -> None:
    """Take credit that is being paid for as far as it goes."""
    with as_operator():
        advancing.advance_purchases(now=database_now())


@shared_task(name="collection.compare")
def compare() -> None:
    """Hold every open invoice against what its provider has."""
    with as_operator():
        comparing.compare(now=database_now())


@shared_task(name="collection.make_portal_links")
def make_portal_links() -> None:
    """Make the links to the provider's page that were asked for."""
    with as_operator():
        portal.make_links(now=database_now())


@shared_task(name="collection.tell_provider")
def tell_provider() -> None:
    """Tell the provider what was decided here of its invoices."""
    with as_operator():
        telling.tell_all(now=database_now())


@shared_task(name="collection.note_use")
def note_use() -> None:
    """Note what meters are to be told of the last hours."""
    with as_operator():
        noting.note_use(now=database_now())


@shared_task(name="collection.note_late_use")
def note_late_use() -> None:
    """Note what meters are to be told of all hours that they still take."""
    with as_operator():
        noting.note_use(now=database_now(), reach=noting.TAKEN)


@shared_task(name="collection.tell_use")
def tell_use() -> None:
    """Tell meters of use."""
    with as_operator():
        meter_telling.tell_use(now=database_now())


@shared_task(name="collection.forget_use")
def forget_use() -> None:
    """Delete what no meter takes any more."""
    with as_operator():
        while noting.forget_use(now=database_now()):
            pass
