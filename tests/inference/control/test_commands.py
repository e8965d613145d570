"""`simulate_engine` serves the simulator with the simulator's own options."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

ROOT = Path(__file__).resolve().parents[3]


def test_it_serves_until_it_is_told_to_stop() -> None:
    command = [sys.executable, str(ROOT / "manage.py"), "simulate_engine"]
    process = subprocess.Popen(
        [*command, "--port", "0", "--model", "demo"],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ,
        cwd=ROOT,
    )
    try:
        assert process.stdout is not None
        announced = re.search(r"http://\S+", process.stdout.readline())
        assert announced is not None
        listed = httpx.get(announced[0] + "/v1/models", timeout=10).json()
        assert [model["id"] for model in listed["data"]] == ["demo"]
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=10) == 0
    finally:
        process.kill()
        process.communicate()


def test_a_value_out_of_range_is_one_line() -> None:
    with pytest.raises(CommandError, match="answer_tokens"):
        call_command("simulate_engine", "--answer-tokens", "0")
