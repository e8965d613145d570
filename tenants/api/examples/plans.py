"""Examples of plans."""

PLAN = {
    "id": 3,
    "slug": "team",
    "name": "Team",
    "is_default": False,
    "weight": 200,
    "priority_max": "priority",
    "created_at": "2026-11-02T09:20:00.100000Z",
}
NEW_PLAN = {"slug": "team", "name": "Team", "is_default": False, "weight": 200}
PLAN_CHANGES = {"name": "Team, yearly", "priority_max": "priority"}
