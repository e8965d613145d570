"""Django application: pages that take more than one app."""

from django.apps import AppConfig


class PagesConfig(AppConfig):
    """The finance pages and the design system."""

    name = "pages"
