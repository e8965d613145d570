"""One example of each thing that the management API takes and shows of serving.

Tests hold them against the schema and send them to the API.
"""

MODEL = {
    "id": 3,
    "name": "llama-3.3-70b",
    "description": "General purpose, 128k tokens of context.",
    "context_tokens": 131072,
    "max_output_tokens": 8192,
    "tokenizer": "",
    "tasks": ["chat", "completion"],
    "modalities": ["image", "text"],
    "base": None,
    "adapter": "",
    "defaults": {"temperature": 0.6, "top_p": 0.95},
    "choices_max": 4,
    "allows_tools": True,
    "cache_s": 0,
    "policy": "prefix_aware",
    "canary_permille": 50,
    "queue_max": 1000,
    "queue_ms": 30000,
    "wake_ms": 0,
    "fallbacks": ["llama-3.1-8b"],
    "enabled": True,
    "retires_at": None,
    "successor": None,
    "created_at": "2026-11-02T09:10:00.125000Z",
}
NEW_MODEL = {
    "name": "llama-3.3-70b",
    "description": "General purpose, 128k tokens of context.",
    "context_tokens": 131072,
    "max_output_tokens": 8192,
    "defaults": {"temperature": 0.6, "top_p": 0.95},
    "choices_max": 4,
    "policy": "prefix_aware",
    "queue_ms": 20000,
}
MODEL_CHANGES = {"max_output_tokens": 16384, "canary_permille": 50, "fallbacks": []}
RETIREMENT = {"retires_at": "2027-03-01T00:00:00Z", "successor": None}

ALIAS = {
    "id": 2,
    "name": "default",
    "model": "llama-3.3-70b",
    "enabled": True,
    "created_at": "2026-11-02T09:11:00.300000Z",
}
NEW_ALIAS = {"name": "default", "model": "llama-3.3-70b"}
ALIAS_CHANGES = {"model": "llama-3.3-70b"}

REFUSAL = {
    "hour": "2026-11-21T13:00:00Z",
    "project_id": 7,
    "project": "default",
    "key_id": 9,
    "key": "batch (tg_a1b2...9zX0)",
    "model": "llama-3.3-70b",
    "status": 429,
    "code": "rate_limit_exceeded",
    "limit": "api_key:requests:minute",
    "requests": 412,
    "last_at": "2026-11-21T13:41:09.500000Z",
}

REPLICA = {
    "id": 12,
    "model": "llama-3.3-70b",
    "name": "gpu-1",
    "url": "http://10.0.0.5:8000",
    "dialect": "vllm",
    "upstream_model": "meta-llama/Llama-3.3-70B-Instruct",
    "credential": "ENGINE_KEY_GPU_1",
    "auth": "bearer",
    "options": {},
    "slots": 256,
    "weight": 100,
    "canary": False,
    "state": "active",
    "created_at": "2026-11-02T09:12:30.700000Z",
}
NEW_REPLICA = {
    "model": "llama-3.3-70b",
    "name": "gpu-1",
    "url": "http://10.0.0.5:8000",
    "dialect": "vllm",
    "upstream_model": "meta-llama/Llama-3.3-70B-Instruct",
    "credential": "ENGINE_KEY_GPU_1",
    "slots": 256,
}
REPLICA_CHANGES = {"url": "http://10.0.0.6:8000", "slots": 128}
