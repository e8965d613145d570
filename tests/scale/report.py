"""What a course took: per step, per million, and where that leads."""

from collections.abc import Mapping, Sequence
from typing import Any

from tests.scale.course import Course
from tests.scale.reading import Waited

_MIB = 1 << 20
# What each step's time grows with.
_UNITS = {
    "agree": (1_000, "plans and grants"),
    "write events": (1_000_000, "events"),
    "roll up": (1_000_000, "events"),
    "post days": (1_000_000, "postings"),
    "book burns": (1_000, "tenants"),
    "close": (1_000, "periods"),
    "issue": (1_000, "invoices"),
    "top up": (1_000, "top-ups"),
    "pay": (1_000, "payments"),
    "merge months": (1_000_000, "parts"),
}


def figures(course: Course) -> dict[str, Any]:
    """Return all figures of a course, as JSON takes them."""
    books = course.books
    steps = {}
    for name, (unit, _) in _UNITS.items():
        total = course.total(name)
        steps[name] = {
            "count": total.count,
            "seconds": round(total.seconds, 2),
            "cpu_s": round(total.cpu_s, 2),
            "rss_mib": total.rss_bytes // _MIB,
            "seconds_per_unit": round(total.seconds * unit / max(total.count, 1), 3),
        }
    return {
        "events": books.events,
        "tenants": course.scale.tenants,
        "workers": course.scale.workers,
        "picos": str(books.picos),
        "invoices": books.invoices,
        "lines": books.lines,
        "differences": books.differences,
        "steps": steps,
    }


def table(found: Mapping[str, Any], before: Mapping[str, Any] | None = None) -> str:
    """Return figures as text, with their growth since `before`."""
    rows = [
        f"{found['events']:,} events, {found['tenants']:,} tenants, "
        f"{found['invoices']:,} invoices with {found['lines']:,} lines",
        *(f"  {name}: {count} differ" for name, count in found["differences"].items()),
        "",
        f"{'step':14}{'count':>12}{'seconds':>10}{'CPU s':>9}{'RSS MiB':>9}"
        f"{'  s per':>12}" + (f"{'growth':>9}" if before else ""),
    ]
    for name, (unit, what) in _UNITS.items():
        step = found["steps"][name]
        row = (
            f"{name:14}{step['count']:>12,}{step['seconds']:>10.1f}"
            f"{step['cpu_s']:>9.1f}{step['rss_mib']:>9}"
            f"{step['seconds_per_unit']:>12.3f} /{unit:,} {what}"
        )
        if before:
            was = before["steps"][name]["seconds"]
            row += f"  x{step['seconds'] / was:.1f}" if was else ""
        rows.append(row)
    return "\n".join([*rows, "", *_slope(found)])


def _slope(found: Mapping[str, Any]) -> list[str]:
    """Say where this leads, if each step goes on growing as it does per unit."""
    rolled = found["steps"]["roll up"]["seconds"] / max(found["events"], 1)
    closed = found["steps"]["close"]["seconds"] + found["steps"]["issue"]["seconds"]
    periods = max(found["steps"]["close"]["count"], 1)
    return [
        f"a billion events are rolled up in {rolled * 1e9 / 3600:.1f} hours,",
        f"the periods of 10,000 tenants closed and issued in "
        f"{closed / periods * 10_000 / 60:.1f} minutes, by as many workers",
    ]


def waiting(waited: Sequence[Waited]) -> str:
    """Lay out how long people wait who look something up."""
    lines = ["", f"{'people ask for':<48} {'first ms':>9} {'then ms':>9}"]
    lines += [
        f"{each.question:<48} {each.first_ms:>9.0f} {each.slowest_ms:>9.0f}"
        for each in waited
    ]
    return "\n".join(lines)
