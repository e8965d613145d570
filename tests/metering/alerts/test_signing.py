"""Signatures are those of Standard Webhooks, and the guide's own code accepts them."""

import re
import time
from collections.abc import Callable
from uuid import uuid4

import pytest

from kit.sealing import SealBrokenError
from metering.alerts import signing
from tests.databases import ROOT

GUIDE = ROOT / "platform/docs/guides/webhooks.md"
Verify = Callable[[str, dict[str, str], bytes], bool]


@pytest.fixture
def verify() -> Verify:
    """Provide what the guide tells receivers to write."""
    [code] = re.findall(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    written: dict[str, Verify] = {}
    exec(code, written)  # noqa: S102
    return written["verified"]


def test_the_schemes_published_example_is_signed_the_same() -> None:
    headers = signing.headers(
        b'{"test": 2432232314}',
        event_id="msg_p5jXN8AQM9LWM0D4loKWxJek",
        at_s=1614265330,
        secrets_in_force=["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
    )
    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_the_guides_code_takes_what_is_ours_and_nothing_else(verify: Verify) -> None:
    former, present, foreign = (signing.new_secret() for _ in range(3))
    body, now_s = b'{"id":"evt_1"}', int(time.time())

    def signed(at_s: int) -> dict[str, str]:
        return signing.headers(
            body, event_id="evt_1", at_s=at_s, secrets_in_force=[present, former]
        )

    headers = signed(now_s)
    assert verify(present, headers, body)
    assert verify(former, headers, body)
    assert not verify(foreign, headers, body)
    assert not verify(present, headers, body + b" ")
    assert not verify(present, {**headers, "webhook-id": "evt_2"}, body)
    assert not verify(present, signed(now_s - 301), body)


def test_a_sealed_secret_is_its_endpoints_alone() -> None:
    secret, uid = signing.new_secret(), uuid4()
    sealed = signing.sealed(secret, uid=uid)
    assert secret.encode() not in sealed
    assert signing.opened(sealed, uid=uid) == secret
    with pytest.raises(SealBrokenError):
        signing.opened(sealed, uid=uuid4())
