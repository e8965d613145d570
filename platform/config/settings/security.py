"""Secrets, hosts, cookies, passwords."""

from config.env import SecretSettings, WebSettings, load
from kit.secrets import Purpose, derive

_web = load(WebSettings)
_secrets = load(SecretSettings)


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


SECRET_KEY = _web.secret_key.get_secret_value()
KEY_PEPPER = _secrets.key_pepper.get_secret_value().encode()
API_KEY_SECRET = derive(KEY_PEPPER, Purpose.API_KEY)
MANAGEMENT_TOKEN_SECRET = derive(KEY_PEPPER, Purpose.MANAGEMENT_TOKEN)
INVITATION_SECRET = derive(KEY_PEPPER, Purpose.INVITATION)
STORED_ANSWER_SECRET = derive(KEY_PEPPER, Purpose.STORED_ANSWER)
SECOND_FACTOR_SECRET = derive(KEY_PEPPER, Purpose.SECOND_FACTOR)
AUDIT_ANCHOR_SECRET = derive(KEY_PEPPER, Purpose.AUDIT_ANCHOR)
OPERATOR_TOKEN = _web.operator_token.get_secret_value()

ALLOWED_HOSTS = _listed(_web.allowed_hosts)
CSRF_TRUSTED_ORIGINS = _listed(_web.csrf_trusted_origins)

# The gateway in front drops forwarding headers of clients and writes its own.
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _web.secure_cookies
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CSRF_FAILURE_VIEW = "config.error_pages.form_refused"
# TLS ends in front of the gateway, which is where http is sent on to https.
SECURE_HSTS_SECONDS = 31_536_000 if _web.secure_cookies else 0
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W008", "security.W021"]

PASSWORD_CHARS_MIN = 12
AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": f"django.contrib.auth.password_validation.{name}",
        "OPTIONS": options,
    }
    for name, options in {
        "UserAttributeSimilarityValidator": {},
        "MinimumLengthValidator": {"min_length": PASSWORD_CHARS_MIN},
        "CommonPasswordValidator": {},
        "NumericPasswordValidator": {},
    }.items()
]
