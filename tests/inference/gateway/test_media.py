"""Media that is elsewhere: fetched by rule, never by an engine, never from inside."""

import asyncio
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from inference.gateway import media
from inference.gateway.media import RemoteMedia
from inference.openai.media import Modality
from inference.openai.requests import GenerationRequest
from inference.routing.snapshot import ModelEntry
from kit.errors import InvalidRequest
from kit.networks import network_of
from tests.inference.engines.simulator.running import RunningSimulator
from tests.inference.gateway.running import RunningGateway
from tests.inference.openai.test_media import PNG, chat, encoded, image, picture
from tests.kit.test_public_addresses import REFUSED
from tests.standins.webhook_receiver import Certified, Receiver, certified, receiving

NAME = "images.example.com"
LOOPBACK = (network_of("127.0.0.0/8"),)
SEES = ModelEntry(
    "m", 100, None, 1, "", modalities=frozenset({Modality.TEXT, Modality.IMAGE})
)


class Names:
    """A resolver that answers each look-up with the next of its answers."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self._answers = list(answers)
        self.asked: list[tuple[str, int]] = []

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        """Answer, and remember what was asked."""
        self.asked.append((host, port))
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certified:
    """Make a certificate for the host."""
    folder: Path = tmp_path_factory.mktemp("certificates")
    return certified(folder, NAME)


@pytest.fixture
def host(certificate: Certified) -> Iterator[Receiver]:
    """Run a host of pictures."""
    with receiving(tls=certificate.server) as running:
        running.answer = PNG
        yield running


def remote(host: Receiver, certificate: Certified, **options: Any) -> RemoteMedia:
    """Return what fetches from the host, which its name leads to."""
    chosen: dict[str, Any] = {
        "hosts": [f"*.example.com:{host.port}"],
        "allowed": LOOPBACK,
        "resolve": Names(["127.0.0.1"]),
        "trust": certificate.client,
        **options,
    }
    return RemoteMedia(**chosen)


def inlined(fetcher: RemoteMedia, *parts: Any) -> GenerationRequest:
    """Return a chat of these parts as an engine is sent it."""

    async def fetch() -> GenerationRequest:
        request = chat(*parts)
        fetcher.check(request.media, SEES)
        return await fetcher.inlined(request)

    return asyncio.run(fetch())


def refusal(fetcher: RemoteMedia, url: str) -> str:
    """Return how the fetching of an address is refused."""
    with pytest.raises(InvalidRequest) as refused:
        inlined(fetcher, image(url))
    assert url not in refused.value.message
    assert refused.value.code == "unsupported_content"
    return refused.value.message


def test_what_is_fetched_goes_to_the_engine_as_data(
    host: Receiver, certificate: Certified
) -> None:
    url = host.url(NAME, "/a.png?key=1")
    text = {"type": "text", "text": "look"}
    request = inlined(
        remote(host, certificate),
        text,
        image(url, detail="low"),
        picture(),
        image(url),
    )
    data = f"data:image/png;base64,{encoded(PNG)}"
    assert request.payload["messages"][0]["content"] == [
        text,
        image(data, detail="low"),
        picture(),
        image(data),
    ]
    assert not request.media.urls
    assert request.media.modalities
    # Once for both, and with nothing of the client's.
    [received] = host.received
    assert received.path == "/a.png?key=1"
    assert received.headers["host"] == f"{NAME}:{host.port}"
    assert set(received.headers) == {
        "accept",
        "accept-encoding",
        "connection",
        "host",
        "user-agent",
    }


@pytest.mark.parametrize("inside", REFUSED)
def test_a_name_that_leads_inside_is_not_asked(inside: str) -> None:
    fetcher = RemoteMedia(["*"], resolve=Names([inside]))
    assert "not fetched from this host" in refusal(fetcher, "https://a.example/x")
    public = RemoteMedia(["*"], resolve=Names(["8.8.8.8", inside]))
    assert "not fetched from this host" in refusal(public, "https://a.example/x")


@pytest.mark.parametrize(
    "literal",
    ["127.0.0.1", "169.254.169.254", "[::1]", "[::ffff:10.0.0.1]", "2130706433"],
)
def test_an_address_for_a_name_is_judged_as_one(literal: str) -> None:
    # The system's own resolver: it reads them without asking anybody.
    refusal(RemoteMedia(["*"]), f"https://{literal}/x")


def test_what_was_checked_is_what_is_asked(
    host: Receiver, certificate: Certified
) -> None:
    names = Names(["127.0.0.1"], ["10.0.0.1"])
    inlined(remote(host, certificate, resolve=names), image(host.url(NAME)))
    assert names.asked == [(NAME, host.port)]


@pytest.mark.parametrize(
    ("hosts", "url"),
    [
        ([], f"https://{NAME}/a"),
        (["images.example.org"], f"https://{NAME}/a"),
        (["*.example.com"], "https://example.com/a"),
        (["*.example.com"], "https://example.com.evil.net/a"),
        (["*.example.com"], f"https://{NAME}:8443/a"),
        (["*.example.com"], f"https://user:pw@{NAME}/a"),
        (["*.example.com"], f"https://evil.net/#.{NAME}"),
        (["*.example.com"], f"https://evil.net\\.{NAME}/a"),
        (["*"], "https:///a"),
        (["*"], f"https://{NAME}:8443/a"),
    ],
)
def test_only_hosts_that_are_named_are_asked(hosts: list[str], url: str) -> None:
    names = Names(["8.8.8.8"])
    refusal(RemoteMedia(hosts, resolve=names), url)
    assert not names.asked


def test_a_redirect_is_not_followed(host: Receiver, certificate: Certified) -> None:
    host.status, host.headers = 302, {"location": "https://169.254.169.254/latest"}
    assert "did not give it" in refusal(remote(host, certificate), host.url(NAME))
    assert len(host.received) == 1


def test_what_is_no_picture_is_not_passed_on(
    host: Receiver, certificate: Certified
) -> None:
    host.answer = b'{"AccessKeyId": "AKIA"}'
    host.headers = {"content-type": "image/png"}
    assert "no image" in refusal(remote(host, certificate), host.url(NAME))


def test_what_is_too_large_is_not_read_to_its_end(
    host: Receiver, certificate: Certified, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(media, "PART_BYTES_MAX", 1000)
    host.answer = PNG + bytes(2000)
    assert "larger than 1,000" in refusal(remote(host, certificate), host.url(NAME))
    monkeypatch.setattr(media, "PART_BYTES_MAX", 3000)
    monkeypatch.setattr(media, "TOTAL_BYTES_MAX", 3000)
    with pytest.raises(InvalidRequest, match="larger than 968"):
        inlined(
            remote(host, certificate),
            image(host.url(NAME, "/a")),
            image(host.url(NAME, "/b")),
        )


def test_a_host_that_dawdles_is_given_up(
    host: Receiver, certificate: Certified, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(media, "FETCH_S_MAX", 0.2)
    host.hold()
    assert "in time" in refusal(remote(host, certificate), host.url(NAME))


def test_a_host_without_its_certificate_is_not_believed(host: Receiver) -> None:
    fetcher = RemoteMedia(
        [f"*.example.com:{host.port}"], allowed=LOOPBACK, resolve=Names(["127.0.0.1"])
    )
    assert "could not be read" in refusal(fetcher, host.url(NAME))
    assert not host.received


def test_nobody_listens(certificate: Certified) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    fetcher = RemoteMedia(["*:*"], allowed=LOOPBACK, resolve=Names(["127.0.0.1"]))
    assert "could not be read" in refusal(fetcher, f"https://{NAME}:{port}/a")
    unknown = RemoteMedia(["*"], resolve=Names([]))
    assert "not known" in refusal(unknown, f"https://{NAME}/a")


# Through the gateway ----------------------------------------------------------------


def ask(gateway: RunningGateway, model: str, part: Any) -> Any:
    """Send a chat with one part beside its text."""
    content = [{"type": "text", "text": "look"}, part]
    body = {
        "model": model,
        "messages": [{"role": "user", "content": content}],
        "max_tokens": 2,
    }
    return gateway.client.post("/v1/chat/completions", json=body)


def test_only_a_model_that_sees_is_shown_pictures(
    gateway: RunningGateway, simulator: RunningSimulator
) -> None:
    blind = gateway.serve(simulator.base_url, upstream_model="sim")
    refused = ask(gateway, blind, picture())
    assert refused.status_code == 400
    assert "takes no image" in refused.json()["error"]["message"]
    sees = gateway.serve(
        simulator.base_url, upstream_model="sim", modalities=["image", "text"]
    )
    assert ask(gateway, sees, picture()).status_code == 200
    [outcome] = gateway.meter.outcomes
    assert outcome.counts.input_tokens == simulator.stats()["prompt_tokens"]


def test_an_engine_is_told_of_no_address(
    gateway: RunningGateway, simulator: RunningSimulator
) -> None:
    sees = gateway.serve(
        simulator.base_url, upstream_model="sim", modalities=["image", "text"]
    )
    refused = ask(gateway, sees, image(f"https://{NAME}/a.png"))
    assert refused.status_code == 400
    assert "as data only" in refused.json()["error"]["message"]
    assert simulator.stats()["requests"] == 0
    assert not gateway.meter.admissions


def test_what_cannot_be_fetched_leaves_nothing_open(
    gateway: RunningGateway,
    simulator: RunningSimulator,
    host: Receiver,
    certificate: Certified,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sees = gateway.serve(
        simulator.base_url, upstream_model="sim", modalities=["image", "text"]
    )
    shared = media.NOTHING_REMOTE
    given = remote(host, certificate)
    for name in ("_hosts", "_allowed", "_resolve", "_given_trust"):
        monkeypatch.setattr(shared, name, getattr(given, name))
    shared.__dict__.pop("_trust", None)
    assert ask(gateway, sees, image(host.url(NAME))).status_code == 200
    assert simulator.stats()["requests"] == 1
    host.status = 404
    assert ask(gateway, sees, image(host.url(NAME))).status_code == 400
    shared.__dict__.pop("_trust", None)
    assert simulator.stats()["requests"] == 1
    assert len(gateway.meter.settled) == 1
    assert len(gateway.meter.voided) == 1
