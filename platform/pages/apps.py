"""Django application: pages that take more than one app."""

from importlib import import_module

from django.apps import AppConfig


class PagesConfig(AppConfig):
    """The finance pages, the console, signing in, and the design system."""

    name = "pages"

    def ready(self) -> None:
        """Listen to who signs in and sets up what."""
        import_module("pages.accounts.listening")
