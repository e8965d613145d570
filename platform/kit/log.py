"""One line on stderr for every event, the same from every process and library.

JSON for machines, `key=value` for eyes. What callers send may turn up in a value (a
path, a model's name, the text of an exception), so every value is cut to a bounded
length and rid of control characters: nobody can write a line that we did not. Bodies,
keys and prompts are never handed to a logger at all; a secret of ours that comes in a
path, as that of an invitation does, is cut down to its prefix.

Failure: a value that cannot be rendered is shown by its type.
"""

import json
import logging
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, Literal

import structlog
from structlog.types import Processor

from kit import api_keys

Style = Literal["json", "console"]

VALUE_CHARS_MAX = 500
EXCEPTION_CHARS_MAX = 8000
_OWN_HANDLERS = ("django", "uvicorn", "uvicorn.error", "uvicorn.access")
_PLAIN = (int, float, bool, type(None))


def configure(style: Style = "json", level: str = "INFO") -> None:
    """Send what structlog and the standard library log to stderr. Idempotent."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                _bounded,
                _json if style == "json" else _console,
            ],
        )
    )
    for name in _OWN_HANDLERS:
        library = logging.getLogger(name)
        library.handlers.clear()
        library.propagate = True
    # A line for every request it makes is not news.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)


def configure_django(settings: Mapping[str, Any]) -> None:
    """Do the same as Django's `LOGGING_CONFIG`, in place of its default handlers."""
    configure(style=settings["style"], level=settings["level"])


def _bounded(
    logger: object, method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Cut every value to its length and write control characters as escapes."""
    for name, value in event.items():
        if isinstance(value, _PLAIN):
            continue
        most = EXCEPTION_CHARS_MAX if name == "exception" else VALUE_CHARS_MAX
        # Before it is cut: half a secret would not be found any more.
        event[name] = _printable(_without_secrets(_text(value))[:most])
    return event


def _text(value: object) -> str:
    try:
        return str(value)
    except Exception:
        return f"<{type(value).__name__}>"


def _without_secrets(text: str) -> str:
    return api_keys.PATTERN.sub(lambda found: f"{found[0].partition('_')[0]}_…", text)


def _printable(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(
        mark if mark.isprintable() else mark.encode("unicode_escape").decode()
        for mark in text
    )


def _json(logger: object, method: str, event: MutableMapping[str, Any]) -> str:
    return json.dumps(event, ensure_ascii=False)


def _console(logger: object, method: str, event: MutableMapping[str, Any]) -> str:
    """Render `warning heartbeat_lost reason=…`; whoever reads it knows the time."""
    event.pop("at", None)
    words = [f"{event.pop('level', ''):<7}", str(event.pop("event", ""))]
    exception = event.pop("exception", None)
    words += [f"{name}={_quoted(value)}" for name, value in event.items()]
    if exception is not None:
        words.append(f"exception={_quoted(exception)}")
    return " ".join(words)


def _quoted(value: object) -> str:
    text = str(value)
    return f'"{text}"' if " " in text or not text else text
