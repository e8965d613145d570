"""Walk the chains of the audit from their first entry to their head.

The worker does this every night; the command is for those who do not want to wait, and
for holding the chains against anchors that a log kept out of the database's reach.
Exits 1 on any difference, 2 on wrong usage, 3 when the audit could not be read.
"""

import argparse
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from kit.errors import NotFound
from kit.orm.roles import as_operator
from tenants import selectors, services
from tenants.audit import anchors
from tenants.audit.verdict import Verdict

DIFFERS, WRONG_USAGE, NOT_CHECKED = 1, 2, 3


class Command(BaseCommand):
    """`verify_audit --tenant acme --anchors /var/log/tollgate.log`."""

    help = "Prove the audit whole, or list where it was changed."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Take what to verify, and what to hold it against."""
        parser.add_argument("--tenant", help="slug of one tenant (default: all chains)")
        parser.add_argument(
            "--anchors",
            type=Path,
            metavar="FILE",
            help="a log that holds anchors, kept out of the database's reach",
        )
        parser.add_argument(
            "--json", action="store_true", help="print one JSON document"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Verify and print."""
        with as_operator():
            tenant_id = _tenant_id(options["tenant"])
            verdict = _verify(tenant_id, _lines(options["anchors"]))
        shown = _as_json(verdict) if options["json"] else _as_text(verdict)
        self.stdout.write(shown)
        if verdict.differences:
            raise CommandError(
                f"the audit differs: {verdict.differences}", returncode=DIFFERS
            )


def _tenant_id(slug: str | None) -> int | None:
    if slug is None:
        return None
    try:
        return selectors.tenant_by_slug(slug).pk
    except NotFound as unknown:
        raise CommandError(unknown.message, returncode=WRONG_USAGE) from None


def _lines(file: Path | None) -> list[str]:
    if file is None:
        return []
    try:
        with file.open(errors="replace") as lines:
            return [line for line in lines if anchors.EVENT in line]
    except OSError as error:
        raise CommandError(
            f"{file} cannot be read: {error.strerror}", returncode=WRONG_USAGE
        ) from None


def _verify(tenant_id: int | None, lines: Iterable[str]) -> Verdict:
    try:
        return services.verify_audit(tenant_id=tenant_id, lines=lines)
    except Exception as error:
        # Whatever kept the chains from being read, they were not found to differ.
        raise CommandError(
            f"the audit could not be read: {error}", returncode=NOT_CHECKED
        ) from error


def _as_json(verdict: Verdict) -> str:
    document = {
        "chains": verdict.chains,
        "entries": verdict.entries,
        "anchors": verdict.anchors,
        "differences": verdict.differences,
        "listed": [
            {
                "kind": each.kind,
                "chain": each.chain,
                "seq": each.seq,
                "what": each.what,
            }
            for each in verdict.listed
        ],
    }
    return json.dumps(document, indent=2)


def _as_text(verdict: Verdict) -> str:
    lines = [
        f"chain {each.chain}, entry {each.seq}: {each.kind}: {each.what}"
        for each in verdict.listed
    ]
    seen = (
        f"entries: {verdict.entries:,}, chains: {verdict.chains:,}, "
        f"anchors: {verdict.anchors:,}."
    )
    found = f"Differences: {verdict.differences:,}" if lines else "No difference"
    if verdict.differences > len(verdict.listed):
        found += f" ({len(verdict.listed)} listed)"
    return "\n".join([*lines, f"{found}; {seen}"])
