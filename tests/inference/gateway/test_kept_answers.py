"""The response cache through the gateway: what is a hit, what it costs, whose it is."""

from types import SimpleNamespace
from typing import Any

import httpx
import orjson
import pytest

from inference.caching.answers import KeptAnswers
from inference.caching.memory import MemoryCache
from inference.gateway import keeping
from inference.gateway.keeping import NO_REPLICA, Found, Keeping, Recorded
from kit.contracts import CountedBy, EventStatus
from tests.inference.engines.scripted import EngineSide, scripted_engine
from tests.inference.engines.simulator.running import RunningSimulator
from tests.inference.engines.wire import whole
from tests.inference.gateway.client import RawClient
from tests.inference.gateway.limited import quota, rate
from tests.inference.gateway.polling import wait_until
from tests.inference.gateway.running import RunningGateway

CHAT: dict[str, Any] = {
    "messages": [{"role": "user", "content": "say it again"}],
    "max_tokens": 5,
}
MODEL: dict[str, Any] = {
    "context_tokens": 32_768,
    "max_output_tokens": None,
    "created": 1,
    "cache_s": 60,
}
HEADER = "x-tollgate-cache"


@pytest.fixture
def model(gateway: RunningGateway, simulator: RunningSimulator) -> str:
    """Publish a model whose answers are kept."""
    name = gateway.serve(simulator.base_url, upstream_model="sim")
    gateway.publish("model", name, MODEL)
    return name


def ask(
    gateway: RunningGateway,
    model: str,
    key: str = "",
    *,
    path: str = "chat/completions",
    control: str = "",
    **fields: Any,
) -> httpx.Response:
    """Ask a model."""
    body = {"model": model, **(CHAT if path == "chat/completions" else {}), **fields}
    return httpx.post(
        f"{gateway.url}/v1/{path}",
        headers={
            "authorization": f"Bearer {key or gateway.key}",
            **({"cache-control": control} if control else {}),
        },
        json=body,
        trust_env=False,
    )


def engine_requests(simulator: RunningSimulator) -> int:
    """Return how many requests the engine has got."""
    return int(simulator.stats()["requests"])


def said(answer: httpx.Response) -> str:
    """Return the first choice's text."""
    text: str = answer.json()["choices"][0]["message"]["content"]
    return text


class TestHits:
    """The same request again."""

    def test_it_is_answered_without_an_engine_under_its_own_price(
        self, gateway: RunningGateway, simulator: RunningSimulator, model: str
    ) -> None:
        first = ask(gateway, model)
        asked = engine_requests(simulator)
        again = ask(gateway, model)
        assert engine_requests(simulator) == asked
        assert (first.headers[HEADER], again.headers[HEADER]) == ("miss", "hit")
        told, before = again.json(), first.json()
        assert told.pop("id") != before.pop("id")
        assert told == before
        assert told["model"] == model
        priced = [admission.price.model for admission in gateway.meter.admissions]
        assert priced == [model, f"{model}@cache"]
        made, kept = gateway.meter.outcomes
        assert kept.counts == made.counts
        assert kept.status is EventStatus.OK
        assert made.replica_id > 0
        assert kept.replica_id == NO_REPLICA

    @pytest.mark.parametrize("stream", [False, True])
    @pytest.mark.parametrize("left", [5, 4])
    def test_at_a_budgets_end_it_is_given_whole_or_made_anew(
        self, gateway: RunningGateway, model: str, stream: bool, left: int
    ) -> None:
        ask(gateway, model)
        place = quota(gateway, "output_tokens", left)
        again = ask(gateway, model, stream=stream)
        assert again.status_code == 200
        assert again.headers.get_list(HEADER) == ["hit" if left == 5 else "miss"]
        wait_until(lambda: gateway.meter.budgets.posted[place] == left)
        ended = gateway.meter.outcomes[-1].status
        assert ended is (EventStatus.OK if left == 5 else EventStatus.BUDGET_EXHAUSTED)
        spent = ask(gateway, model, stream=stream)
        assert (spent.status_code, spent.headers["x-should-retry"]) == (429, "false")

    @pytest.mark.parametrize("first_streamed", [False, True])
    @pytest.mark.parametrize("then_streamed", [False, True])
    def test_it_is_kept_and_given_in_either_form(
        self,
        gateway: RunningGateway,
        model: str,
        first_streamed: bool,
        then_streamed: bool,
    ) -> None:
        sdk = gateway.openai()
        texts: list[str] = []
        usages: list[Any] = []
        for streamed in (first_streamed, then_streamed):
            if streamed:
                stream = sdk.chat.completions.create(
                    model=model,
                    stream=True,
                    stream_options={"include_usage": True},
                    **CHAT,
                )
                chunks = list(stream)
                usages.append(chunks[-1].usage)
                said_ = (each.delta.content or "" for c in chunks for each in c.choices)
                texts.append("".join(said_))
                ends = [each.finish_reason for c in chunks for each in c.choices]
                assert ends[-1] == "length"
            else:
                whole = sdk.chat.completions.create(model=model, **CHAT)
                usages.append(whole.usage)
                texts.append(str(whole.choices[0].message.content))
        assert texts[0] == texts[1]
        first, then = usages
        assert first.total_tokens == then.total_tokens
        assert [each.replica_id for each in gateway.meter.outcomes][1] == NO_REPLICA
        made, kept = gateway.meter.outcomes
        assert made.counts == kept.counts

    def test_choices_and_completions_are_kept_too(
        self, gateway: RunningGateway, model: str
    ) -> None:
        for path, fields in (
            ("chat/completions", {"n": 3}),
            ("completions", {"prompt": ["a", "b"], "max_tokens": 2}),
        ):
            for stream in (False, True):
                answers = [
                    ask(gateway, model, path=path, **fields, stream=stream)
                    for _ in range(2)
                ]
                assert [each.status_code for each in answers] == [200, 200]
                assert answers[1].headers[HEADER] == "hit"
        counts = [each.counts for each in gateway.meter.outcomes]
        assert counts[:4] == [counts[0]] * 4
        assert counts[4:] == [counts[4]] * 4

    def test_other_surfaces_find_it_in_their_own_form(
        self, gateway: RunningGateway, model: str
    ) -> None:
        messages = [{"role": "user", "content": "say it again"}]
        for stream in (False, True):
            for _ in range(2):
                answer = ask(
                    gateway,
                    model,
                    path="messages",
                    messages=messages,
                    max_tokens=5,
                    stream=stream,
                )
                assert answer.status_code == 200
            assert answer.headers[HEADER] == "hit"
            assert "output_tokens" in answer.text


class TestMisses:
    """What is not the same request, and what is not kept."""

    def test_only_the_same_request_of_the_same_tenant_is_a_hit(
        self, gateway: RunningGateway, simulator: RunningSimulator, model: str
    ) -> None:
        other = gateway.serve(simulator.base_url, upstream_model="sim")
        gateway.publish("model", other, MODEL)
        foreign = gateway.issue_key(tenant_id=2)
        own = gateway.issue_key(tenant_id=1)
        assert ask(gateway, model).headers[HEADER] == "miss"
        for again in (
            ask(gateway, model, foreign),
            ask(gateway, other),
            ask(gateway, model, max_tokens=6),
            ask(gateway, model, temperature=0.5),
            ask(gateway, model, messages=[{"role": "user", "content": "else"}]),
        ):
            assert again.headers[HEADER] == "miss"
        assert ask(gateway, model, own).headers[HEADER] == "hit"
        assert ask(gateway, model, foreign).headers[HEADER] == "hit"

    def test_clients_may_have_it_made_anew_or_not_kept(
        self, gateway: RunningGateway, model: str
    ) -> None:
        assert HEADER not in ask(gateway, model, control="no-store").headers
        assert ask(gateway, model).headers[HEADER] == "miss"
        assert HEADER not in ask(gateway, model, control="no-store").headers
        assert ask(gateway, model, control="No-Cache").headers[HEADER] == "miss"
        assert ask(gateway, model).headers[HEADER] == "hit"

    @pytest.mark.parametrize("unpriced", ["@cache", ""])
    def test_without_a_price_it_is_not_used(
        self, gateway: RunningGateway, model: str, unpriced: str
    ) -> None:
        assert ask(gateway, model).headers[HEADER] == "miss"
        gateway.meter.unpriced.add(model + unpriced)
        again = ask(gateway, model)
        assert HEADER not in again.headers
        assert again.status_code == (200 if unpriced else 403)

    def test_it_is_off_unless_the_model_says_so(
        self, gateway: RunningGateway, model: str
    ) -> None:
        ask(gateway, model)
        gateway.publish("model", model, {**MODEL, "cache_s": 0})
        assert HEADER not in ask(gateway, model).headers

    def test_what_broke_off_or_was_left_is_not_kept(
        self,
        gateway: RunningGateway,
        simulator: RunningSimulator,
        model: str,
        raw: RawClient,
    ) -> None:
        simulator.change(inter_token_ms=5, answer_tokens=5_000)
        raw.chat(model, stream=True)
        raw.read_text(" t5")
        raw.sock.close()
        wait_until(lambda: bool(gateway.meter.outcomes))
        assert gateway.meter.outcomes[0].status is EventStatus.CLIENT_GONE
        with RawClient(gateway.port, gateway.key) as again:
            simulator.change(inter_token_ms=0, answer_tokens=3)
            again.chat(model, stream=True)
            assert again.read().header(HEADER) == "miss"

    def test_what_no_engine_counted_is_not_kept(
        self, gateway: RunningGateway, simulator: RunningSimulator, model: str
    ) -> None:
        simulator.change(fault="no_usage")
        for stream in (False, True, False):
            again = ask(gateway, model, stream=stream)
            assert (again.status_code, again.headers[HEADER]) == (200, "miss")


@pytest.mark.parametrize(
    "said", [None, {"message": {"tool_calls": ["odd"]}}, {"message": {"tool_calls": 5}}]
)
def test_what_could_not_be_streamed_is_not_kept(
    gateway: RunningGateway, said: Any
) -> None:
    usage = {"prompt_tokens": 1, "completion_tokens": 1}

    def script(side: EngineSide) -> None:
        while side.request() is not None:
            side.send(whole({"choices": [said], "usage": usage}))

    with scripted_engine(script) as engine:
        model = gateway.serve(engine.url)
        gateway.publish("model", model, MODEL)
        for _ in range(2):
            assert ask(gateway, model).headers[HEADER] == "miss"


def test_a_kept_answer_that_cannot_be_read_leaves_nothing_open(
    gateway: RunningGateway, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(answer: object) -> bytes:
        raise TypeError(answer)

    ask(gateway, model)
    monkeypatch.setattr(keeping, "stream_of", broken)
    assert ask(gateway, model, stream=True).status_code >= 500
    wait_until(lambda: gateway.meter.open_requests == 0)
    assert len(gateway.meter.outcomes) == 1


BODY = orjson.dumps({"choices": [{}], "usage": {"prompt_tokens": 1}})


@pytest.mark.parametrize(
    ("status", "counted_by", "body", "is_kept"),
    [
        (EventStatus.OK, CountedBy.ENGINE, BODY, True),
        (EventStatus.OK, CountedBy.ENGINE, b"", False),
        (EventStatus.OK, CountedBy.ENGINE, b'{"choices": [{}]}', False),
        (EventStatus.OK, CountedBy.TOKENIZER, BODY, False),
        (EventStatus.OK, CountedBy.NONE, BODY, False),
        (EventStatus.CLIENT_GONE, CountedBy.ENGINE, BODY, False),
        (EventStatus.BUDGET_EXHAUSTED, CountedBy.ENGINE, BODY, False),
    ],
)
async def test_only_what_ended_well_and_was_counted_is_kept(
    status: EventStatus, counted_by: CountedBy, body: bytes, is_kept: bool
) -> None:
    """Whatever else holds back the rest, such as that a stream lacks its usage."""
    answers = KeptAnswers(MemoryCache(bytes_max=10_000), b"secret")
    model = SimpleNamespace(name="m", cache_s=60)
    call: Any = SimpleNamespace(caller=SimpleNamespace(tenant_id=1), model=model)
    outcome = SimpleNamespace(status=status, counted_by=counted_by)
    settlement: Any = SimpleNamespace(outcome=outcome)
    meter: Any = None
    found = Found(answers.key(1, b"asked"), None)
    inner: Any = None
    Keeping(answers, meter).keep(call, found, Recorded(inner, body), settlement)
    assert (await answers.get(1, found.key) is not None) is is_kept


class TestLimits:
    """A hit is held to the limits as any other request is."""

    def test_rates_count_it(self, gateway: RunningGateway, model: str) -> None:
        gateway.limit(rate("requests", 2))
        answers = [ask(gateway, model) for _ in range(3)]
        assert [each.status_code for each in answers] == [200, 200, 429]
        assert answers[1].headers[HEADER] == "hit"
        gateway.limit()

    def test_engines_that_are_gone_are_not_missed(
        self, gateway: RunningGateway, model: str
    ) -> None:
        ask(gateway, model)
        [replica] = gateway.snapshot.replicas_by_model[model]
        gateway.publish("replica", str(replica.id), None)
        assert ask(gateway, model).status_code == 200
        assert ask(gateway, model, temperature=1).status_code == 503
