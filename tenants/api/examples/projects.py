"""Examples of projects."""

PROJECT = {
    "id": 7,
    "tenant": 42,
    "slug": "support-bot",
    "name": "Support bot",
    "created_at": "2026-11-02T09:31:12.480000Z",
    "archived_at": None,
}
NEW_PROJECT = {"tenant": 42, "slug": "support-bot", "name": "Support bot"}
PROJECT_CHANGES = {"name": "Support bot, all countries"}
