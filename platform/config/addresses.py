"""Addresses of PostgreSQL: one server, a login for each role."""

from urllib.parse import urlsplit, urlunsplit


def with_user(url: str, user: str) -> str:
    """Return the address at which another user logs in with the same password."""
    parts = urlsplit(url)
    location = parts.netloc.rpartition("@")[2]
    # The password stands in the address as it is to stand there: quoted.
    password = f":{parts.password}" if parts.password else ""
    return urlunsplit(parts._replace(netloc=f"{user}{password}@{location}"))
