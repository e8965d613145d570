"""Every case by its name, in the order of the table."""

from tests.chaos import (
    client_cases,
    engine_cases,
    gateway_cases,
    postgres_cases,
    random_cases,
    replica_cases,
    task_cases,
)
from tests.chaos.stage import Case

CASES: dict[str, Case] = {
    "kill9": gateway_cases.KILLED,
    "journal_lost": gateway_cases.JOURNAL_LOST,
    "pg_stopped": postgres_cases.PG_STOPPED,
    "pg_frozen": postgres_cases.PG_FROZEN,
    "commit_cut": postgres_cases.COMMIT_CUT,
    "gateway_frozen": gateway_cases.FROZEN,
    "engine_dies": engine_cases.DIES,
    "engine_wrong": engine_cases.WRONG,
    "replica_killed": replica_cases.KILLED,
    "replica_frozen": replica_cases.FROZEN,
    "client_leaves": client_cases.LEAVES,
    "never_reads": client_cases.NEVER_READS,
    "sigterm": gateway_cases.TOLD_TO_STOP,
    "tasks": task_cases.THRICE,
    "alone": random_cases.ALONE,
    "pairs": random_cases.PAIRS,
    "random": random_cases.RANDOM,
}
