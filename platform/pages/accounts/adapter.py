"""What allauth asks of us: who may sign up, where people land, how secrets are kept.

Failure: a mail that cannot be sent is in the log and changes no answer, so nobody
learns from it which accounts there are. A secret that was sealed under another
KEY_PEPPER cannot be read: the factor has to be reset.
"""

import base64
import time
from typing import Any

import structlog
from allauth.account import app_settings
from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.authentication import get_authentication_records
from allauth.core import context
from allauth.mfa.adapter import DefaultMFAAdapter
from cryptography.fernet import Fernet
from django.conf import settings
from django.contrib.auth.models import User
from django.http import HttpRequest
from django.urls import reverse

from pages.accounts.lockout import client_address

log = structlog.get_logger(__name__)

_WAIT = (
    "Too many wrong attempts. Wait {minutes} minutes and try again, or ask an operator "
    "to unlock your account."
)


def shown_name(user: User) -> str:
    """Return what a person is called on our pages: the name they gave, if any."""
    return user.get_full_name() or user.get_username()


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    """Accounts: no sign-up but by invitation."""

    error_messages = {
        **DefaultAccountAdapter.error_messages,
        "too_many_login_attempts": _WAIT.format(
            minutes=int(settings.SIGN_IN_LOCK.total_seconds() // 60)
        ),
        "email_password_mismatch": "Name, address or password is wrong.",
        "username_password_mismatch": "Name, address or password is wrong.",
    }

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Refuse: whoever is invited has a page of their own."""
        return False

    def get_login_redirect_url(self, request: HttpRequest) -> str:
        """Send operators to the admin and members to the console."""
        is_staff = request.user.is_authenticated and request.user.is_staff
        return reverse("admin:index" if is_staff else "console:home")

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        """Count nothing here: wrong passwords are counted by axes, with the address."""

    def is_reauthentication_required(self, *, app: str, **kwargs: Any) -> bool:
        """Ask again only when nothing was shown within the last minutes.

        Who signed in just now has just been asked.
        """
        if not super().is_reauthentication_required(app=app, **kwargs):
            return False
        request = context.request
        records = get_authentication_records(request, request.user)
        latest = max((float(one["at"]) for one in records), default=0.0)
        return time.time() - latest >= float(app_settings.REAUTHENTICATION_TIMEOUT)

    def get_client_ip(self, request: HttpRequest) -> str:
        """Return whom the gateway named as the caller."""
        return client_address(request)

    def send_mail(self, template_prefix: str, email: str, context: Any) -> None:
        """Send a mail, or say in the log that it could not be sent."""
        try:
            super().send_mail(template_prefix, email, context)
        except (OSError, ValueError, LookupError) as error:
            # What no mail can be written for raises one of the latter. Not the error's
            # text: a mail server's answer repeats the address.
            log.warning(
                "mail_not_sent", mail=template_prefix, error=type(error).__name__
            )


class FactorAdapter(DefaultMFAAdapter):  # type: ignore[misc]
    """Second factors: their secrets are sealed at rest."""

    def get_totp_label(self, user: User) -> str:
        """Name the account in the authenticator app, and nobody's address."""
        return user.get_username()

    def encrypt(self, text: str) -> str:
        """Seal a secret for the database."""
        return _seal().encrypt(text.encode()).decode()

    def decrypt(self, encrypted_text: str) -> str:
        """Open what `encrypt` sealed."""
        return _seal().decrypt(encrypted_text.encode()).decode()


def _seal() -> Fernet:
    return Fernet(base64.urlsafe_b64encode(settings.SECOND_FACTOR_SECRET))
