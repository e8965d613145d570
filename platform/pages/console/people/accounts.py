"""What a tenant may know of its members' accounts: a second factor, the last sign-in.

Accounts and their factors are nothing for the tenants' role. The database tells of the
members of the tenant in force alone, by a function that runs as the owner.

Failure: a member whose account is gone is not in the answer.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kit.orm.atomic import cursor
from tenants.models import Member

_ACCOUNTS = """
SELECT member_id, signed_in_at, has_second_factor FROM config_own_accounts(%s::bigint[])
"""


@dataclass(frozen=True, slots=True)
class Account:
    """Of a member's account: when its person last signed in, and how safely."""

    signed_in_at: dt.datetime | None
    has_second_factor: bool


def accounts(rows: Sequence[Member]) -> Mapping[int, Account]:
    """Return what is known of members' accounts, by the members' ids."""
    with cursor() as session:
        session.execute(_ACCOUNTS, ([row.pk for row in rows],))
        return {
            member_id: Account(signed_in_at, has_second_factor)
            for member_id, signed_in_at, has_second_factor in session.fetchall()
        }
