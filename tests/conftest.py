"""Databases for every test that needs one; tests that need none start nothing.

`operator_db` runs a test inside one transaction of the operator role and rolls it back.
`fresh_database` gives a test a committed database of its own, for several roles,
connections or processes. Both are clones of one migrated template in one PostgreSQL,
which is started when first asked for. The tests never touch the database that
`DATABASE_URL` names outside.
"""

import datetime as dt
import gc
import os
import secrets
import time
from collections import Counter
from collections.abc import Generator, Iterator
from pathlib import Path

import django
import pytest
from django.conf import settings as django_settings
from django.db import transaction
from hypothesis import settings
from pytest_django import DjangoDbBlocker

from kit.orm.roles import OPERATOR, as_operator
from tests.cluster import running_cluster
from tests.databases import Database, cloned
from tests.midnight import seconds_to_wait

_NO_DATABASE = "postgresql://tollgate_owner@127.0.0.1:1/no_fixture_was_asked_for"
# Fewer looks for garbage than Python's own: what tests make is small and soon gone.
GC_THRESHOLDS = (20_000, 20, 20)


# How long an example takes is the machine's business: no test is timed.
settings.register_profile("tollgate", deadline=None)
settings.load_profile("tollgate")


def pytest_configure() -> None:
    """Set the environment that Django's settings read, whatever the shell has."""
    for name in [name for name in os.environ if name.startswith("DATABASE_")]:
        del os.environ[name]
    os.environ.update(
        # Tests call more often than anybody else; those of throttles set their own.
        API_FAILED_AUTH_PER_MINUTE="1000000",
        API_READS_PER_MINUTE="1000000",
        API_WRITES_PER_MINUTE="1000000",
        DATABASE_URL=_NO_DATABASE,
        DJANGO_SETTINGS_MODULE="config.settings",
        KEY_PEPPER=secrets.token_urlsafe(48),
        OPERATOR_TOKEN=secrets.token_urlsafe(48),
        REDIS_URL="",
        SECRET_KEY=secrets.token_urlsafe(48),
        SECURE_COOKIES="false",
    )
    django.setup()
    # Each client would first look through all files of the admin's theme.
    django_settings.WHITENOISE_AUTOREFRESH = True


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Begin each test with time enough to end on the day on which it begins."""
    while wait_s := seconds_to_wait(dt.datetime.now(dt.UTC)):
        time.sleep(wait_s)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Give the processes of a run the files first that may take longest.

    Each file is one process's: a long one that comes last leaves the others idle.
    """
    if not hasattr(config, "workerinput"):
        return
    tests = Counter(item.path for item in items)
    seconds: Counter[Path] = Counter()
    for item in items:
        if mark := item.get_closest_marker("timeout"):
            seconds[item.path] = max(seconds[item.path], mark.args[0])
    items.sort(key=lambda item: (-seconds[item.path], -tests[item.path]))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection() -> Generator[None, object, object]:
    """Look for garbage in what tests make, and not in the tests: they stay.

    Looking through all that is imported and collected, again and again while it grows,
    was half of what collecting took.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.set_threshold(*GC_THRESHOLDS)
        gc.enable()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """Provide a superuser's address of the PostgreSQL that holds the test databases."""
    with running_cluster() as url:
        yield url


@pytest.fixture(scope="session")
def django_db_setup(
    postgres_server: str, django_db_blocker: DjangoDbBlocker
) -> Iterator[None]:
    """Give this process a database, in place of pytest-django's."""
    with django_db_blocker.unblock(), cloned(postgres_server):
        yield


@pytest.fixture
def operator_db(
    django_db_setup: None, django_db_blocker: DjangoDbBlocker
) -> Iterator[None]:
    """Run the test as the operator role, in a transaction that is rolled back."""
    whole = transaction.atomic(using=OPERATOR)
    # Lets services that insist on the outermost transaction run inside this one.
    whole._from_testcase = True  # type: ignore[attr-defined]
    with django_db_blocker.unblock(), as_operator(), whole:
        yield
        transaction.set_rollback(True, using=OPERATOR)


@pytest.fixture
def fresh_database(
    postgres_server: str, django_db_blocker: DjangoDbBlocker
) -> Iterator[Database]:
    """Provide a committed database of the test's own, seen by every alias."""
    with django_db_blocker.unblock(), cloned(postgres_server) as database:
        yield database
