"""The table behind the web process's cache: what sign-in must not forget in a restart.

Codes that were used and codes that failed stand here, in the one store that all web
processes share and that is there wherever the product is.
"""

from django.db import migrations

_CREATE = """
CREATE TABLE config_cache (
    cache_key varchar(255) PRIMARY KEY,
    value text NOT NULL,
    expires timestamptz NOT NULL
);
CREATE INDEX config_cache_expires ON config_cache (expires);
"""


class Migration(migrations.Migration):
    """Make the table of the cache."""

    dependencies = [("config", "0001_roles")]
    operations = [migrations.RunSQL(_CREATE, "DROP TABLE config_cache")]
