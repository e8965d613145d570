"""Write usage, ledger or invoices into a file, with its row count and hash beside it.

The file goes where `--output` says, or to standard output; the manifest goes to
standard error, or with `--output` to standard output. A file that could not be finished
is removed.
"""

import argparse
import datetime as dt
import json
import sys
from pathlib import Path
from typing import Any, BinaryIO

from django.core.management.base import BaseCommand, CommandError

from kit.errors import PlatformError
from kit.orm.roles import as_operator
from metering.exports.models import Form, Subject
from metering.exports.wanted import Wanted
from metering.exports.writing import Written, blocks
from metering.usage.selectors import database_now
from metering.usage.services import roll_up_proven
from tenants.selectors import tenant_by_slug


class Command(BaseCommand):
    """Export."""

    help = "Write usage, ledger entries or invoice lines as CSV or FOCUS 1.2."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Take what is wanted and where it goes."""
        parser.add_argument("subject", choices=Subject.values)
        parser.add_argument("--form", choices=Form.values, default=Form.CSV)
        parser.add_argument(
            "--tenant", metavar="SLUG", help="of this tenant; default: of all"
        )
        parser.add_argument(
            "--from",
            dest="first_date",
            metavar="DATE",
            type=_date,
            required=True,
            help="the first billing day, such as 2026-11-01",
        )
        parser.add_argument(
            "--to",
            dest="end_date",
            metavar="DATE",
            type=_date,
            required=True,
            help="the first billing day that is not in the file",
        )
        parser.add_argument(
            "--output", metavar="FILE", type=Path, help="default: standard output"
        )
        parser.add_argument(
            "--json", action="store_true", help="print the manifest as JSON"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Write the file and say what was written."""
        with as_operator():
            try:
                wanted = _wanted(options)
            except PlatformError as error:
                raise CommandError(error.message) from None
            complete_to = roll_up_proven(now=database_now())
            written = _write(wanted, options["output"])
        manifest = {
            "rows": written.row_count,
            "bytes": written.byte_count,
            "sha256": written.sha256,
            "complete_to": complete_to.isoformat(),
        }
        said = json.dumps(manifest) if options["json"] else _said(manifest)
        (self.stdout if options["output"] else self.stderr).write(said)


def _wanted(options: dict[str, Any]) -> Wanted:
    slug = options["tenant"]
    return Wanted(
        subject=Subject(options["subject"]),
        form=Form(options["form"]),
        first_date=options["first_date"],
        end_date=options["end_date"],
        tenant_id=None if slug is None else tenant_by_slug(slug).pk,
    )


def _write(wanted: Wanted, path: Path | None) -> Written:
    if path is None:
        return _pour(wanted, sys.stdout.buffer)
    try:
        with path.open("wb") as file:
            return _pour(wanted, file)
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _pour(wanted: Wanted, file: BinaryIO) -> Written:
    written = Written()
    for block in blocks(wanted, written):
        file.write(block)
    file.flush()
    return written


def _said(manifest: dict[str, Any]) -> str:
    return "\n".join(f"{name}: {value}" for name, value in manifest.items())


def _date(text: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"'{text}' is not a date such as 2026-11-01"
        ) from None
