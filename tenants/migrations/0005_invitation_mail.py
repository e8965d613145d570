"""An invitation's link is made of a nonce; its mail is sent by a scan of rows."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """Add what the link is made of, and what became of the mail."""

    dependencies = [("tenants", "0004_access_rights")]
    operations = [
        migrations.AddField(
            model_name="invitation",
            name="nonce",
            field=models.CharField(db_default="", editable=False, max_length=32),
        ),
        migrations.AddField(
            model_name="invitation",
            name="sent_at",
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
        migrations.AddField(
            model_name="invitation",
            name="send_failures",
            field=models.PositiveSmallIntegerField(
                db_default=0, default=0, editable=False
            ),
        ),
        migrations.AddField(
            model_name="invitation",
            name="send_after",
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
        # Whoever saves a member is asked whether the account is there, and no more.
        migrations.RunSQL(
            "GRANT SELECT (id) ON auth_user TO tollgate_app",
            "REVOKE SELECT (id) ON auth_user FROM tollgate_app",
        ),
    ]
