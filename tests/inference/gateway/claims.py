"""Claims of keys in memory, for tests whose subject is not the database."""

from dataclasses import dataclass, field

from kit.contracts import Admission, ClaimVerdict, KeyedRequest
from tests.inference.gateway.meter import RecordingMeter


@dataclass(slots=True)
class MemoryClaims:
    """Implements `kit.contracts.IdempotencyClaims`: one that is open runs."""

    meter: RecordingMeter
    last: dict[tuple[int, bytes], tuple[Admission, bytes]] = field(default_factory=dict)

    async def claim(self, admission: Admission, keyed: KeyedRequest) -> ClaimVerdict:
        """Look at the last request with the key."""
        key = admission.caller.tenant_id, keyed.key_digest
        held = self.last.get(key)
        if held is None:
            self.last[key] = admission, keyed.body_digest
            return ClaimVerdict.NEW
        earlier, body_digest = held
        if body_digest != keyed.body_digest:
            return ClaimVerdict.MISMATCH
        if self.meter.is_open(earlier):
            return ClaimVerdict.RUNNING
        self.last[key] = admission, body_digest
        return ClaimVerdict.RETRY

    def forget(self, admission: Admission, keyed: KeyedRequest) -> None:
        """Forget the last request with the key, if it is this one."""
        key = admission.caller.tenant_id, keyed.key_digest
        held = self.last.get(key)
        if held is not None and held[0] is admission:
            del self.last[key]
