"""Two tenants, two hundred streams at once: nothing of one reaches the other."""

import asyncio
import random
from typing import Any

import httpx
import orjson

from inference.engines.simulator.tokens import delivered_tokens
from kit.contracts import EventStatus
from tests.inference.engines.simulator.running import running_simulator
from tests.inference.gateway.polling import wait_until
from tests.inference.gateway.running import RunningGateway

REQUESTS = 200


async def _one(
    client: httpx.AsyncClient, *, key: str, model: str, tokens: int, way: str
) -> tuple[str, int, list[str]]:
    """Make one request; return its id, the tokens it got, and the engine's ids."""
    body: dict[str, Any] = {
        "model": model,
        "messages": [{"role": "user", "content": " ".join(["w"] * tokens)}],
        "max_tokens": tokens,
        "stream": way != "whole",
    }
    headers = {"authorization": f"Bearer {key}"}
    url = "/v1/chat/completions"
    async with client.stream("POST", url, json=body, headers=headers) as response:
        assert response.status_code == 200
        request_id = response.headers["x-request-id"]
        if way == "whole":
            answer = orjson.loads(await response.aread())
            text = answer["choices"][0]["message"]["content"]
            assert answer["model"] == model
            return request_id, delivered_tokens(text), [answer["id"]]
        text, ids = "", []
        async for line in response.aiter_lines():
            if line.startswith("data: {"):
                chunk = orjson.loads(line[6:])
                assert chunk["model"] == model
                ids.append(chunk["id"])
                text += chunk["choices"][0]["delta"].get("content", "")
                if way == "leaves" and text.count(" t") >= tokens // 2:
                    break
        if way == "leaves":
            return request_id, -1, ids
        return request_id, delivered_tokens(text), ids


async def test_two_tenants_never_mix(gateway: RunningGateway) -> None:
    keys = {tenant: gateway.issue_key(tenant_id=tenant) for tenant in (71, 72)}
    dice = random.Random(5)
    with (
        running_simulator(inter_token_ms=1) as one,
        running_simulator(finish_with_text=True) as two,
    ):
        urls = (one.base_url, two.base_url)
        models = {t: gateway.serve(*urls, upstream_model="sim") for t in keys}
        limits = httpx.Limits(max_connections=64)
        async with httpx.AsyncClient(
            base_url=gateway.url, limits=limits, timeout=60
        ) as client:
            plan = [
                (
                    dice.choice(list(keys)),
                    dice.randint(2, 60),
                    dice.choice(["stream", "stream", "whole", "leaves"]),
                )
                for _ in range(REQUESTS)
            ]
            got = await asyncio.gather(
                *(
                    _one(client, key=keys[t], model=models[t], tokens=n, way=way)
                    for t, n, way in plan
                )
            )
        await asyncio.to_thread(wait_until, lambda: not gateway.meter.open_requests)

    settled = {str(a.request_id): (a, o) for a, o in gateway.meter.settled}
    assert len(settled) == REQUESTS
    for (tenant, asked, way), (request_id, delivered, ids) in zip(
        plan, got, strict=True
    ):
        admission, outcome = settled[request_id]
        assert admission.caller.tenant_id == tenant
        ours = request_id.replace("-", "")
        assert all(each.removeprefix("chatcmpl-")[:32] == ours for each in ids)
        # The prompt is as long as the answer asked for, so it tells requests apart.
        assert outcome.counts.input_tokens == asked + 7
        if way == "leaves":
            assert outcome.status in {EventStatus.CLIENT_GONE, EventStatus.OK}
            assert asked // 2 <= outcome.counts.output_tokens <= asked
        else:
            assert outcome.status is EventStatus.OK
            assert delivered == outcome.counts.output_tokens == asked
