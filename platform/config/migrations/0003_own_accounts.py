"""Let a tenant's managers see who of its members is safe, and who was here lately.

Accounts and their second factors are nothing for tenants. The function tells of the
tenant's present members alone, and of them two things.
"""

from django.conf import settings
from django.db import migrations

_OWN_ACCOUNTS = """
CREATE FUNCTION config_own_accounts(members bigint[])
RETURNS TABLE (
    member_id bigint, signed_in_at timestamptz, has_second_factor boolean
)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT member.id, account.last_login, EXISTS (
        SELECT FROM mfa_authenticator factor
        WHERE factor.user_id = account.id AND factor.type <> 'recovery_codes'
    )
    FROM tenants_member member JOIN auth_user account ON account.id = member.user_id
    WHERE member.id = ANY (members) AND member.removed_at IS NULL
        AND member.tenant_id
            = nullif(current_setting('tollgate.tenant', true), '')::bigint
$$;
REVOKE ALL ON FUNCTION config_own_accounts(bigint[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION config_own_accounts(bigint[]) TO tollgate_app;
"""


class Migration(migrations.Migration):
    """Make the function; the tenants' role may call it, and nobody else needs it."""

    dependencies = [
        ("config", "0002_shared_cache"),
        ("mfa", "0003_authenticator_type_uniq"),
        ("tenants", "0003_access"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]
    operations = [
        migrations.RunSQL(_OWN_ACCOUNTS, "DROP FUNCTION config_own_accounts(bigint[])")
    ]
