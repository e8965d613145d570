"""The web process inside the test's own: on a real socket, over its database."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.contrib.staticfiles.handlers import StaticFilesHandler
from django.test import override_settings
from django.test.testcases import LiveServerThread, QuietWSGIRequestHandler


class _Quiet(LiveServerThread):
    """A server that writes no line for each request."""

    request_handler_class = QuietWSGIRequestHandler


@contextmanager
def served() -> Iterator[str]:
    """Serve the pages until the block ends; provide their origin."""
    ours = {"ALLOWED_HOSTS": ["127.0.0.1"], "ROOT_URLCONF": "tests.browser.urls"}
    with override_settings(**ours):
        server = _Quiet("127.0.0.1", static_handler=StaticFilesHandler)
        server.daemon = True
        server.start()
        server.is_ready.wait()
        if server.error:
            raise server.error
        try:
            yield f"http://127.0.0.1:{server.port}"
        finally:
            server.terminate()
