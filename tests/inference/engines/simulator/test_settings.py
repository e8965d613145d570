"""Settings: refused as a whole when one is wrong, changed while the process runs."""

import argparse
from typing import Any

import pytest

from inference.engines.simulator import Behaviour
from inference.engines.simulator.cli import add_arguments, main, settings_from
from inference.engines.simulator.settings import SettingsError
from tests.inference.engines.simulator.running import RunningSimulator


@pytest.mark.parametrize(
    "wrong",
    [
        {"model": ""},
        {"model": 3},
        {"first_token_ms": -1},
        {"inter_token_ms": float("inf")},
        {"inter_token_ms": float("nan")},
        {"inter_token_ms": "1"},
        {"answer_tokens": 0},
        {"answer_tokens": True},
        {"context_tokens": 1},
        {"context_tokens": 10.0},
        {"force_include_usage": 1},
        {"port": 3},
        {"fault": "explode"},
        {"prefill_us_per_token": -1},
        {"sequences_max": -1},
        {"waiting_max": 1.5},
        {"prefix_cache_blocks": True},
        {"fault": None},
        {"fault_after_tokens": -1},
        {"fault_times": 1.0},
    ],
)
def test_a_wrong_setting_is_refused_by_name(wrong: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match=next(iter(wrong))):
        Behaviour().changed({"answer_tokens": 9} | wrong)


def test_the_command_line_reaches_every_setting() -> None:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    options = parser.parse_args(
        "--host ::1 --port 8 --api-key k --model m --first-token-ms 1.5 "
        "--inter-token-ms 2 --answer-tokens 3 --answer-tokens-max 11 "
        "--context-tokens 4 "
        "--force-include-usage --finish-with-text "
        "--prefill-us-per-token 7.5 --sequences-max 8 --waiting-max 9 "
        "--prefix-cache-blocks 10 "
        "--fault die --fault-after-tokens 5 --fault-times 6".split()
    )
    settings = settings_from(options)
    assert (settings.host, settings.port, settings.api_key) == ("::1", 8, "k")
    assert settings.behaviour == Behaviour(
        "m", 1.5, 2.0, 3, 11, 4, True, True, 7.5, 8, 9, 10, "die", 5, 6
    )


def test_a_wrong_command_line_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--answer-tokens", "0"]) == 2
    assert capsys.readouterr().err == (
        "simulator: answer_tokens must be a whole number, 1 or more\n"
    )


def test_settings_are_read_and_changed_while_running(
    simulator: RunningSimulator,
) -> None:
    simulator.change(answer_tokens=2, model="other")
    shown = simulator.client.get("/simulator/settings").json()
    assert shown["answer_tokens"] == 2
    assert shown["first_token_ms"] == 0
    assert simulator.client.get("/v1/models").json()["data"][0]["id"] == "other"
    assert simulator.chat().json()["usage"]["completion_tokens"] == 2
    assert simulator.chat(model="sim").status_code == 404


def test_wrong_settings_change_nothing(simulator: RunningSimulator) -> None:
    before = simulator.client.get("/simulator/settings").json()
    for wrong in ({"answer_tokens": 5, "inter_token_ms": -1}, {"nope": 1}, [1]):
        answer = simulator.client.post("/simulator/settings", json=wrong)
        assert answer.status_code == 400
        assert answer.json()["error"]["code"] == 400
    assert simulator.client.get("/simulator/settings").json() == before
