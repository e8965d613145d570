"""What goes wrong, and when: a plan of faults that tests set at run time.

drop_before        the connection closes, nothing was done
commit_then_drop   the work is done, the connection closes without an answer
rate_limited       429 before anything ran; the key stays free
lock_timeout       429 stored under the key, replayed for a day; nothing was done
error_500          500 stored under the key, replayed for a day; nothing was done
commit_then_500    the work is done, and 500 is answered and stored
slow               the answer waits `seconds`
hold               the request waits before its work until released
commit_then_hold   the work is done, the answer waits until released
"""

import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

Kind = Literal[
    "drop_before",
    "commit_then_drop",
    "rate_limited",
    "lock_timeout",
    "error_500",
    "commit_then_500",
    "slow",
    "hold",
    "commit_then_hold",
]
HOLD_S_MAX = 60


@dataclass(slots=True)
class Fault:
    """One fault for the `nth` request (from 1) whose method and path match.

    In `path` a star stands for one segment, as in `/v1/invoices/*/finalize`; a star
    alone is every path.
    """

    kind: Kind
    method: str = "POST"
    path: str = "*"
    nth: int = 1
    seconds: float = 0.0
    seen: int = 0
    reached: threading.Event = field(default_factory=threading.Event, repr=False)
    released: threading.Event = field(default_factory=threading.Event, repr=False)

    @classmethod
    def parse(cls, spec: Mapping[str, Any]) -> "Fault":
        """Read a fault from JSON; raises `ValueError` for what makes no sense."""
        if spec.get("kind") not in get_args(Kind):
            raise ValueError(f"kind must be one of {', '.join(get_args(Kind))}")
        unknown = spec.keys() - {"kind", "method", "path", "nth", "seconds"}
        if unknown:
            raise ValueError(f"unknown: {', '.join(sorted(unknown))}")
        return cls(**spec)

    def matches(self, method: str, path: str) -> bool:
        """Tell whether the fault is about such a request."""
        if method != self.method:
            return False
        pattern = re.escape(self.path).replace(r"\*", "[^/]+")
        return self.path == "*" or re.fullmatch(pattern, path) is not None

    def wait(self) -> None:
        """Say that the request is here, and hold it until released."""
        self.reached.set()
        self.released.wait(HOLD_S_MAX)


class FaultPlan:
    """The faults still to happen; each happens once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._planned: list[Fault] = []
        self._held: list[Fault] = []

    def add(self, fault: Fault) -> Fault:
        """Plan one more fault; requests are counted from now."""
        with self._lock:
            self._planned.append(fault)
        return fault

    def clear(self) -> None:
        """Forget the plan and release what is held."""
        with self._lock:
            self._planned.clear()
            held, self._held = self._held, []
        for fault in held:
            fault.released.set()

    def take(self, method: str, path: str) -> Fault | None:
        """Count a request, and return the fault that is due with it."""
        with self._lock:
            due = None
            for fault in self._planned:
                if fault.matches(method, path):
                    fault.seen += 1
                    if due is None and fault.seen >= fault.nth:
                        due = fault
            if due is not None:
                self._planned.remove(due)
                self._held.append(due)
            return due
