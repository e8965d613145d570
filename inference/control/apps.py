"""Django application: what is served, and its publication to the gateways."""

from django.apps import AppConfig


class ControlConfig(AppConfig):
    """Served models, replicas and the snapshot that gateways follow."""

    name = "inference.control"
    label = "control"
    verbose_name = "Serving"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Publish every change from now on, and tell which models there are."""
        # Models can be imported only once every application is loaded.
        from inference.control import receivers, retiring, selectors  # noqa: PLC0415
        from tenants import catalog  # noqa: PLC0415

        receivers.connect()
        catalog.read_from(selectors.model_names, retiring.retirements)
