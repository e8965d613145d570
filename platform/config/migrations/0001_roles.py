"""The three roles that services log in as; the owner that runs this is the fourth.

They are made without a password: `python manage.py set_role_passwords` gives them those
of the role addresses. The operator role gets every table by default; append-only tables
take rights back, tables of one tenant add policies.
"""

from django.db import migrations

_CREATE = """
DO $$
DECLARE name text;
BEGIN
    FOREACH name IN ARRAY
        ARRAY['tollgate_app', 'tollgate_operator', 'tollgate_gateway']
    LOOP
        BEGIN
            EXECUTE format('CREATE ROLE %I LOGIN NOBYPASSRLS', name);
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            NULL;  -- made by another database of this cluster
        END;
    END LOOP;
END $$;
GRANT USAGE ON SCHEMA public TO tollgate_app, tollgate_operator, tollgate_gateway;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public
    TO tollgate_operator;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public
    TO tollgate_app, tollgate_operator;
ALTER DEFAULT PRIVILEGES IN SCHEMA public
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO tollgate_operator;
ALTER DEFAULT PRIVILEGES IN SCHEMA public
    GRANT USAGE ON SEQUENCES TO tollgate_app, tollgate_operator;
"""


class Migration(migrations.Migration):
    """Make the roles."""

    initial = True
    dependencies = []
    operations = [migrations.RunSQL(_CREATE, migrations.RunSQL.noop)]
