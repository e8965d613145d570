"""What becomes of an invoice, told inside the transaction that makes it so.

Who listens writes with it, or undoes it by an error.
"""

from django.dispatch import Signal

# Sent with `invoice` and `now` once nothing of an issued invoice is open and it is
# paid; again where a charge back opened it and it was paid anew.
invoice_paid = Signal()

# Sent with `invoice` and `now` whenever something happened to an issued invoice.
invoice_settled = Signal()
