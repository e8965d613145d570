"""Aliases and adapters: what is refused, what is published, what the audit keeps."""

import threading

import psycopg
import pytest

from inference.control import services
from inference.control.calibration import services as calibration
from inference.control.compilation import Kind
from inference.control.models import Calibration, ModelAlias, Publication, ServedModel
from kit.errors import Conflict, InvalidRequest
from kit.orm.atomic import atomic
from kit.orm.saving import create
from tenants.models import AuditEntry
from tests.databases import Database
from tests.factories.control import make_alias, make_model

FACTORS = {"base": 1}


def body(kind: Kind, key: str) -> object:
    """Return what is published of an entry."""
    return Publication.objects.get(kind=kind, key=key).body


@pytest.mark.usefixtures("operator_db")
class TestAliases:
    """Other names."""

    def test_a_name_is_one_thing_s(self) -> None:
        make_alias(name="taken", model=make_model(name="served"))
        for again in (
            lambda: make_alias(name="taken"),
            lambda: make_alias(name="served"),
            lambda: make_model(name="taken"),
        ):
            with pytest.raises(Conflict) as refused:
                again()
            assert refused.value.param == "name"
        with pytest.raises(InvalidRequest):
            make_alias(name="no spaces")

    def test_it_is_published_repointed_disabled_and_enabled(self) -> None:
        first, second = make_model(name="first"), make_model(name="second")
        alias = make_alias(name="nick", model=first)
        assert body(Kind.ALIAS, "nick") == {"model": "first"}
        services.repoint_alias(alias=alias, model=second)
        assert body(Kind.ALIAS, "nick") == {"model": "second"}
        services.disable_alias(alias=alias)
        assert body(Kind.ALIAS, "nick") is None
        services.enable_alias(alias=alias)
        assert body(Kind.ALIAS, "nick") == {"model": "second"}

    def test_the_audit_says_where_it_led(self) -> None:
        first, second = make_model(), make_model()
        alias = make_alias(model=first)
        services.repoint_alias(alias=alias, model=second)
        entry = AuditEntry.objects.filter(object_kind="model_alias").latest("pk")
        assert entry.action == "repoint"
        assert (entry.before, entry.after) == (
            {"model_id": first.pk},
            {"model_id": second.pk},
        )


def test_two_at_once_cannot_take_one_name(fresh_database: Database) -> None:
    """What each writer sees, the other has not committed: the trigger has the word."""
    model = make_model(name="there")
    url = fresh_database.url_for("operator")
    alias = (
        "INSERT INTO control_modelalias (name, enabled, model_id) VALUES (%s, true, %s)"
    )
    refused: list[type[Exception]] = []

    def insert() -> None:
        with psycopg.connect(url) as other:
            try:
                other.execute(alias, ["same", model.pk])
            except psycopg.errors.UniqueViolation as error:
                refused.append(type(error))

    thread = threading.Thread(target=insert)
    with psycopg.connect(url) as first:
        first.execute(
            "INSERT INTO control_servedmodel (name, description, context_tokens,"
            " enabled) VALUES ('same', '', 1, true)"
        )
        thread.start()
        thread.join(0.3)
        assert thread.is_alive()
    thread.join(20)
    assert refused == [psycopg.errors.UniqueViolation]


@pytest.mark.usefixtures("operator_db")
class TestAdapters:
    """Models that another one's replicas serve."""

    def test_it_is_published_with_its_base(self) -> None:
        base = make_model(name="base")
        make_model(name="tuned", base=base)
        make_model(name="named", base=base, adapter="lora-7")
        for name, adapter in (("tuned", "tuned"), ("named", "lora-7")):
            told = body(Kind.MODEL, name)
            assert isinstance(told, dict)
            assert (told["base"], told["adapter"]) == ("base", adapter)
        assert "base" not in body(Kind.MODEL, "base")  # type: ignore[operator]

    def test_its_prompts_are_bounded_as_its_base_s_are(self) -> None:
        base = make_model(name="base")
        tuned = make_model(name="tuned", base=base)
        with atomic():
            create(
                Calibration(model=base, state=Calibration.State.STALE, factors=FACTORS)
            )
        assert body(Kind.MODEL, "tuned")["prompt_bound"] == FACTORS  # type: ignore[index]
        services.update_model(model=tuned, base=None)
        assert "prompt_bound" not in body(Kind.MODEL, "tuned")  # type: ignore[operator]
        assert not calibration.is_due(tuned, now=base.created_at)

    def test_one_step_leads_to_the_replicas(self) -> None:
        base, other = make_model(name="base"), make_model(name="other")
        tuned = make_model(name="tuned", base=base)
        with pytest.raises(InvalidRequest):
            make_model(base=tuned)
        wrong: list[tuple[ServedModel, services.ModelChanges]] = [
            (base, {"base": other}),
            (other, {"base": tuned}),
            (other, {"base": other}),
            (other, {"adapter": "lora"}),
        ]
        for model, changes in wrong:
            with pytest.raises(InvalidRequest) as refused:
                services.update_model(model=model, **changes)
            assert refused.value.param in changes


@pytest.mark.usefixtures("operator_db")
class TestSettings:
    """What a model makes of requests."""

    def test_only_what_says_something_is_published(self) -> None:
        make_model(name="plain")
        told = body(Kind.MODEL, "plain")
        assert isinstance(told, dict)
        settings = {"defaults", "choices_max", "allows_tools", "cache_s"}
        assert not settings & told.keys()
        said = {
            "defaults": {"temperature": 0.5},
            "choices_max": 2,
            "allows_tools": False,
            "cache_s": 60,
        }
        services.update_model(model=ServedModel.objects.get(), **said)  # type: ignore[arg-type]
        told = body(Kind.MODEL, "plain")
        assert isinstance(told, dict)
        assert told.items() >= said.items()

    @pytest.mark.parametrize(
        ("wrong", "param"),
        [
            ({"defaults": {"temperature": "hot"}}, "defaults"),
            ({"defaults": []}, "defaults"),
            ({"choices_max": 0}, "choices_max"),
            ({"choices_max": 17}, "choices_max"),
            ({"cache_s": 7 * 86_400 + 1}, "cache_s"),
            ({"name": "n" * 123, "cache_s": 1}, "cache_s"),
        ],
    )
    def test_what_is_out_of_form_names_its_field(
        self, wrong: dict[str, object], param: str
    ) -> None:
        with pytest.raises(InvalidRequest) as refused:
            make_model(**wrong)  # type: ignore[arg-type]
        assert refused.value.param == param
        assert not ModelAlias.objects.exists()
