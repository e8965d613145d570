"""The one text of an audit entry, and its digest; pure.

An entry is hashed as JSON in one form only: names in the order of their code points, no
space, UTF-8, no escape that JSON does not demand. Numbers are integers that every
reader takes for the same: larger ones come as text, and a float has no place. The
digest covers every column, the digest of the entry before among them.

Failure: what has no such form raises `NotCanonical`; nothing is rounded to fit.
"""

import datetime as dt
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass

from kit.json_values import JsonObject

EXACT_MAX = 2**53 - 1
SALT_BYTES = 16


class NotCanonical(ValueError):
    """A value that has no canonical form."""


@dataclass(frozen=True, slots=True)
class Link:
    """An entry of a chain, as its digest covers it."""

    id: int
    chain: int
    seq: int
    tenant_id: int | None
    at: dt.datetime
    actor_kind: str
    actor_id: int | None
    member_id: int | None
    request_id: str
    action: str
    object_kind: str
    object_id: str
    before: JsonObject
    after: JsonObject
    detail_digest: str
    previous: str

    def digest(self) -> str:
        """Return the SHA-256 of this entry; raises `NotCanonical`."""
        fields = {name: getattr(self, name) for name in self.__slots__}
        fields["at"] = instant(self.at)
        return hashlib.sha256(canonical(fields)).hexdigest()


def detail_digest(salt: bytes, before: JsonObject, after: JsonObject) -> str:
    """Return the hash of personal fields; the salt keeps them from being guessed."""
    fields = canonical({"before": before, "after": after})
    return hashlib.sha256(salt + fields).hexdigest()


def canonical(fields: Mapping[str, object]) -> bytes:
    """Return the canonical JSON of an object; raises `NotCanonical`."""
    _require_canonical(fields)
    text = json.dumps(fields, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise NotCanonical("half a surrogate pair is no text") from None


def instant(at: dt.datetime) -> str:
    """Return an instant in UTC, always to the microsecond."""
    return at.astimezone(dt.UTC).isoformat(timespec="microseconds")


def _require_canonical(value: object) -> None:
    if value is None or isinstance(value, bool | str):
        return
    if isinstance(value, int):
        if abs(value) > EXACT_MAX:
            raise NotCanonical(f"{value} is not exact in every reader of JSON")
    elif isinstance(value, list):
        for each in value:
            _require_canonical(each)
    elif isinstance(value, Mapping):
        for name, each in value.items():
            if not isinstance(name, str):
                raise NotCanonical(f"{name!r} is no name")
            _require_canonical(each)
    else:
        raise NotCanonical(f"{type(value).__name__} has no canonical form")
