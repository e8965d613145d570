"""compose.yaml: the processes of `make up`, locked in, none with a secret too many."""

import re
from pathlib import Path
from typing import Any

import pytest

from config.env import load
from config.local import programs
from config.local.settings import UpSettings
from config.local.state import State
from config.management.commands.settings import variables
from tests.deploy import compose
from tests.deploy.compose import MissingError, Service

VALUES = compose.filled_in()
SERVICES = compose.services(VALUES)
OURS = [service for service in SERVICES.values() if service.is_ours]
# Of the image and of Docker, not of ours.
ELSEWHERE = {"POSTGRES_PASSWORD", "DATABASE_OWNER_PASSWORD", "REDISCLI_AUTH"}
WITH_DJANGO = {"web", "worker", "beat", "migrate", "roles"}
ONE_TIME = {"migrate", "roles"}

# Who may know what; whatever is broken into gives away no more than this.
KNOWN_TO = {
    "POSTGRES_PASSWORD": {"postgres"},
    "DATABASE_OWNER_PASSWORD": {"postgres", *ONE_TIME},
    "DATABASE_APP_PASSWORD": {"web", "worker", *ONE_TIME},
    "DATABASE_OPERATOR_PASSWORD": {"web", "worker", *ONE_TIME},
    "DATABASE_GATEWAY_PASSWORD": {"gateway", *ONE_TIME},
    "BROKER_PASSWORD": {"valkey", *WITH_DJANGO},
    "LIMITS_PASSWORD": {"limits", "gateway"},
    "KEY_PEPPER": {"gateway", *WITH_DJANGO},
    "SECRET_KEY": WITH_DJANGO,
    "OPERATOR_TOKEN": WITH_DJANGO,
    "STRIPE_API_KEY": {"web", "worker"},
    "STRIPE_WEBHOOK_SECRETS": {"web", "worker"},
    "STRIPE_ACCOUNTS": {"web", "worker"},
    "EMAIL_PASSWORD": {"web", "worker"},
}


def test_the_example_names_what_is_asked_for() -> None:
    required, optional = compose.asked()
    assert compose.example() == (required, optional)


@pytest.mark.parametrize("name", sorted(VALUES))
def test_what_is_left_empty_stops_the_start(name: str) -> None:
    with pytest.raises(MissingError, match=name):
        compose.services({**VALUES, name: ""})


@pytest.mark.parametrize("secret", sorted(KNOWN_TO))
def test_a_secret_is_known_to_those_who_need_it(secret: str) -> None:
    value = "5ecre7" * 8
    told = compose.services({**VALUES, secret: value})
    knowing = {
        name for name, service in told.items() if value in str(dict(service.options))
    }
    assert knowing == KNOWN_TO[secret]


def test_no_value_is_a_secret_that_the_table_forgets() -> None:
    required, _ = compose.example()
    assert required - {"PUBLIC_HOST"} <= set(KNOWN_TO)


@pytest.mark.parametrize("service", SERVICES.values(), ids=lambda one: one.name)
def test_every_variable_is_a_known_setting(service: Service) -> None:
    known = {variable.name for variable in variables()}
    assert set(service.environment) <= (known if service.is_ours else ELSEWHERE)


@pytest.mark.parametrize("service", SERVICES.values(), ids=lambda one: one.name)
def test_every_service_is_locked_in(service: Service) -> None:
    options: dict[str, Any] = dict(service.options)
    assert options["read_only"] is True
    assert options["cap_drop"] == ["ALL"]
    assert "cap_add" not in options
    assert options["security_opt"] == ["no-new-privileges:true"]
    assert options.get("privileged", False) is False
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", options["user"])
    assert {"cpus", "memory", "pids"} <= set(options["deploy"]["resources"]["limits"])


@pytest.mark.parametrize("service", SERVICES.values(), ids=lambda one: one.name)
def test_every_service_comes_back_and_can_be_asked_how_it_is(service: Service) -> None:
    test = service.options["healthcheck"].get("test", [])
    if service.runs_once:
        assert service.options["healthcheck"] == {"disable": True}
        return
    assert service.options["restart"] == "unless-stopped"
    assert test[0] in {"CMD", "CMD-SHELL"}
    if service.is_ours:
        # There is nothing to ask with but Python.
        assert test[:2] == ["CMD", "python"]


@pytest.mark.parametrize("service", SERVICES.values(), ids=lambda one: one.name)
def test_what_a_service_waits_for_can_come(service: Service) -> None:
    for name, wish in service.options.get("depends_on", {}).items():
        ends = "service_completed_successfully"
        assert wish["condition"] == (
            ends if SERVICES[name].runs_once else "service_healthy"
        )


def test_only_the_proxy_is_published() -> None:
    published = [name for name, one in SERVICES.items() if "ports" in one.options]
    assert published == ["proxy"]
    assert SERVICES["proxy"].networks == {"front"}


def test_networks_lead_only_where_they_must() -> None:
    networks = compose.document(VALUES)["networks"]
    on = {
        network: {name for name, one in SERVICES.items() if network in one.networks}
        for network in networks
    }
    assert on == {
        "front": {"proxy", "gateway"},
        "pages": {"gateway", "web"},
        "data": {"gateway", "web", "worker", "postgres", *ONE_TIME},
        "broker": {"web", "worker", "beat", "valkey"},
        "limits": {"gateway", "limits"},
        "engines": {"gateway", "worker", "engine"},
        "outside": {"worker"},
        "mail": {"web"},
    }
    leading_out = {name for name, one in networks.items() if not one.get("internal")}
    assert leading_out == {"front", "outside", "mail"}


def test_the_gateway_believes_the_proxy_alone() -> None:
    front = compose.document(VALUES)["networks"]["front"]["ipam"]["config"][0]
    address = SERVICES["proxy"].options["networks"]["front"]["ipv4_address"]
    assert SERVICES["gateway"].environment["TRUSTED_PROXIES"] == address
    # Docker gives nobody else that address.
    assert front["ip_range"] == "172.31.254.128/25"
    assert address == "172.31.254.2"


def test_whoever_answers_pages_can_be_reached_by_gateways_alone() -> None:
    """It believes whoever speaks to it, so nobody else may."""
    assert "--forwarded-allow-ips=*" in SERVICES["web"].command
    for name in SERVICES.keys() - {"web", "gateway"}:
        shared = SERVICES["web"].networks & SERVICES[name].networks
        assert "pages" not in shared


def test_every_process_of_make_up_has_its_service(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Nobody deploys a stand-in.
    monkeypatch.setenv("BILLING_PROVIDER", "offline")
    nothing_given = {"database_url": "", "redis_url": "", "engine_url": ""}
    settings = load(UpSettings).model_copy(update=nothing_given)
    plan = programs.plan(settings, State(tmp_path))
    started = [*programs.parts(plan), *programs.services(plan)]
    assert len(started) == 7
    for program in started:
        service = SERVICES[program.name.partition("-")[0]]
        if "-m" in program.command:
            assert what_runs(service.command) == what_runs(program.command)
        else:
            assert not service.is_ours


def what_runs(command: list[str] | tuple[str, ...]) -> list[str]:
    """Return the module of a command, and what of Celery or uvicorn it is to run."""
    module = command[list(command).index("-m") + 1]
    named = {"config.asgi:application", "worker", "beat"}
    return [module, *(word for word in command if word in named)]
