"""Documents as they were made: the bytes themselves, and their hashes."""

from django.db import models


class Document(models.Model):
    """An invoice or a credit note as it is sent, once and for all."""

    class Kind(models.TextChoices):
        INVOICE = "invoice"
        CREDIT_NOTE = "credit_note"

    tenant_id = models.BigIntegerField()
    kind = models.CharField(max_length=12, choices=Kind)
    subject_id = models.BigIntegerField(
        help_text="Of the invoice, or of the credit note."
    )
    number = models.CharField(max_length=40)
    # Compressed; the hash is of what comes out.
    html = models.BinaryField()
    html_sha256 = models.CharField(max_length=64)
    pdf = models.BinaryField()
    pdf_sha256 = models.CharField(max_length=64)
    made_at = models.DateTimeField()

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("kind", "subject_id"), name="document_made_once"
            ),
        )

    def __str__(self) -> str:
        return f"{self.kind} {self.number}"


class Attempt(models.Model):
    """How often a document was tried to be made that is not there, and when next.

    Written before each attempt: what ends its worker is counted too.
    """

    kind = models.CharField(max_length=12, choices=Document.Kind)
    subject_id = models.BigIntegerField()
    attempts = models.PositiveIntegerField(default=0)
    next_at = models.DateTimeField()

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("kind", "subject_id"), name="document_attempt_once"
            ),
        )

    def __str__(self) -> str:
        return f"{self.kind} {self.subject_id}, {self.attempts} times"
