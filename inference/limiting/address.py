"""Where a store is and how to log in there, read from its URL.

    redis://[user][:password]@host[:port][/db]     rediss:// with TLS
    unix://[user][:password]@/path/to/socket[?db=0]

`valkey` and `valkeys` are the same as `redis` and `rediss`. As with other clients of
the same URL, `ssl_cert_reqs=none` leaves a certificate unchecked, `ssl_ca_certs` names
those to trust, `ssl_certfile` and `ssl_keyfile` ours.

Failure: `ValueError`, which repeats no password.
"""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote, urlsplit

PORT = 6379
_PLAIN, _TLS = {"redis", "valkey"}, {"rediss", "valkeys"}


@dataclass(frozen=True, slots=True)
class StoreAddress:
    """A store's socket, and what is said there first. `path` is set for a local one."""

    host: str
    port: int
    path: str
    database: int
    user: str
    password: str = field(repr=False)
    tls: ssl.SSLContext | None = None


def parse_address(url: str) -> StoreAddress:
    """Read a URL."""
    parts = urlsplit(url)
    options = dict(parse_qsl(parts.query))
    is_local = parts.scheme == "unix"
    if not is_local and parts.scheme not in _PLAIN | _TLS:
        raise ValueError("give a redis://, rediss:// or unix:// address")
    if is_local and not parts.path:
        raise ValueError("a unix:// address needs a path")
    database = options.get("db", "") if is_local else parts.path.strip("/")
    database = database or options.get("db") or "0"
    if not database.isdecimal():
        raise ValueError("a database has a number")
    return StoreAddress(
        host="" if is_local else parts.hostname or "localhost",
        port=0 if is_local else parts.port or PORT,
        path=unquote(parts.path) if is_local else "",
        database=int(database),
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        tls=_tls(options) if parts.scheme in _TLS else None,
    )


def _tls(options: Mapping[str, str]) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=options.get("ssl_ca_certs"))
    if options.get("ssl_cert_reqs", "").lower().removeprefix("cert_") == "none":
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if certificate := options.get("ssl_certfile"):
        context.load_cert_chain(certificate, options.get("ssl_keyfile"))
    return context
