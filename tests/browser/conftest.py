"""A browser, a server, a world to look at, and people who look.

The browser lives as long as a file's tests: its driver runs a loop in this thread,
which tests of coroutines elsewhere must not find.
"""

import datetime as dt
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser
from pytest_django import DjangoDbBlocker

from tests.browser.chromium import launched
from tests.browser.watch import Watched, visit
from tests.databases import cloned

Visit = Callable[..., Watched]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Run a browser for a file's tests."""
    with pytest.MonkeyPatch.context() as patch, launched() as found:
        # The driver's loop runs in this thread, and nothing here is a coroutine.
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        yield found


@pytest.fixture(scope="module")
def origin(postgres_server: str, django_db_blocker: DjangoDbBlocker) -> Iterator[str]:
    """Serve the pages of an empty installation; provide their origin."""
    # Models can be imported once the settings are there, which is after this file.
    from tests.browser.serving import served  # noqa: PLC0415

    with django_db_blocker.unblock(), cloned(postgres_server), served() as found:
        yield found


@pytest.fixture(scope="module")
def world(origin: str) -> dt.datetime:
    """Fill the installation; provide as of when."""
    from tests.browser.world import made  # noqa: PLC0415

    return made()


@pytest.fixture
def guest(browser: Browser, origin: str) -> Iterator[Watched]:
    """Provide a window in which nobody has signed in."""
    watched = visit(browser, origin)
    yield watched
    watched.page.context.close()


@pytest.fixture(scope="module")
def operator_session(origin: str) -> str:
    """Sign an operator in, their second factor shown, and return the session's key."""
    from django.test import Client  # noqa: PLC0415

    from tests.factories.accounts import make_operator, sign_in  # noqa: PLC0415

    return str(sign_in(Client(), make_operator("ada")).cookies["sessionid"].value)


@pytest.fixture
def operator(browser: Browser, origin: str, operator_session: str) -> Iterator[Watched]:
    """Provide the window of an operator with every right."""
    watched = visit(browser, origin, session=operator_session)
    yield watched
    watched.page.context.close()


@pytest.fixture
def as_staff(browser: Browser, origin: str) -> Iterator[Callable[[str], Watched]]:
    """Provide what opens the window of staff who are in one of the groups alone."""
    from django.test import Client  # noqa: PLC0415

    from tests.factories.accounts import make_staff, sign_in  # noqa: PLC0415

    opened: list[Watched] = []

    def window(group: str) -> Watched:
        session = sign_in(Client(), make_staff(group)).cookies["sessionid"].value
        opened.append(visit(browser, origin, session=str(session)))
        return opened[-1]

    yield window
    for watched in opened:
        watched.page.context.close()


@pytest.fixture
def as_member(
    browser: Browser, origin: str, world: dt.datetime
) -> Iterator[Callable[[str], Watched]]:
    """Provide what opens the window of a member of the first customer, by their role.

    The developer is in the tenant's first project alone.
    """
    from django.test import Client  # noqa: PLC0415

    from tests.factories.accounts import sign_in  # noqa: PLC0415
    from tests.pictures.people import account  # noqa: PLC0415

    opened: list[Watched] = []

    def window(role: str) -> Watched:
        session = sign_in(Client(), account(role)).cookies["sessionid"].value
        opened.append(visit(browser, origin, session=str(session)))
        return opened[-1]

    yield window
    for watched in opened:
        watched.page.context.close()


@pytest.fixture
def member(as_member: Callable[[str], Watched]) -> Watched:
    """Provide the window of an owner of the first customer."""
    return as_member("owner")
