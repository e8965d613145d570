"""What is refused is counted for its tenant, once, and what is metered is not."""

import contextlib
from collections.abc import AsyncIterator, Iterator
from types import SimpleNamespace
from typing import Any

import httpx
import orjson
import pytest
from psycopg import OperationalError
from psycopg.errors import LockNotAvailable, UndefinedTable
from structlog.testing import capture_logs

from inference.gateway import refusals
from inference.gateway.refusals import HOUR_US, Kind, Refusals
from kit.contracts import Caller
from kit.errors import InvalidRequest, PlatformError, RateLimited
from tests.inference.engines.scripted import EngineSide, scripted_engine
from tests.inference.engines.simulator.running import RunningSimulator
from tests.inference.engines.wire import whole
from tests.inference.gateway.client import RawClient
from tests.inference.gateway.limited import quota, rate, slots
from tests.inference.gateway.meter import NOW_US
from tests.inference.gateway.running import RunningGateway

HOUR = NOW_US // HOUR_US
CHAT: dict[str, Any] = {
    "messages": [{"role": "user", "content": "one two three"}],
    "max_tokens": 2,
}


@pytest.fixture(autouse=True)
def _afresh(gateway: RunningGateway) -> Iterator[None]:
    """Begin with nothing counted."""
    gateway.run(gateway.refusals._counts.clear)
    yield
    gateway.limit()


def counted(gateway: RunningGateway) -> dict[tuple[str, int, str, str], int]:
    """Return what was counted, by model, status, code and limit."""
    counts = gateway.run(lambda: dict(gateway.refusals._counts))
    assert {kind.hour for kind in counts} <= {HOUR}
    return {
        (kind.model, kind.status, kind.code, kind.refused_by): count.number
        for kind, count in counts.items()
    }


def post(gateway: RunningGateway, model: str, key: str = "", **fields: Any) -> int:
    """Ask a model; return the status."""
    answer = httpx.post(
        f"{gateway.url}/v1/chat/completions",
        headers={"authorization": f"Bearer {key or gateway.key}"},
        json={"model": model, **CHAT, **fields},
    )
    return answer.status_code


def test_what_a_rate_limit_refuses_names_the_limit(
    gateway: RunningGateway, model: str
) -> None:
    gateway.limit(rate("requests", 1))
    assert [post(gateway, model) for _ in range(3)] == [200, 429, 429]
    of_rate = (model, 429, "rate_limit_exceeded", "tenant:requests:minute")
    assert counted(gateway) == {of_rate: 2}
    gateway.limit(slots(0))
    assert post(gateway, model) == 429
    at_once = (model, 429, "rate_limit_exceeded", "tenant:concurrent_requests:")
    assert counted(gateway) == {of_rate: 2, at_once: 1}


def test_what_a_quota_refuses_names_it_and_what_it_ends_is_metered(
    gateway: RunningGateway, simulator: RunningSimulator, model: str, raw: RawClient
) -> None:
    quota(gateway, "output_tokens", 5)
    simulator.change(answer_tokens=50)
    raw.chat(model, stream=True)
    assert raw.read().chunks[-1]["error"]["code"] == "insufficient_quota"
    assert counted(gateway) == {}
    assert post(gateway, model) == 429
    assert counted(gateway) == {
        (model, 429, "insufficient_quota", "tenant:output_tokens:month"): 1
    }


def test_what_a_key_may_not_do_is_its_tenant_s_to_see(
    gateway: RunningGateway, model: str
) -> None:
    reading = gateway.issue_key(tenant_id=1, scopes=["models"])
    elsewhere = gateway.issue_key(tenant_id=1, networks=["10.0.0.0/8"])
    stopped = gateway.issue_key(tenant_id=83, active=False)
    asked = [
        post(gateway, model, reading),
        post(gateway, model, elsewhere),
        post(gateway, model, stopped),
        post(gateway, "no-such-model-" + "x" * 50),
        post(gateway, model, max_tokens="many"),
        # Nobody's: there is no such key.
        post(gateway, model, "tg_none"),
    ]
    assert asked == [403, 403, 403, 404, 400, 401]
    found = counted(gateway)
    assert found.pop(("", 403, "scope_missing", "")) == 1
    assert found.pop(("", 403, "ip_not_allowed", "")) == 1
    assert found.pop(("", 403, "tenant_suspended", "")) == 1
    # What somebody made up is no model to count by.
    assert found.pop(("", 404, "model_not_found", "")) == 1
    [(_, status, _, _)] = found
    assert status == 400
    tenants = gateway.run(lambda: {kind.tenant_id for kind in gateway.refusals._counts})
    assert tenants == {1, 83}


def _refuse(side: EngineSide) -> None:
    side.request()
    error = {"message": "no", "code": "made up, and \x00 long" * 9}
    side.send(whole({"error": error}, status=400))


def _break_off(side: EngineSide) -> None:
    side.request()
    side.send(b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{")
    side.sock.close()


def test_an_engine_s_refusal_is_counted_and_its_failure_is_metered(
    gateway: RunningGateway,
) -> None:
    with scripted_engine(_refuse) as engine:
        refusing = gateway.serve(engine.url)
        assert post(gateway, refusing) == 400
    [(model, status, code, limit)] = counted(gateway)
    assert (model, status, limit) == (refusing, 400, "")
    assert code.isidentifier()
    before = len(gateway.meter.settled)
    with scripted_engine(_break_off) as engine:
        assert post(gateway, gateway.serve(engine.url)) == 502
    assert len(gateway.meter.settled) == before + 1
    assert len(counted(gateway)) == 1


class Clock:
    """A clock that is set by hand."""

    us = NOW_US

    def __call__(self) -> int:
        """Return the present instant."""
        return self.us


def request(key: int = 1, model: str = "m", *, is_metered: bool = False) -> Any:
    """Return a request of one tenant, as far as refusals look at one."""
    caller = Caller(7, 8, key, "USD")
    return SimpleNamespace(caller=caller, model=model, is_metered=is_metered)


class Connection:
    """A connection that keeps what is written, unless it is to fail."""

    def __init__(self) -> None:
        self.written: list[dict[str, Any]] = []
        self.fails: Exception | None = None
        self.closed = False

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        """Do nothing: what fails has written nothing here."""
        yield

    async def execute(self, _: str, values: dict[str, Any] | None = None) -> None:
        """Keep the values, if there are any, or fail."""
        if values is None:
            return
        if self.fails is not None:
            raise self.fails
        self.written.append({**values, "rows": orjson.loads(values["rows"])})


LIMITED = RateLimited("Wait.", refused_by="api_key:requests:minute")


async def test_what_has_changed_is_told_as_all_that_there_is_of_the_hour(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(refusals, "TELL_US", 0)
    clock, connection = Clock(), Connection()
    made, lent = Refusals("g", clock), connection
    for _ in range(3):
        made.add(request(), LIMITED)
    made.add(request(is_metered=True), LIMITED)
    made.add(SimpleNamespace(caller=None), LIMITED)  # type: ignore[arg-type]
    await made.tell(lent)  # type: ignore[arg-type]
    await made.tell(lent)  # type: ignore[arg-type]
    made.add(request(), LIMITED)
    clock.us += HOUR_US
    made.add(request(), InvalidRequest("No."))
    await made.tell(lent)  # type: ignore[arg-type]

    first, second = connection.written
    assert first["source"] == second["source"] == made.source
    [told] = first["rows"]
    assert (told["requests"], told["hour"], told["last_us"]) == (3, HOUR, NOW_US)
    assert (told["tenant_id"], told["api_key_id"], told["model"]) == (7, 1, "m")
    # Of the new hour what there is; of the one before, all of it.
    assert [(row["requests"], row["hour"], row["code"]) for row in second["rows"]] == [
        (1, HOUR + 1, "invalid_request_error"),
        (4, HOUR, "rate_limit_exceeded"),
    ]
    clock.us += HOUR_US
    made.add(request(), LIMITED)
    assert [kind.hour for kind in made._counts] == [HOUR + 2]


async def test_what_could_not_be_told_is_told_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(refusals, "TELL_US", 0)
    connection: Any = Connection()
    made = Refusals("g", Clock())
    made.add(request(), LIMITED)
    with capture_logs() as logged:
        for fails in (UndefinedTable("control_refusal"), LockNotAvailable("locked")):
            connection.fails = fails
            await made.tell(connection)
    assert [each["event"] for each in logged] == ["refusals_not_told"]
    connection.fails, connection.closed = OperationalError("gone"), True
    with pytest.raises(OperationalError):
        await made.tell(connection)
    connection.fails, connection.closed = None, False
    await made.tell(connection)
    assert [row["requests"] for row in connection.written[0]["rows"]] == [1]


async def test_of_more_than_fit_those_come_first_that_waited_longest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(refusals, "TELL_US", 0)
    monkeypatch.setattr(refusals, "ROWS_MAX", 2)
    connection: Any = Connection()
    made = Refusals("g", Clock())
    for _ in range(2):
        for key in (1, 2, 3):
            made.add(request(key), LIMITED)
        await made.tell(connection)
    first, second = connection.written
    assert [row["api_key_id"] for row in first["rows"]] == [1, 2]
    assert [row["api_key_id"] for row in second["rows"]] == [3, 1]


def test_too_many_kinds_are_counted_together_and_then_not_at_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(refusals, "KINDS_MAX", 3)
    made = Refusals("g", Clock())
    for key in range(1, 6):
        made.add(request(key), LIMITED)
    rest = [kind for kind in made._counts if not kind.api_key_id]
    assert [(kind.project_id, kind.model) for kind in rest] == [(0, "")]
    assert made._counts[rest[0]].number == 2
    with capture_logs() as logged:
        for number in range(4):
            error: PlatformError = InvalidRequest("No.", code=f"c{number}")
            made.add(request(9), error)
    assert (len(made._counts), made.uncounted) == (6, 2)
    assert [each["event"] for each in logged] == ["refusals_uncounted"]
    # One that is known is counted all the same.
    made.add(request(1), LIMITED)
    known = Kind(HOUR, 7, 8, 1, "m", 429, "rate_limit_exceeded", LIMITED.refused_by)
    assert made._counts[known].number == 2
