"""Logging: every library of the web process and the worker writes the same lines."""

from config.env import LogSettings, load

_log = load(LogSettings)

LOGGING_CONFIG = "kit.log.configure_django"
LOGGING = {"style": _log.log_style, "level": _log.log_level}
