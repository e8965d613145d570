"""People who sign in: accounts, second factors, and sessions that have shown one."""

import time
from importlib import import_module

from allauth.mfa.models import Authenticator
from django.conf import settings
from django.contrib.auth.models import Group, User
from django.http import HttpRequest
from django.test import Client

from config.local.code import code_at
from kit.orm.roles import as_operator
from pages.accounts import factors

PASSWORD = "a long enough password"
SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


def make_operator(username: str = "operator", *, email: str = "") -> User:
    """Create an operator with every right, and no second factor yet."""
    with as_operator():
        return User.objects.create_superuser(username, email, PASSWORD)


def make_person(username: str = "person", *, email: str = "") -> User:
    """Create an account that is no operator's."""
    with as_operator():
        return User.objects.create_user(username, email, PASSWORD)


def make_staff(group: str) -> User:
    """Return somebody who is staff and in this group alone; made once."""
    username = group.lower().replace(" ", "-")
    with as_operator():
        user, is_new = User.objects.get_or_create(username=username)
        if is_new:
            user.is_staff = True
            user.set_password(PASSWORD)
            user.save()
            user.groups.add(Group.objects.get(name=group))
        return user


def give_second_factor(user: User) -> Authenticator:
    """Give an account the authenticator app whose secret is `SECRET`."""
    with as_operator():
        return factors.enrol(user=user, secret=SECRET)


def sign_in(client: Client, user: User) -> Client:
    """Give a client a session of this person, their second factor shown in it."""
    with as_operator():
        client.force_login(user)
        if user.is_staff:
            _show(client, user)
    return client


def code() -> str:
    """Return the code that an app with `SECRET` shows now."""
    return code_at(SECRET, time.time())


def _show(client: Client, user: User) -> None:
    found = Authenticator.objects.filter(user=user).first()
    request = HttpRequest()
    engine = import_module(settings.SESSION_ENGINE)
    request.session = engine.SessionStore(client.session.session_key)
    factors.remember(request=request, authenticator=found or give_second_factor(user))
    request.session.save()
