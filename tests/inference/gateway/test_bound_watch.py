"""What an engine reports is held against the bound, and counted where it is above."""

import pytest
from structlog.testing import CapturingLogger

from inference.gateway import bound_watch
from inference.gateway.bound_watch import EVENT, BoundWatch


def test_a_prompt_above_its_bound_is_counted_and_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The module's own logger may be bound for good by now, past the reach of a
    # change of configuration.
    log = CapturingLogger()
    monkeypatch.setattr(bound_watch, "log", log)
    watch = BoundWatch()
    assert watch.check(model="m", bound=100, reported=100)
    assert watch.total() == 0
    assert not watch.check(model="m", bound=100, reported=101)
    assert not watch.check(model="other", bound=1, reported=2)
    assert watch.total() == 2
    assert watch.exceeded == {"m": 1, "other": 1}
    assert [(call.method_name, call.args) for call in log.calls] == [
        ("warning", (EVENT,))
    ] * 2
    assert log.calls[0].kwargs == {"model": "m", "bound": 100, "reported": 101}
