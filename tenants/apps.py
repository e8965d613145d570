"""Django application: who may call."""

from django.apps import AppConfig


class TenantsConfig(AppConfig):
    """Tenants, projects and API keys."""

    name = "tenants"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Record every change from now on."""
        # Models can be imported only once every application is loaded.
        from tenants.audit import accounts, recording  # noqa: PLC0415
        from tenants.mails import addresses, sending  # noqa: PLC0415
        from tenants.models import Mail  # noqa: PLC0415

        recording.connect()
        accounts.connect()
        sending.hand_over(Mail.Kind.ADDRESS, addresses.letter_of)
