"""Mail: by SMTP, or into a folder, or not at all until one of them is set."""

from config.env import MailSettings, load

_mail = load(MailSettings)
_BACKENDS = "django.core.mail.backends"

EMAIL_IS_SET = bool(_mail.email_folder or _mail.email_host)
if _mail.email_folder:
    EMAIL_BACKEND = f"{_BACKENDS}.filebased.EmailBackend"
elif _mail.email_host:
    EMAIL_BACKEND = f"{_BACKENDS}.smtp.EmailBackend"
else:
    EMAIL_BACKEND = f"{_BACKENDS}.dummy.EmailBackend"

EMAIL_HOST = _mail.email_host
EMAIL_PORT = _mail.email_port
EMAIL_HOST_USER = _mail.email_user
EMAIL_HOST_PASSWORD = _mail.email_password.get_secret_value()
EMAIL_USE_TLS = _mail.email_tls == "starttls"
EMAIL_USE_SSL = _mail.email_tls == "tls"
EMAIL_TIMEOUT = _mail.email_timeout_ms / 1000
EMAIL_FILE_PATH = _mail.email_folder or None
DEFAULT_FROM_EMAIL = SERVER_EMAIL = _mail.email_from
