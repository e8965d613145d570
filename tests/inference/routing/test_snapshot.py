"""The snapshot: entries by kind, replicas by model, versions seen whole."""

from typing import Any

import psycopg
from hypothesis import given
from hypothesis import strategies as st
from psycopg.types.json import Jsonb

from inference.openai.prompt_bound import DEFAULT, PromptBound
from inference.routing.snapshot import Snapshot
from tests.databases import Database


def replica(model: str, *, state: str = "active", url: str = "http://e") -> Any:
    """Return a replica's body."""
    return {
        "model": model,
        "name": "r",
        "url": url,
        "dialect": "vllm",
        "upstream_model": "",
        "credential": "",
        "state": state,
    }


def test_entries_come_change_and_go() -> None:
    snapshot = Snapshot()
    key = {"api_key_id": 1, "project_id": 2, "tenant_id": 3, "expires_at": None}
    model = {"context_tokens": 8, "max_output_tokens": None, "created": 1}
    tenant = {"slug": "t", "active": True, "currency": "USD"}
    snapshot.apply("api_key", "digest", key)
    snapshot.apply("tenant", "3", tenant)
    snapshot.apply("model", "m", model)
    assert snapshot.keys["digest"].tenant_id == 3
    assert snapshot.tenants[3].active
    assert snapshot.models["m"].name == "m"
    snapshot.apply("tenant", "3", tenant | {"active": False})
    assert not snapshot.tenants[3].active
    for kind, name in (("api_key", "digest"), ("tenant", "3"), ("model", "m")):
        snapshot.apply(kind, name, None)
        snapshot.apply(kind, name, None)
    assert snapshot == Snapshot()


def test_replicas_are_grouped_by_model_while_they_are_active() -> None:
    snapshot = Snapshot()

    def ids(model: str) -> list[int]:
        return [entry.id for entry in snapshot.replicas_by_model.get(model, ())]

    for number in (12, 3, 7):
        snapshot.apply("replica", str(number), replica("a"))
    assert ids("a") == [3, 7, 12]
    snapshot.apply("replica", "7", replica("a", state="draining"))
    assert ids("a") == [3, 12]
    snapshot.apply("replica", "3", replica("b"))
    assert (ids("a"), ids("b")) == ([12], [3])
    snapshot.apply("replica", "12", None)
    snapshot.apply("replica", "7", replica("a"))
    assert (ids("a"), ids("b")) == ([7], [3])


def test_a_kind_of_a_newer_control_side_is_passed_over() -> None:
    snapshot = Snapshot()
    snapshot.apply("rate_limit", "1", {"x": 1})
    assert snapshot == Snapshot()


def test_a_model_has_its_own_bound_or_the_default_one() -> None:
    snapshot = Snapshot()
    model = {"context_tokens": 8, "max_output_tokens": None, "created": 1}
    snapshot.apply("model", "older", model)
    calibrated = PromptBound(per_byte_milli=500, base=9)
    snapshot.apply("model", "m", model | {"prompt_bound": calibrated.published()})
    snapshot.apply("model", "uncalibrated", model | {"prompt_bound": None})
    assert snapshot.models["m"].prompt_bound == calibrated
    assert snapshot.models["older"].prompt_bound == DEFAULT
    assert snapshot.models["uncalibrated"].prompt_bound == DEFAULT


_ENTRIES = st.tuples(
    st.integers(1, 4),
    st.sampled_from([None, "a", "b"]),
    st.sampled_from(["active", "x"]),
)


@given(st.lists(_ENTRIES, max_size=30))
def test_the_groups_are_those_of_the_last_entries(
    entries: list[tuple[int, str | None, str]],
) -> None:
    snapshot, last = Snapshot(), {}
    for number, model, state in entries:
        body = None if model is None else replica(model, state=state)
        snapshot.apply("replica", str(number), body)
        last[number] = (model, state)
    for name in ("a", "b"):
        expected = sorted(n for n, at in last.items() if at == (name, "active"))
        group = snapshot.replicas_by_model.get(name, ())
        assert [entry.id for entry in group] == expected


async def test_only_newer_versions_are_read_and_each_as_a_whole(
    fresh_database: Database,
) -> None:
    owner = fresh_database.url_for("owner")
    snapshot = Snapshot()
    async with (
        await psycopg.AsyncConnection.connect(owner, autocommit=True) as writer,
        await psycopg.AsyncConnection.connect(
            fresh_database.url_for("gateway"), autocommit=True
        ) as reader,
    ):

        async def publish(kind: str, key: str, version: int, body: Any) -> None:
            await writer.execute(
                "INSERT INTO control_publication (kind, key, version, body)"
                " VALUES (%s, %s, %s, %s) ON CONFLICT (kind, key)"
                " DO UPDATE SET version = excluded.version, body = excluded.body",
                [kind, key, version, None if body is None else Jsonb(body)],
            )

        await snapshot.refresh(reader)
        assert (snapshot.version, snapshot.is_loaded) == (0, True)
        await publish("replica", "1", 5, replica("a"))
        await publish("replica", "2", 5, replica("a"))
        # An entry nobody can read must not hide the ones beside and behind it.
        await publish("replica", "3", 5, {"model": "a"})
        await publish("tenant", "x", 5, {})
        await publish("replica", "4", 6, replica("a"))
        await snapshot.refresh(reader)
        assert snapshot.version == 6
        assert [each.id for each in snapshot.replicas_by_model["a"]] == [1, 2, 4]
        await publish("replica", "2", 7, None)
        await publish("replica", "1", 6, replica("b"))
        await snapshot.refresh(reader)
        assert snapshot.version == 7
        assert [each.id for each in snapshot.replicas_by_model["a"]] == [1, 4]
