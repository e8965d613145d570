"""Django application: the project itself, for its roles migration and commands."""

from importlib import import_module

from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig
from django.db.models.signals import post_migrate


class ConfigConfig(AppConfig):
    """The composition root."""

    name = "config"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register checks, what sends messages, and the groups of each migration.

        Serving and metering are made known to each other here alone.
        """
        import_module("config.celery")
        import_module("config.checks")
        reading = import_module("metering.reconciliation.engines.reading")
        counts = import_module("inference.control.engine_counts")
        reading.read_from(counts.read_all)
        replicas = import_module("inference.control.replicas_there")
        import_module("metering.economics.recording").list_from(replicas.list_all)
        groups = import_module("config.groups")
        post_migrate.connect(groups.put_in_place, dispatch_uid="config.groups")


class OperatorAdminConfig(AdminConfig):
    """The admin, with our own way in."""

    default_site = "config.site.OperatorSite"

    def ready(self) -> None:
        """Find the pages, then take away those that the sign-in's library brings.

        On them a second factor could be deleted, and an address be called confirmed.
        """
        super().ready()
        site = import_module("django.contrib.admin").site
        for model, pages in list(site._registry.items()):
            if type(pages).__module__.startswith("allauth."):
                site.unregister(model)
