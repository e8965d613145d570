"""Checks of invoices that need our own arithmetic: rounding, hashes, the ledger's side.

Invoices and lines are read in portions and looked at one by one, because only
`kit.money` rounds and only `billing.lines` hashes.
"""

from collections.abc import Iterator
from fractions import Fraction

from django.db.models import QuerySet

from kit.contracts import TokenClass
from kit.money import PICOS_PER_UNIT, minor_from_units
from kit.orm.atomic import cursor
from metering.billing.booking import amounts_of
from metering.billing.lines import Line, LineError, LineKind, Lines
from metering.billing.models import Invoice, InvoiceLine
from metering.billing.rebuilding import rebuilt_lines
from metering.reconciliation.checks.check import Check, Finding, Found, Scope, Tally

_PORTION = 1000

_ENTRIES = """
SELECT source, string_agg(kind || ' ' || picos || ' ' || currency, ', ' ORDER BY kind)
FROM (
    SELECT transaction.source, account.kind, account.currency,
        sum(entry.amount_picos) AS picos
    FROM ledger_transaction transaction
    JOIN ledger_entry entry ON entry.transaction_id = transaction.id
    JOIN ledger_account account ON account.id = entry.account_id
    WHERE transaction.kind = 'invoice'
        AND (%(tenant)s::bigint IS NULL OR transaction.tenant_id = %(tenant)s)
        AND (%(sources)s::text[] IS NULL OR transaction.source = ANY(%(sources)s))
    GROUP BY transaction.source, account.kind, account.currency
) AS booked
GROUP BY source
"""
_WITHOUT_INVOICE = """
SELECT transaction.tenant_id, transaction.source FROM ledger_transaction transaction
WHERE transaction.kind = 'invoice'
    AND (%(tenant)s::bigint IS NULL OR transaction.tenant_id = %(tenant)s)
    AND NOT EXISTS (
        SELECT FROM billing_invoice
        WHERE public_id::text = transaction.source
            AND tenant_id = transaction.tenant_id AND number IS NOT NULL
    )
"""


def _rounded(scope: Scope) -> Finding:
    lines = InvoiceLine.objects.select_related("invoice").order_by("pk")
    # These are what is left to a sum of rounded lines, and are rounded with it.
    lines = lines.exclude(kind__in=(LineKind.COMMITMENT, LineKind.CREDIT))
    if scope.tenant_id is not None:
        lines = lines.filter(tenant_id=scope.tenant_id)
    tally = Tally()
    for line in lines.iterator(_PORTION):
        due = minor_from_units(_exact(line), line.invoice.currency)
        if due == line.amount_minor:
            tally.add(())
            continue
        subject = f"line {line.position} of {line.invoice}"
        found = Found(line.tenant_id, subject, f"{due} minor", f"{line.amount_minor}")
        tally.add((found,))
    return tally.finding


def _exact(line: InvoiceLine) -> Fraction:
    """Return a line's sum in currency units; one between two picos says it itself."""
    stated: str | None = line.document.get("exact")
    return Fraction(stated) if stated else Fraction(line.exact_picos, PICOS_PER_UNIT)


def _booked(scope: Scope) -> Finding:
    """Hold the ledger's transaction of each issued invoice against the invoice."""
    tally = Tally()
    issued = _invoices(scope).filter(number__isnull=False)
    for portion in _portions(issued):
        sources = [str(invoice.public_id) for invoice in portion]
        with cursor() as session:
            session.execute(_ENTRIES, {"tenant": scope.tenant_id, "sources": sources})
            booked = dict(session.fetchall())
        for invoice in portion:
            due = _due(invoice)
            found = booked.get(str(invoice.public_id), "no transaction")
            differs = found != due
            tally.add(
                [Found(invoice.tenant_id, str(invoice), due, found)] if differs else ()
            )
    with cursor() as session:
        session.execute(_WITHOUT_INVOICE, {"tenant": scope.tenant_id})
        alone = session.fetchall()
    tally.add(
        (
            Found(tenant_id, f"invoice {source}", "an issued invoice", "none")
            for tenant_id, source in alone
        ),
        rows=0,
    )
    return tally.finding


def _due(invoice: Invoice) -> str:
    """Return what the ledger must say of an invoice, in the words of the statement."""
    return ", ".join(
        f"{kind} {picos} {invoice.currency}"
        for kind, picos in sorted(amounts_of(invoice).items())
    )


def _hashed(scope: Scope) -> Finding:
    """Hash each invoice's lines as they stand, and as made again from their claims."""
    tally = Tally()
    for portion in _portions(_invoices(scope).select_related("period")):
        for invoice in portion:
            tally.add(_wrong_hashes(invoice))
    return tally.finding


def _wrong_hashes(invoice: Invoice) -> Iterator[Found]:
    try:
        again = rebuilt_lines(invoice).sha256
    except LineError as error:
        again = str(error)
    for name, found in (
        ("its lines", _standing_lines(invoice).sha256),
        ("its lines made again", again),
    ):
        if found != invoice.lines_sha256:
            subject = f"{invoice}, {name}"
            yield Found(invoice.tenant_id, subject, invoice.lines_sha256, found)


def _standing_lines(invoice: Invoice) -> Lines:
    """Return an invoice's lines as they are stored, in the form that is hashed."""
    lines = invoice.lines.order_by("position")
    return Lines(invoice.currency, tuple(_as_hashed(line) for line in lines))


def _as_hashed(line: InvoiceLine) -> Line:
    return Line(
        kind=LineKind(line.kind),
        key=line.key,
        description=line.description,
        model=line.model,
        price_id=line.price_id,
        token_class=None if line.token_class is None else TokenClass(line.token_class),
        quantity=line.quantity,
        unit_picos=line.unit_picos,
        exact_picos=line.exact_picos,
        amount_minor=line.amount_minor,
        document=line.document,
    )


def _invoices(scope: Scope) -> QuerySet[Invoice]:
    rows = Invoice.objects.order_by("pk")
    return rows if scope.tenant_id is None else rows.filter(tenant_id=scope.tenant_id)


def _portions(invoices: QuerySet[Invoice]) -> Iterator[list[Invoice]]:
    """Yield invoices in portions, each found by the last one's id."""
    after = 0
    while portion := list(invoices.filter(pk__gt=after)[:_PORTION]):
        yield portion
        after = portion[-1].pk


LINES_ROUNDED = Check(
    name="lines_rounded",
    proves="Every line charges its exact amount, rounded half up.",
    look="admin:billing_invoice_changelist",
    run=_rounded,
)
INVOICES_BOOKED = Check(
    name="invoices_booked",
    proves="Every issued invoice is one transaction: lines and rounding = receivable.",
    look="admin:billing_invoice_changelist",
    run=_booked,
)
INVOICES_HASHED = Check(
    name="invoices_hashed",
    proves="The lines of every invoice, made again from its postings, hash the same.",
    look="admin:billing_invoice_changelist",
    run=_hashed,
)
