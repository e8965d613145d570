"""Where holding the scope is not all: rules beyond scopes, each with its reason.

They excuse a refusal of callers that hold less than everything; owners and operators
with every scope must succeed.
"""

# What takes no scope: every caller may ask who it is.
OPEN_TO_ALL = frozenset({"read_me"})

_HOLDS_TOO_LITTLE = "nobody gives more than it holds"
_IN_NO_PROJECT = "a project that one is not in is not there"
_OF_SOMEBODY_ELSE = "developers change the keys that are theirs"

EXCUSES = {
    ("create_key", 400): _IN_NO_PROJECT,
    ("create_key", 403): _HOLDS_TOO_LITTLE,
    ("rotate_key", 403): _HOLDS_TOO_LITTLE,
    ("rotate_token", 403): _HOLDS_TOO_LITTLE,
    ("create_invitation", 403): _HOLDS_TOO_LITTLE,
    ("resend_invitation", 403): _HOLDS_TOO_LITTLE,
    ("update_member", 403): _HOLDS_TOO_LITTLE,
    ("update_key", 403): _OF_SOMEBODY_ELSE,
    ("disable_key", 403): _OF_SOMEBODY_ELSE,
    ("enable_key", 403): _OF_SOMEBODY_ELSE,
    ("revoke_key", 403): _OF_SOMEBODY_ELSE,
}
