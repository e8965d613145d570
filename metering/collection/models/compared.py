"""When the invoices of an account were last held against ours."""

from django.db import models

from metering.collection.models.following import ACCOUNT_CHARS_MAX, TEXT_CHARS_MAX


class Comparison(models.Model):
    """The last comparison of all open invoices of an account, and why it failed."""

    account = models.CharField(max_length=ACCOUNT_CHARS_MAX, unique=True)
    # The last one that came to its end.
    compared_at = models.DateTimeField(null=True, blank=True)
    invoices = models.PositiveIntegerField(default=0)
    problem = models.CharField(max_length=TEXT_CHARS_MAX, blank=True)

    def __str__(self) -> str:
        return self.account
