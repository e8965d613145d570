"""Find entries of the audit by what is asked: the object, the actor, the request."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """Find entries by object without its tenant, by actor and by request."""

    dependencies = [("tenants", "0011_suspend_permission")]
    operations = [
        migrations.RemoveIndex(model_name="auditentry", name="audit_entry_of_object"),
        migrations.AddIndex(
            model_name="auditentry",
            index=models.Index(
                fields=["object_kind", "object_id", "id"], name="audit_entry_about"
            ),
        ),
        migrations.AddIndex(
            model_name="auditentry",
            index=models.Index(
                fields=["actor_kind", "actor_id", "id"], name="audit_entry_by_actor"
            ),
        ),
        migrations.AddIndex(
            model_name="auditentry",
            index=models.Index(
                fields=["request_id"],
                condition=models.Q(("request_id", ""), _negated=True),
                name="audit_entry_of_request",
            ),
        ),
    ]
