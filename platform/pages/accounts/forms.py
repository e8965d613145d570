"""Forms of signing in: a code of an authenticator app is taken once.

Failure: a code that was used is a wrong code; nobody learns which it was.
"""

from typing import Any

from allauth.account.forms import LoginForm
from allauth.core.internal.cryptokit import normalize_user_code
from allauth.mfa import app_settings
from allauth.mfa.adapter import get_adapter
from allauth.mfa.base import forms as factors
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.forms import ActivateTOTPForm
from django import forms
from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.auth.password_validation import validate_password
from django.core.cache import cache


def _take_once(user: User, code: str) -> None:
    """Mark a code as used for as long as it is right; raises when it was."""
    steps = 2 * app_settings.TOTP_TOLERANCE + 1
    key = f"second-factor-used:{user.pk}:{normalize_user_code(code)}"
    if not cache.add(key, 1, timeout=steps * app_settings.TOTP_PERIOD):
        raise get_adapter().validation_error("incorrect_code")


class _Once(factors.BaseAuthenticateForm):  # type: ignore[misc]
    def clean_code(self) -> str:
        """Take a right code that was not used before."""
        code: str = super().clean_code()
        if self.authenticator.type == Authenticator.Type.TOTP:
            _take_once(self.user, code)
        return code


class AuthenticateForm(_Once, factors.AuthenticateForm):  # type: ignore[misc]
    """The code at sign-in."""


class ReauthenticateForm(_Once, factors.ReauthenticateForm):  # type: ignore[misc]
    """The code before something that matters."""


class ActivateForm(ActivateTOTPForm):  # type: ignore[misc]
    """The first code of a new authenticator app."""

    def clean_code(self) -> str:
        """Take the code once: it opens no second session."""
        code: str = super().clean_code()
        _take_once(self.user, code)
        return code


class SignInForm(LoginForm):  # type: ignore[misc]
    """Name and password, in our words."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["login"].label = "Name or e-mail address"
        # The way to a new one is a line of the page.
        self.fields["password"].help_text = ""
        for field in self.fields.values():
            field.widget.attrs.pop("placeholder", None)


class NewAccountForm(forms.Form):
    """Who was invited and has no account yet."""

    name = forms.CharField(label="Your name", max_length=150)
    password = forms.CharField(
        label="Password",
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        strip=False,
        help_text=f"{settings.PASSWORD_CHARS_MIN} characters or more: take a sentence.",
    )

    def __init__(self, *args: Any, email: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._email = email

    def clean_password(self) -> str:
        """Refuse what is easily guessed, the person's own address among it."""
        password: str = self.cleaned_data["password"]
        validate_password(password, User(email=self._email, username=self._email))
        return password
