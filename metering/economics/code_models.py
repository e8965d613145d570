"""What accounts of the ledger are called in the books of whoever runs the product."""

from typing import ClassVar

from django.core.validators import ProhibitNullCharactersValidator
from django.db import models

from kit.orm.audited import Audited
from metering.ledger.models import Account


class AccountCode(models.Model):
    """The number and the name of an account in the chart of accounts of an ERP."""

    account = models.CharField(max_length=24, choices=Account.Kind, unique=True)
    code = models.CharField(
        max_length=40,
        validators=[ProhibitNullCharactersValidator()],
        help_text="As the other books have it, such as 1400.",
    )
    name = models.CharField(
        max_length=200,
        blank=True,
        validators=[ProhibitNullCharactersValidator()],
        help_text="What it is called there; empty for our name.",
    )

    audited: ClassVar = Audited("account_code", tenant=None)

    class Meta:
        ordering = ("account",)

    def __str__(self) -> str:
        return f"{self.code} {self.name or self.get_account_display()}"
