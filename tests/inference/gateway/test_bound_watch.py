"""What an engine reports is held against the bound, and counted where it is above."""

from structlog.testing import capture_logs

from inference.gateway.bound_watch import EVENT, BoundWatch


def test_a_prompt_above_its_bound_is_counted_and_named() -> None:
    watch = BoundWatch()
    with capture_logs() as logs:
        assert watch.check(model="m", bound=100, reported=100)
        assert watch.total() == 0
        assert not watch.check(model="m", bound=100, reported=101)
        assert not watch.check(model="other", bound=1, reported=2)
    assert watch.total() == 2
    assert watch.exceeded == {"m": 1, "other": 1}
    assert [(log["event"], log["log_level"]) for log in logs] == [
        (EVENT, "warning")
    ] * 2
    assert (logs[0]["model"], logs[0]["bound"], logs[0]["reported"]) == ("m", 100, 101)
