"""Peers: only what is installed is measured, as it is locked, and asked as it wants."""

from pathlib import Path

import pytest

from tests.bench.lineup import here
from tests.bench.peers.environments import PEERS, folder_of, programs
from tests.bench.peers.recipes import LEFT_OUT, Ports, Recipe, recipe
from tests.bench.scenarios import SCENARIOS
from tests.bench.targets import DIRECT, TOLLGATE
from tests.engines.building import MARKER

ENGINE = "http://127.0.0.1:9"


def made(name: str) -> Recipe:
    """Return a peer's recipe."""
    return recipe(
        name,
        programs=Path("/programs"),
        folder=Path("/folder"),
        engine=ENGINE,
        ports=Ports(requests=4001, metrics=4002),
        model="sim",
    )


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Provide a cache in which nothing is installed."""
    monkeypatch.setenv("TOLLGATE_CACHE", str(tmp_path))


@pytest.mark.usefixtures("empty_cache")
def test_without_peers_the_bench_has_the_engine_and_ours() -> None:
    assert [name for name in here() if name != "nginx"] == [DIRECT, TOLLGATE]


@pytest.mark.usefixtures("empty_cache")
def test_a_half_made_peer_is_not_there() -> None:
    (name, *_) = PEERS
    assert programs(name) is None
    whole = folder_of(name)
    (whole / "bin").mkdir(parents=True)
    assert programs(name) is None
    (whole / MARKER).touch()
    assert programs(name) == whole / "bin"
    assert name in here()


@pytest.mark.parametrize("name", PEERS)
def test_each_is_locked_with_hashes_and_without_addresses(name: str) -> None:
    text = (Path(__file__).parent / "peers" / f"{name}.txt").read_text()
    assert f"\n{name}" in f"\n{text}"
    assert "--hash=sha256:" in text
    assert "://" not in text


@pytest.mark.parametrize("name", PEERS)
def test_each_is_put_in_front_of_the_engine(name: str) -> None:
    how = made(name)
    told = " ".join([*how.command, *how.files.values()])
    assert ENGINE in told
    assert ("4001" in told) != how.says_where
    assert how.path.endswith("/v1/chat/completions")


def test_what_a_peer_is_spared_is_a_load() -> None:
    assert set(LEFT_OUT) <= set(PEERS)
    assert set().union(*LEFT_OUT.values()) <= set(SCENARIOS)
