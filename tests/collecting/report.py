"""What a course took: for people, and as JSON."""

from collections.abc import Mapping, Sequence
from typing import Any

from tests.collecting.course import Course
from tests.collecting.kills import Killed

CALLS_SHOWN = 12


def figures(course: Course) -> dict[str, Any]:
    """Return all figures of a course, as JSON takes them."""
    each = max(course.invoices, 1)
    return {
        "tenants": course.tenants,
        "workers": course.workers,
        "invoices": course.invoices,
        "webhooks": course.webhooks,
        "limit_errors": course.limit_errors,
        "payers": dict(course.payers),
        "compared": course.compared,
        "decided": course.decided,
        "credit_usable_s": {
            "bought": len(course.credit_s),
            "p50": round(_share(course.credit_s, 0.5), 3),
            "p95": round(_share(course.credit_s, 0.95), 3),
        },
        "wrong": course.wrong,
        "stretches": {
            stretch.name: {
                "seconds": round(stretch.seconds, 2),
                "calls": stretch.calls.total(),
                "calls_per_invoice": round(stretch.calls.total() / each, 3),
                "by_endpoint": dict(stretch.calls.most_common()),
            }
            for stretch in course.stretches
        },
    }


def _share(sorted_s: Sequence[float], share: float) -> float:
    return sorted_s[min(len(sorted_s) - 1, int(len(sorted_s) * share))]


def table(found: Mapping[str, Any]) -> str:
    """Return figures as text."""
    rows = [
        f"{found['invoices']:,} invoices of {found['tenants']:,} tenants, "
        f"{found['webhooks']:,} webhooks, {found['limit_errors']} limit errors",
        "payers: " + ", ".join(f"{n} {lot}" for lot, n in found["payers"].items()),
        f"decided here of {found['decided']:,}",
        "",
        f"{'stretch':26}{'seconds':>10}{'calls':>10}{'an invoice':>12}",
    ]
    for name, stretch in found["stretches"].items():
        rows.append(
            f"{name:26}{stretch['seconds']:>10.1f}{stretch['calls']:>10,}"
            f"{stretch['calls_per_invoice']:>12.2f}"
        )
        rows += [
            f"{'':6}{count:>10,} {endpoint}"
            for endpoint, count in list(stretch["by_endpoint"].items())[:CALLS_SHOWN]
        ]
    credit = found["credit_usable_s"]
    rows += [
        "",
        f"{credit['bought']} bought credit, usable after it was paid: "
        f"p50 {credit['p50']:.3f} s, p95 {credit['p95']:.3f} s",
    ]
    wrong = found["wrong"]
    rows += ["", f"{len(wrong)} differences", *wrong[:20]]
    return "\n".join(rows)


def killed(found: Killed) -> str:
    """Return what was killed, and what was wrong after it, as text."""
    rows = [f"{found.kills.total()} killed in {found.courses} courses"]
    for what, counts in (
        ("killed in", found.kills),
        ("payers and buyers", found.done),
        ("decided here", found.decided),
        ("calls broken", found.faults),
        ("webhooks", found.webhooks),
    ):
        said = ", ".join(f"{count:,} {name}" for name, count in counts.most_common())
        rows.append(f"{what}: {said}")
    rows += found.wrong[:40] or ["nothing lost, nothing double, both sides equal"]
    return "\n".join(rows)
