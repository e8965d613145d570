"""What is done with the audit beside recording: anchor it, verify it, forget people.

The modules behind say how each fails: `tenants.audit`.
"""

from collections.abc import Iterable

from tenants.audit.anchors import anchor_chains
from tenants.audit.forgetting import (
    ForgottenPerson,
    forget_account,
    forget_billing_email,
    forget_member,
    forget_person,
)
from tenants.audit.verdict import Verdict
from tenants.audit.verification import verify

__all__ = [
    "ForgottenPerson",
    "anchor_chains",
    "forget_account",
    "forget_billing_email",
    "forget_member",
    "forget_person",
    "verify_audit",
]


def verify_audit(*, tenant_id: int | None = None, lines: Iterable[str] = ()) -> Verdict:
    """Walk every chain, or a tenant's, and log where it does not hold.

    `lines` are of a log that holds anchors. Must run outside a transaction, for all of
    it to be one moment.
    """
    verdict = verify(tenant_id=tenant_id, lines=lines)
    verdict.report()
    return verdict
