"""Signing in: allauth's pages, the second factor, lock-out, and how long it lasts.

Nobody signs up: accounts come from invitations and from operators. Failed passwords are
counted by axes, failed codes by allauth, and both lock for the same time.
"""

import datetime as dt

from config.env import SignInSettings, load

_sign_in = load(SignInSettings)

AUTHENTICATION_BACKENDS = [
    # The first refuses who is locked out, before any password is looked at.
    "axes.backends.AxesStandaloneBackend",
    "pages.accounts.backend.AccountBackend",
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "console:home"

SECOND_FACTOR_REQUIRED = _sign_in.second_factor == "required"
SIGN_IN_LOCK = dt.timedelta(minutes=_sign_in.sign_in_lock_minutes)
SIGN_IN_FAILURES_BY_ADDRESS_MAX = _sign_in.sign_in_failures_by_address_max

SESSION_LENGTH_MAX = dt.timedelta(hours=_sign_in.session_hours_max)
SESSION_IDLE_MAX = dt.timedelta(minutes=_sign_in.session_idle_minutes)
SESSION_COOKIE_AGE = _sign_in.session_hours_max * 3600
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"

ACCOUNT_ADAPTER = "pages.accounts.adapter.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"username", "email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*", "password2*"]
ACCOUNT_FORMS = {"login": "pages.accounts.forms.SignInForm"}
# Addresses are verified by the invitation that was sent to them, or when they change.
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_CHANGE_EMAIL = True
ACCOUNT_EMAIL_NOTIFICATIONS = True
ACCOUNT_USER_DISPLAY = "pages.accounts.adapter.shown_name"
ACCOUNT_EMAIL_SUBJECT_PREFIX = "[Tollgate] "
ACCOUNT_LOGOUT_REDIRECT_URL = "account_login"
# The cookie goes with the browser; how long the session lives is the server's business.
ACCOUNT_SESSION_REMEMBER = False
# Only failed codes are counted here: `AccountAdapter` leaves passwords to axes.
ACCOUNT_RATE_LIMITS = {
    "login_failed": f"{_sign_in.sign_in_failures_max}/{_sign_in.sign_in_lock_minutes}m/key"
}

MFA_ADAPTER = "pages.accounts.adapter.FactorAdapter"
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes"]
MFA_TOTP_ISSUER = "Tollgate"
# One step before and after, for slow fingers and clocks that differ.
MFA_TOTP_TOLERANCE = 1
MFA_FORMS = {
    "activate_totp": "pages.accounts.forms.ActivateForm",
    "authenticate": "pages.accounts.forms.AuthenticateForm",
    "reauthenticate": "pages.accounts.forms.ReauthenticateForm",
}
# Where nobody signs up, nobody takes an address of somebody else's.
MFA_ALLOW_UNVERIFIED_EMAIL = True

AXES_HANDLER = "pages.accounts.lockout.LockoutHandler"
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_LOCKOUT_CALLABLE = "pages.accounts.lockout.locked_out"
AXES_USERNAME_CALLABLE = "pages.accounts.lockout.account_name"
AXES_CLIENT_IP_CALLABLE = "pages.accounts.lockout.client_address"
AXES_FAILURE_LIMIT = _sign_in.sign_in_failures_max
AXES_COOLOFF_TIME = SIGN_IN_LOCK
AXES_RESET_ON_SUCCESS = True
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_SENSITIVE_PARAMETERS = [
    *("username", "ip_address", "login", "oldpassword", "password1", "password2"),
    *("code", "csrfmiddlewaretoken"),
]
AXES_ENABLE_ADMIN = False
AXES_VERBOSE = False
