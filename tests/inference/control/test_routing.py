"""How models are routed and stood in for: what is refused, published and read."""

from collections.abc import Callable
from typing import Any

import pytest

from inference.control import services
from inference.control.compilation import Kind
from inference.control.models import (
    FALLBACKS_MAX,
    ModelFallback,
    Policy,
    Publication,
    Replica,
    ServedModel,
)
from inference.routing import serving
from inference.routing.limit_rows import WEIGHT
from inference.routing.snapshot import SLOTS, Snapshot
from kit.errors import InvalidRequest
from kit.orm.atomic import atomic
from tenants import services as tenants
from tenants.models import PLAN_WEIGHT, AuditEntry, Priority
from tests.factories.control import make_model, make_replica
from tests.factories.limits import make_plan
from tests.factories.tenants import make_key, make_tenant

pytestmark = pytest.mark.usefixtures("operator_db")


def told() -> Snapshot:
    """Return the snapshot of a gateway that has read every entry."""
    snapshot = Snapshot()
    for row in Publication.objects.all():
        snapshot.apply(row.kind, row.key, row.body)
    return snapshot


def body(kind: Kind, key: object) -> dict[str, Any]:
    """Return what is published of an entry."""
    found = Publication.objects.get(kind=kind, key=str(key)).body
    assert isinstance(found, dict)
    return found


def test_what_is_as_usual_is_not_published() -> None:
    """Both sides take the same for usual, and know the same policies and classes."""
    model, plan, key = make_model(), make_plan(), make_key().row
    replica = make_replica(model=model)
    names = {"policy", "canary_permille", "queue_max", "queue_ms", "wake_ms"}
    assert not (names | {"fallbacks"}) & body(Kind.MODEL, model.name).keys()
    assert not {"slots", "weight", "canary"} & body(Kind.REPLICA, replica.pk).keys()
    assert not {"weight", "priority_max"} & body(Kind.PLAN, plan.pk).keys()
    assert "priority" not in body(Kind.API_KEY, key.digest)
    usual = serving.DEFAULT_SERVING
    for name in names:
        assert getattr(model, name) == getattr(usual, name), name
    entry = told().replicas[replica.pk]
    assert (entry.slots, entry.weight, entry.is_canary) == (SLOTS, 100, False)
    assert (replica.slots, replica.weight, replica.canary) == (SLOTS, 100, False)
    assert PLAN_WEIGHT == WEIGHT
    assert set(Policy.values) == {each.value for each in serving.Policy}
    ranks = {each: serving.Priority.of_published(each) for each in Priority.values}
    assert ranks == {each.value: each.rank for each in Priority}


def test_gateways_read_what_was_set() -> None:
    model = make_model(
        name="demo",
        policy=Policy.LEAST_LOADED,
        canary_permille=25,
        queue_max=0,
        queue_ms=5000,
        wake_ms=60_000,
        fallbacks=[make_model(name="second"), make_model(name="third")],
    )
    replica = make_replica(model=model)
    services.update_replica(replica=replica, slots=8, weight=7, canary=True)
    snapshot = told()
    assert snapshot.models["demo"].serving == serving.Serving(
        policy=serving.Policy.LEAST_LOADED,
        canary_permille=25,
        fallbacks=("second", "third"),
        queue_max=0,
        queue_ms=5000,
        wake_ms=60_000,
    )
    (entry,) = snapshot.replicas_by_model["demo"]
    assert (entry.slots, entry.weight, entry.is_canary) == (8, 7, True)


def test_gateways_take_the_lower_of_the_key_s_and_the_plan_s_priority() -> None:
    plan, tenant = make_plan(is_default=True), make_tenant()
    tenants.update_plan(plan=plan, weight=300, priority_max="priority")
    key = make_key(tenant=tenant).row
    tenants.update_key(api_key=key, priority="priority")
    limits = told().limits
    assert told().keys[key.digest].priority is serving.Priority.PRIORITY
    assert limits.weight_of(None) == limits.weight_of(plan.pk) == 300
    assert limits.priority_of(None) is serving.Priority.PRIORITY
    assert limits.priority_of(plan.pk) is serving.Priority.PRIORITY
    tenants.clear_default_plan(plan=plan)
    assert told().limits.priority_of(None) is serving.Priority.DEFAULT
    tenants.update_plan(plan=plan, priority_max="flex")
    assert told().limits.priority_of(plan.pk) is serving.Priority.FLEX


class TestFallbacks:
    """Who stands in for whom."""

    def test_they_are_put_in_order_and_taken_away(self) -> None:
        first, second = make_model(name="first"), make_model(name="second")
        model = make_model(name="demo", fallbacks=[first, second])
        for chain in ([second, first], [first], [second], []):
            services.update_model(model=model, fallbacks=chain)
            names = [each.name for each in chain]
            assert told().models["demo"].serving.fallbacks == tuple(names)
        entry = AuditEntry.objects.filter(object_kind="model").latest("pk")
        assert entry.action == "set_fallbacks"
        assert (entry.before, entry.after) == (
            {"fallbacks": ["second"]},
            {"fallbacks": []},
        )

    def test_what_says_nothing_new_writes_nothing(self) -> None:
        other = make_model()
        model = make_model(fallbacks=[other])
        before = AuditEntry.objects.count(), ModelFallback.objects.get().pk
        services.update_model(model=model, fallbacks=[other])
        assert before == (AuditEntry.objects.count(), ModelFallback.objects.get().pk)

    def test_only_enabled_ones_are_published(self) -> None:
        first, second = make_model(name="first"), make_model(name="second")
        make_model(name="demo", fallbacks=[first, second])

        def chain() -> tuple[str, ...]:
            return told().models["demo"].serving.fallbacks

        services.disable_model(model=first)
        assert chain() == ("second",)
        services.enable_model(model=first)
        assert chain() == ("first", "second")
        with atomic():
            second.name = "renamed"
            second.save()
        assert chain() == ("first", "renamed")
        with atomic():
            ModelFallback.objects.get(fallback=first).delete()
        assert chain() == ("renamed",)

    @pytest.mark.parametrize(
        "chain",
        [
            lambda model: [model],
            lambda model: [model.base],
            lambda model: [make_model(base=model.base)],
            lambda model: [make_model(tasks=["embedding"])],
            lambda model: [make_model(name="twice")] * 2,
            lambda model: [make_model() for _ in range(FALLBACKS_MAX + 1)],
        ],
    )
    def test_who_could_never_answer_is_refused(
        self, chain: Callable[[ServedModel], list[ServedModel]]
    ) -> None:
        kept = make_model()
        model = make_model(base=make_model(), fallbacks=[kept])
        with pytest.raises(InvalidRequest) as refused:
            services.update_model(model=model, fallbacks=chain(model))
        assert refused.value.param == "fallbacks"
        assert model.fallbacks == [kept]

    def test_what_else_changes_may_not_be_at_odds_with_them(self) -> None:
        other = make_model()
        model = make_model(fallbacks=[other])
        wrong: tuple[services.ModelChanges, ...] = (
            {"base": other},
            {"tasks": ["embedding"]},
        )
        for changes in wrong:
            with pytest.raises(InvalidRequest) as refused:
                services.update_model(model=model, **changes)
            assert refused.value.param == "fallbacks"
        services.update_model(model=model, base=other, fallbacks=[])

    def test_a_chain_of_a_chain_is_two_chains(self) -> None:
        last = make_model(name="last")
        middle = make_model(name="middle", fallbacks=[last])
        first = make_model(name="first", fallbacks=[middle])
        services.update_model(model=last, fallbacks=[first])
        found = {name: each.serving.fallbacks for name, each in told().models.items()}
        assert found == {"first": ("middle",), "middle": ("last",), "last": ("first",)}


def test_values_out_of_form_name_their_field() -> None:
    wrong: tuple[dict[str, Any], ...] = (
        {"policy": "random"},
        {"canary_permille": 1001},
        {"queue_max": 100_001},
        {"queue_ms": 0},
        {"wake_ms": 3_600_001},
    )
    for settings in wrong:
        with pytest.raises(InvalidRequest) as refused:
            make_model(**settings)
        assert refused.value.param in settings
    replica = make_replica()
    for settings in ({"slots": 0}, {"slots": 65_537}, {"weight": 0}, {"weight": 1001}):
        with pytest.raises(InvalidRequest) as refused:
            services.update_replica(replica=replica, **settings)  # type: ignore[arg-type]
        assert refused.value.param in settings
    assert Replica.objects.get().slots == SLOTS
