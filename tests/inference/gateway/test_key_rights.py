"""A key does what its scopes say, with its models, from its networks, and no more."""

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from tests.inference.engines.simulator.running import RunningSimulator
from tests.inference.gateway.running import RunningGateway, running_gateway

CHAT: dict[str, Any] = {"messages": [{"role": "user", "content": "x"}], "max_tokens": 1}
PROXY = "127.0.0.1, 10.1.0.0/16, 2001:db8:1::/48"


@pytest.fixture(scope="module")
def proxied() -> Iterator[RunningGateway]:
    """Give a gateway whose only peer, this test, is a proxy that it trusts."""
    with running_gateway(trusted_proxies=PROXY) as running:
        yield running


def call(
    gateway: RunningGateway, key: str, path: str, body: Any = None, **headers: Any
) -> httpx.Response:
    """Call with this key: a body is posted."""
    return httpx.request(
        "GET" if body is None else "POST",
        f"{gateway.url}{path}",
        headers={"authorization": f"Bearer {key}", **headers},
        json=body,
        trust_env=False,
    )


def error(answer: httpx.Response) -> tuple[int, str, str]:
    """Return an answer's status, and its error's type and code."""
    told = answer.json()["error"]
    return answer.status_code, told["type"], told["code"]


Narrowed = Callable[..., str]


@pytest.fixture
def narrowed(gateway: RunningGateway) -> Narrowed:
    """Issue a key of one tenant that is narrowed so."""
    return lambda **rights: gateway.issue_key(tenant_id=81, **rights)


class TestScopes:
    """Each surface takes its scope."""

    @pytest.mark.parametrize(
        ("held", "path", "needed"),
        [
            (["models", "embed"], "/v1/chat/completions", "generate"),
            (["models", "embed"], "/v1/completions", "generate"),
            ([], "/v1/chat/completions", "generate"),
            (["generate", "embed"], "/v1/models", "models"),
            (["generate", "embed"], "/v1/models/any", "models"),
        ],
    )
    def test_without_it_the_answer_names_it(
        self,
        gateway: RunningGateway,
        narrowed: Narrowed,
        held: list[str],
        path: str,
        needed: str,
    ) -> None:
        # Not even whether the body makes sense is said.
        body: dict[str, Any] | None = None if needed == "models" else {}
        refused = call(gateway, narrowed(scopes=held), path, body)
        assert error(refused) == (403, "permission_error", "scope_missing")
        assert f"'{needed}'" in refused.json()["error"]["message"]
        assert not gateway.meter.admissions

    def test_one_scope_is_enough_for_its_surface(
        self, gateway: RunningGateway, model: str, narrowed: Narrowed
    ) -> None:
        body = {"model": model, **CHAT}
        generating = narrowed(scopes=["generate"])
        answer = call(gateway, generating, "/v1/chat/completions", body)
        assert answer.status_code == 200
        listing = narrowed(scopes=["models", "of a newer control side"])
        assert call(gateway, listing, "/v1/models").status_code == 200

    def test_an_entry_of_an_older_control_side_is_not_narrowed(
        self, gateway: RunningGateway, model: str, narrowed: Narrowed
    ) -> None:
        key = narrowed(without=("scopes", "models", "networks"))
        body = {"model": model, **CHAT}
        for path, sent in (("/v1/models", None), ("/v1/chat/completions", body)):
            assert call(gateway, key, path, sent).status_code == 200


class TestModels:
    """A model that a key is kept from is, for it, none."""

    def test_it_is_not_found_in_the_words_of_one_that_is_not_there(
        self,
        gateway: RunningGateway,
        simulator: RunningSimulator,
        model: str,
        narrowed: Narrowed,
    ) -> None:
        other = gateway.serve(simulator.base_url, upstream_model="sim")
        key = narrowed(models=[model, "not-served"])
        listed = call(gateway, key, "/v1/models").json()["data"]
        assert [each["id"] for each in listed] == [model]
        assert call(gateway, key, f"/v1/models/{model}").status_code == 200
        body = {"model": model, **CHAT}
        assert call(gateway, key, "/v1/chat/completions", body).status_code == 200
        for path in ("/v1/chat/completions", "/v1/completions"):
            answers = []
            for name in (other, "not-served", "no-such-model"):
                sent: dict[str, Any] = {"model": name, "prompt": "x"}
                if "chat" in path:
                    sent = {"model": name, **CHAT}
                refused = call(gateway, key, path, sent)
                assert error(refused) == (
                    404, "invalid_request_error", "model_not_found"
                )  # fmt: skip
                answers.append(refused.text.replace(name, "…"))
            assert len(set(answers)) == 1
        hidden = call(gateway, key, f"/v1/models/{other}")
        absent = call(gateway, key, "/v1/models/no-such-model")
        assert hidden.text.replace(other, "no-such-model") == absent.text
        assert hidden.status_code == absent.status_code == 404


class TestNetworks:
    """A key that is kept to networks works from there alone."""

    @pytest.mark.parametrize(
        "networks",
        [["127.0.0.0/8"], ["10.0.0.0/8", "127.0.0.1/32"], ["::ffff:127.0.0.1/128"]],
    )
    def test_from_within_it_works(
        self, gateway: RunningGateway, narrowed: Narrowed, networks: list[str]
    ) -> None:
        key = narrowed(networks=networks)
        assert call(gateway, key, "/v1/models").status_code == 200

    @pytest.mark.parametrize("path", ["/v1/models", "/v1/chat/completions"])
    def test_from_without_it_is_refused_whatever_the_headers_say(
        self, gateway: RunningGateway, narrowed: Narrowed, path: str
    ) -> None:
        key = narrowed(networks=["10.0.0.0/8", "2001:db8::/32"])
        forged = dict.fromkeys(
            ("x-forwarded-for", "x-real-ip", "cf-connecting-ip"), "10.0.0.1"
        )
        body: dict[str, Any] | None = None if path == "/v1/models" else {}
        for headers in ({}, forged, {"forwarded": "for=10.0.0.1"}):
            refused = call(gateway, key, path, body, **headers)
            assert error(refused) == (403, "permission_error", "ip_not_allowed")
            assert "127.0.0.1" in refused.json()["error"]["message"]

    def test_outside_nothing_is_said_of_tenant_and_scope(
        self, gateway: RunningGateway
    ) -> None:
        key = gateway.issue_key(
            tenant_id=82, active=False, networks=["10.0.0.0/8"], scopes=[]
        )
        assert error(call(gateway, key, "/v1/models"))[2] == "ip_not_allowed"

    @pytest.mark.parametrize(
        ("chain", "allowed"),
        [
            ("203.0.113.9", True),
            ("203.0.113.9:4711", True),
            ("::ffff:203.0.113.9", True),
            ("2001:db8:7::9", True),
            ("[2001:db8:7::9]:443", True),
            # Proxies of ours on the way are passed over.
            ("203.0.113.9, 10.1.2.3", True),
            ("203.0.113.9, 10.1.2.3, 2001:db8:1::5", True),
            # What the client made up stands left of where it came from.
            ("203.0.113.9, 198.51.100.1", False),
            ("203.0.113.9, 198.51.100.1, 10.1.2.3", False),
            ("198.51.100.1, 203.0.113.9", True),
            ("127.0.0.1, 198.51.100.1", False),
            # Where nobody can tell, nobody is let in.
            ("203.0.113.9, unknown", False),
            ("203.0.113.9,", False),
            ("", False),
            ("203.0.113.9 198.51.100.1", False),
        ],
    )
    def test_behind_a_proxy_the_last_hop_that_is_not_ours_counts(
        self, proxied: RunningGateway, chain: str, allowed: bool
    ) -> None:
        networks = ["203.0.113.0/24", "2001:db8:7::/48"]
        key = proxied.issue_key(tenant_id=83, networks=networks)
        answer = call(proxied, key, "/v1/models", **{"x-forwarded-for": chain})
        assert answer.status_code == (200 if allowed else 403)

    def test_a_chain_in_two_headers_is_one(self, proxied: RunningGateway) -> None:
        key = proxied.issue_key(tenant_id=83, networks=["203.0.113.9/32"])
        chains = (["203.0.113.9", "198.51.100.1"], ["198.51.100.1", "203.0.113.9"])
        answers = [
            httpx.get(
                f"{proxied.url}/v1/models",
                headers=[
                    ("authorization", f"Bearer {key}"),
                    *(("x-forwarded-for", hop) for hop in chain),
                ],
                trust_env=False,
            ).status_code
            for chain in chains
        ]
        assert answers == [403, 200]

    def test_without_a_header_the_proxy_itself_has_called(
        self, proxied: RunningGateway
    ) -> None:
        key = proxied.issue_key(tenant_id=83, networks=["127.0.0.1/32"])
        assert call(proxied, key, "/v1/models").status_code == 200


def test_an_entry_that_cannot_be_read_closes_the_door(gateway: RunningGateway) -> None:
    """The wider entry before it must not stay in force."""
    key = gateway.issue_key(tenant_id=84)
    assert call(gateway, key, "/v1/models").status_code == 200
    with pytest.raises(ValueError, match="network"):
        gateway.issue_key(tenant_id=84, key=key, networks=["no network"])
    assert call(gateway, key, "/v1/models").status_code == 401
