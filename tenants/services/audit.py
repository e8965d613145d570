"""Writes of the audit that are not made by a change: anchors, and what is forgotten.

The modules behind say how each fails: `tenants.audit`.
"""

from tenants.audit.anchors import anchor_chains
from tenants.audit.forgetting import (
    ForgottenPerson,
    forget_account,
    forget_billing_email,
    forget_member,
    forget_person,
)

__all__ = [
    "ForgottenPerson",
    "anchor_chains",
    "forget_account",
    "forget_billing_email",
    "forget_member",
    "forget_person",
]
