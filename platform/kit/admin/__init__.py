"""The base of every page of the admin: lists fast at any size, writes by services.

Failure: what a service refuses is said on the page and nothing is written. Nothing with
history is deleted. Owns: how lists count and search, how an edit is held against
another's, how an action on many rows asks first.
"""

from kit.admin.bulk import BulkAction, Consequences
from kit.admin.dialogs import Confirmation, confirmed_action, state_label
from kit.admin.inlines import ReadOnlyInline, label_cells
from kit.admin.lists import COUNT_MAX, BoundedPaginator
from kit.admin.pages import ReadOnlyAdmin, ServiceAdmin

__all__ = [
    "COUNT_MAX",
    "BoundedPaginator",
    "BulkAction",
    "Confirmation",
    "Consequences",
    "ReadOnlyAdmin",
    "ReadOnlyInline",
    "ServiceAdmin",
    "confirmed_action",
    "label_cells",
    "state_label",
]
