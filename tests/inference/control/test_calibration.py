"""Calibration: engines are asked over real sockets, and gateways learn the factors."""

import datetime as dt
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from io import StringIO
from typing import Any

import httpx
import pytest
from celery import current_app
from django.core.management import CommandError, call_command

from inference.control import services
from inference.control.calibration import services as calibration
from inference.control.calibration.asking import Outcome, ask
from inference.control.calibration.probes import probes
from inference.control.models import (
    Calibration,
    Publication,
    PublicationVersion,
    Replica,
    ServedModel,
)
from inference.control.tasks import calibrate_models
from inference.openai.prompt_bound import DEFAULT, PromptBound, bound
from inference.routing.snapshot import ModelEntry, Snapshot
from kit.acting import Actor, ActorKind, acting_as
from kit.contracts import Surface
from kit.errors import Conflict
from kit.orm.roles import as_operator
from tenants.models import AuditEntry
from tests.databases import ROOT, Database
from tests.factories.control import make_model, make_replica
from tests.inference.engines.scripted import EngineSide, scripted_engine

NOW = dt.datetime(2026, 11, 21, 12, tzinfo=dt.UTC)
# Nobody listens at port 1.
NOWHERE = "http://127.0.0.1:1"
State = Calibration.State


@pytest.fixture(scope="module")
def engine() -> Iterator[str]:
    """Provide a simulator engine, a process of its own."""
    program = [sys.executable, "-m", "inference.engines.simulator", "--port", "0"]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True, cwd=ROOT) as run:
        try:
            assert run.stdout is not None
            announced = re.search(r"http://\S+", run.stdout.readline())
            assert announced is not None
            yield announced[0]
        finally:
            run.kill()


@pytest.fixture
def settings_of(engine: str) -> Iterator[Any]:
    """Change the engine's behaviour, and change it back."""
    address = f"{engine}/simulator/settings"
    before = httpx.get(address).json()
    yield lambda **settings: httpx.post(address, json=settings).raise_for_status()
    httpx.post(address, json=before).raise_for_status()


def make_served(url: str, **replica: Any) -> ServedModel:
    """Create a model that a replica at `url` serves."""
    return make_replica(url=url, upstream_model="sim", **replica).model


def calibrated(model: ServedModel, *, now: dt.datetime = NOW) -> Calibration:
    row = calibration.calibrate(model=model, now=now)
    assert row == Calibration.objects.get(model=model)
    return row


def entry(model: ServedModel) -> ModelEntry:
    """Return what a gateway knows of a model."""
    snapshot = Snapshot()
    published = Publication.objects.get(kind="model", key=model.name)
    snapshot.apply("model", model.name, published.body)
    return snapshot.models[model.name]


def is_due(model: ServedModel, *, now: dt.datetime = NOW) -> bool:
    return calibration.is_due(ServedModel.objects.get(pk=model.pk), now=now)


@pytest.mark.usefixtures("operator_db")
class TestCalibrating:
    """What engines say becomes what gateways hold."""

    def test_what_an_engine_counts_is_published(self, engine: str) -> None:
        model = make_served(engine)
        assert entry(model).prompt_bound == DEFAULT
        row = calibrated(model)
        assert (row.state, row.calibrated_at) == (State.CALIBRATED, NOW)
        (replica,) = row.replicas
        assert replica["said"] == f"counted {len(probes())} of {len(probes())} probes"
        factors = entry(model).prompt_bound
        assert factors.published() == row.factors
        # Every other character of the worst text is a word to it.
        assert factors.per_byte_milli == 550
        assert not is_due(model)

    def test_the_factors_bound_what_the_engine_bills(self, engine: str) -> None:
        model = make_served(engine)
        calibrated(model)
        known = entry(model)
        paths = {
            Surface.CHAT_COMPLETIONS: "/v1/chat/completions",
            Surface.COMPLETIONS: "/v1/completions",
        }
        with httpx.Client(base_url=engine) as client:
            for probe in probes():
                request = probe.request
                body = {**request.payload, "model": "sim", "max_tokens": 1}
                answer = client.post(paths[request.surface], json=body)
                billed = answer.raise_for_status().json()["usage"]["prompt_tokens"]
                bounded = bound(
                    request, known.prompt_bound, context_tokens=known.context_tokens
                )
                assert billed <= bounded, probe.family

    def test_a_second_time_changes_nothing_that_is_published(self, engine: str) -> None:
        model = make_served(engine)
        first = calibrated(model).factors
        version = PublicationVersion.objects.get().version
        assert calibrated(model, now=NOW + dt.timedelta(hours=1)).factors == first
        assert PublicationVersion.objects.get().version == version

    def test_a_dialect_without_such_a_call_leaves_the_default(
        self, engine: str
    ) -> None:
        model = make_served(engine, dialect=Replica.Dialect.OPENAI)
        row = calibrated(model)
        assert (row.state, row.factors) == (State.UNABLE, None)
        assert "dialect" in row.replicas[0]["said"]
        assert entry(model).prompt_bound == DEFAULT
        assert not is_due(model, now=NOW + dt.timedelta(days=1))

    @pytest.mark.parametrize(
        "change", [{"auth": "x-api-key"}, {"options": {"num_ctx": "100"}}]
    )
    def test_one_that_is_reached_otherwise_is_asked_again(
        self, engine: str, change: dict[str, Any]
    ) -> None:
        model = make_served(engine, dialect=Replica.Dialect.OLLAMA)
        assert calibrated(model).state == State.UNABLE
        assert not is_due(model)
        services.update_replica(replica=model.replicas.get(), **change)
        assert is_due(model)

    def test_an_engine_out_of_reach_is_tried_again_later(self, engine: str) -> None:
        model = make_served(NOWHERE)
        row = calibrated(model)
        assert (row.state, row.factors) == (State.FAILED, None)
        assert not is_due(model, now=NOW + dt.timedelta(minutes=1))
        assert is_due(model, now=NOW + calibration.RETRY_AFTER)
        services.update_replica(replica=model.replicas.get(), url=engine)
        assert is_due(model)

    def test_what_is_in_force_stays_while_no_engine_can_be_asked(
        self, engine: str, settings_of: Any
    ) -> None:
        model = make_served(engine)
        factors = calibrated(model).factors
        settings_of(fault="tokenize_refuse")
        row = calibrated(model)
        assert (row.state, row.factors) == (State.FAILED, factors)
        assert row.replicas[0]["said"] == "answered 503"
        assert entry(model).prompt_bound.published() == factors

    def test_replicas_are_bounded_together_and_each_is_told_of(
        self, engine: str
    ) -> None:
        model = make_served(engine)
        make_replica(model=model, url=NOWHERE, name="away")
        drained = make_replica(model=model, url=NOWHERE)
        services.drain_replica(replica=drained)
        row = calibrated(model)
        assert row.state == State.CALIBRATED
        outcomes = [each["outcome"] for each in row.replicas]
        assert outcomes == [Outcome.COUNTED, Outcome.AWAY]
        assert is_due(model, now=NOW + calibration.RETRY_AFTER)

    def test_an_engine_that_counts_no_longer_takes_its_factors_along(
        self, engine: str
    ) -> None:
        model = make_served(engine)
        calibrated(model)
        replica = model.replicas.get()
        services.update_replica(replica=replica, dialect=Replica.Dialect.OPENAI)
        assert is_due(model)
        assert calibrated(model).state == State.UNABLE
        assert entry(model).prompt_bound == DEFAULT

    def test_a_model_without_an_active_replica_is_neither_due_nor_asked(self) -> None:
        model = make_model()
        assert not is_due(model)
        with pytest.raises(Conflict, match="No active replica"):
            calibration.calibrate(model=model, now=NOW)

    def test_a_stale_model_keeps_its_factors_until_it_was_asked(
        self, engine: str
    ) -> None:
        model = make_served(engine)
        factors = calibrated(model).factors
        with acting_as(Actor(ActorKind.COMMAND)):
            calibration.recalibrate(model=model)
        assert is_due(model)
        assert entry(model).prompt_bound.published() == factors
        told = AuditEntry.objects.filter(object_kind="calibration")
        assert [each.action for each in told] == ["recalibrate"]
        assert calibrated(model).state == State.CALIBRATED
        assert told.count() == 1

    def test_a_model_that_was_never_asked_can_be_stale(self) -> None:
        model = make_model()
        calibration.recalibrate(model=model)
        assert Calibration.objects.get(model=model).state == State.STALE

    def test_the_scan_takes_what_is_due_longest_untried_first(
        self, engine: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        tried, fresh = make_served(NOWHERE), make_served(engine)
        disabled = make_served(engine)
        services.disable_model(model=disabled)
        calibrated(tried, now=NOW - dt.timedelta(hours=1))
        monkeypatch.setattr(calibration, "MODELS_MAX", 1)
        assert calibration.calibrate_due(now=NOW) == 1
        assert not is_due(fresh)
        assert is_due(tried)
        assert calibration.calibrate_due(now=NOW) == 1
        assert calibration.calibrate_due(now=NOW) == 0
        assert not Calibration.objects.filter(model=disabled).exists()

    def test_a_model_that_cannot_be_calibrated_is_in_nobody_s_way(
        self, engine: str
    ) -> None:
        broken, model = make_served(engine), make_served(engine)
        Replica.objects.filter(model=broken).update(dialect="nobody-speaks-it")
        calibration.calibrate_due(now=NOW)
        assert is_due(broken)
        assert not is_due(model)


def replica_at(url: str) -> Replica:
    """Return a replica that is stored nowhere."""
    return Replica(pk=1, model=ServedModel(name="m"), name="r", url=url, dialect="vllm")


def answering(status: str, body: bytes) -> Any:
    def script(side: EngineSide) -> None:
        while side.request():
            head = f"HTTP/1.1 {status}\r\ncontent-length: {len(body)}\r\n\r\n"
            side.send(head.encode() + body)

    return script


@pytest.mark.parametrize(
    ("status", "body", "outcome", "said"),
    [
        ("404 Not Found", b"{}", Outcome.UNABLE, "answered 404 to /tokenize"),
        ("400 Bad Request", b"{}", Outcome.UNABLE, "counted none of the probes"),
        ("200 OK", b"<html>", Outcome.UNABLE, "counted none of the probes"),
        ("200 OK", b'{"count": 0}', Outcome.UNABLE, "counted none of the probes"),
        ("302 Found", b"", Outcome.AWAY, "answered 302"),
        ("401 Unauthorized", b"{}", Outcome.AWAY, "answered 401"),
        ("500 Oops", b"{}", Outcome.AWAY, "answered 500"),
        ("200 OK", b" " * 1_100_000, Outcome.AWAY, "takes too long to count"),
    ],
)
def test_what_is_no_count_is_said(
    status: str, body: bytes, outcome: Outcome, said: str
) -> None:
    with scripted_engine(answering(status, body)) as engine:
        answer = ask(replica_at(engine.url), probes()[:5])
    assert (answer.outcome, answer.said, answer.seen) == (outcome, said, ())


def test_patience_ends_with_whoever_counts_too_slowly() -> None:
    with scripted_engine(answering("200 OK", b'{"count": 5}')) as engine:
        answer = ask(replica_at(engine.url), probes(), patience_s=0)
    assert (answer.outcome, answer.said) == (Outcome.AWAY, "takes too long to count")


def test_an_engine_that_hangs_up_is_away() -> None:
    def script(side: EngineSide) -> None:
        side.request()

    with scripted_engine(script) as engine:
        answer = ask(replica_at(engine.url), probes())
    assert answer.outcome == Outcome.AWAY
    assert answer.said == "could not be asked (RemoteProtocolError)"


def test_an_engine_that_cannot_be_shown_a_key_is_away() -> None:
    replica = replica_at(NOWHERE)
    replica.auth = Replica.Auth.SIGV4
    answer = ask(replica, probes())
    assert answer.outcome == Outcome.AWAY
    assert answer.said == "could not be asked (EngineUnreachableError)"


class TestAskedFor:
    """With committed rows: who asks the worker, and the worker."""

    def test_a_commit_asks_for_a_scan_and_a_lost_message_hurts_nobody(
        self, fresh_database: Database, monkeypatch: pytest.MonkeyPatch, engine: str
    ) -> None:
        asked: list[str] = []

        def lost(name: str, **_: Any) -> None:
            asked.append(name)
            raise OSError("no broker")

        monkeypatch.setattr(current_app, "send_task", lost)
        model = make_served(engine)
        assert set(asked) == {calibration.TASK}
        asked.clear()
        with as_operator():
            services.update_replica(replica=model.replicas.get(), url=engine + "/")
        assert asked == [calibration.TASK]
        calibrate_models()
        with as_operator():
            assert Calibration.objects.get(model=model).state == State.CALIBRATED

    def test_the_command_says_what_came_of_it(
        self, fresh_database: Database, engine: str
    ) -> None:
        model = make_served(engine)
        out = StringIO()
        call_command("calibrate_model", model.name, "--json", stdout=out)
        answer = json.loads(out.getvalue())
        assert answer["state"] == "calibrated"
        assert PromptBound(**answer["factors"]).per_byte_milli == 550
        assert [each["outcome"] for each in answer["replicas"]] == ["counted"]
        out = StringIO()
        call_command("calibrate_model", model.name, stdout=out)
        assert "per_byte_milli: 550" in out.getvalue()

    def test_the_command_fails_where_no_engine_could_be_asked(
        self, fresh_database: Database
    ) -> None:
        out = StringIO()
        with pytest.raises(CommandError, match="no engine could be asked"):
            call_command("calibrate_model", make_served(NOWHERE).name, stdout=out)
        assert "the default factors hold" in out.getvalue()
        with pytest.raises(CommandError, match="no served model nobody"):
            call_command("calibrate_model", "nobody")
        with pytest.raises(CommandError, match="No active replica"):
            call_command("calibrate_model", make_model().name)
