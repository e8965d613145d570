"""A run as the commands print it: tables for people, one JSON document for scripts.

Amounts are exact: decimals for people, text in picos for scripts.
"""

import json
from collections.abc import Sequence
from typing import Any

from kit.money import format_picos
from metering.reconciliation import selectors
from metering.reconciliation.models import Run


def as_json(run: Run) -> str:
    """Return the whole run as a JSON document."""
    document = {
        "run": run.pk,
        "kind": run.kind,
        "state": run.state,
        "start": run.first_date and run.first_date.isoformat(),
        "end": run.end_date and run.end_date.isoformat(),
        "tenant_id": run.tenant_id,
        "started_at": run.started_at.isoformat(),
        "finished_at": run.finished_at and run.finished_at.isoformat(),
        "rows": run.rows_seen,
        "differences": run.difference_count,
        "tokens": run.tokens or [],
        "steps": run.steps,
        "checks": [
            {**check, "proves": selectors.proves(check["name"])} for check in run.checks
        ],
        "listed": [
            {
                "check": each.check_name,
                "tenant_id": each.tenant_id,
                "subject": each.subject,
                "expected": each.expected,
                "found": each.found,
            }
            for each in run.differences.order_by("id")
        ],
    }
    return json.dumps(document, indent=2)


def as_text(run: Run) -> str:
    """Return the run as tables: tokens, the chain, the checks, the differences."""
    parts = [_window(run), ""]
    if run.tokens:
        parts += [_table(_TOKENS, [_tokens(each) for each in run.tokens]), ""]
    parts += [_table(_STEPS, [_step(each) for each in run.steps]), ""]
    checks = [
        (each["name"], f"{each['rows']:,}", f"{each['differences']:,}")
        for each in run.checks
    ]
    parts += [_table(("check", "rows", "differences"), checks), ""]
    for each in run.differences.order_by("id"):
        tenant = f"tenant {each.tenant_id}, " if each.tenant_id else ""
        parts += [
            f"{each.check_name}: {tenant}{each.subject}",
            f"    expected {each.expected}",
            f"    found    {each.found}",
        ]
    return "\n".join([*parts, _verdict(run)])


_TOKENS = ("tokens", "prompt", "generated", "known to differ by at most")
_STEPS = ("step", "currency", "rows", "charge", "differs by", "not yet")


def _window(run: Run) -> str:
    days = "all billing days"
    if run.first_date is not None:
        days = f"billing days from {run.first_date}"
    if run.end_date is not None:
        days += f" to before {run.end_date}"
    tenants = "all tenants" if run.tenant_id is None else f"tenant {run.tenant_id}"
    return f"{run.kind}: {days}, {tenants}, as of {run.started_at:%Y-%m-%d %H:%M} UTC"


def _step(step: dict[str, Any]) -> tuple[str, ...]:
    waiting = ""
    if step["waits"]:
        picos = format_picos(int(step["waits_picos"]))
        waiting = f"{_counted(step['waits'], step['waits_as'])}, {picos}"
    differs = int(step["differs_picos"])
    return (
        step["name"],
        step["currency"],
        f"{step['rows']:,}",
        format_picos(int(step["charge_picos"])),
        format_picos(differs) if differs else "0",
        waiting,
    )


def _tokens(step: dict[str, Any]) -> tuple[str, ...]:
    counts = (step["prompt_tokens"], step["generated_tokens"], step["known_most"])
    return step["name"], *(f"{each:,}" for each in counts)


def _verdict(run: Run) -> str:
    rows = f"{len(run.checks)} checks, {run.rows_seen:,} rows."
    if not run.difference_count:
        return f"No difference. {rows}"
    listed = run.differences.count()
    more = "" if listed == run.difference_count else f" ({listed} listed)"
    return f"{_counted(run.difference_count, 'difference')}{more}. {rows}"


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Lay out a table: names to the left, numbers to the right."""
    widths = [max(len(row[at]) for row in (head, *rows)) for at in range(len(head))]
    numbers = {
        at
        for at in range(len(head))
        if rows and all(row[at][:1].isdigit() or row[at][:1] == "-" for row in rows)
    }
    return "\n".join(
        "  ".join(
            cell.rjust(width) if at in numbers else cell.ljust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in (head, *rows)
    )
