"""The web process: Django under uvicorn, behind the gateway."""

import os

from django.core.asgi import get_asgi_application

from config.crowd import Crowd
from config.env import WebSettings, load

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

_web = load(WebSettings)

application = Crowd(
    get_asgi_application(), at_once=_web.web_at_once, of_one=_web.web_at_once_of_one
)
