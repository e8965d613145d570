"""What the management API takes and shows of invitations."""

from rest_framework import serializers

from kit.acting import current
from kit.drf.schema import example
from kit.drf.serializers import Filters, Input
from tenants.api.examples import invitations as examples
from tenants.api.serializers.members import ProjectIds
from tenants.api.serializers.references import TenantReference
from tenants.models import Invitation, Role, Tenant


@example(examples.INVITATION)
class InvitationOutput(serializers.ModelSerializer[Invitation]):
    """A place offered to an address: never its link, which stands in the mail alone."""

    # Not an e-mail field: whoever is forgotten has none.
    email = serializers.CharField(
        read_only=True, help_text="Empty once the person was forgotten."
    )
    projects = serializers.SerializerMethodField(
        help_text="The projects that the place comes with, as far as you may see them."
    )
    state = serializers.ChoiceField(choices=Invitation.State.choices, read_only=True)

    class Meta:
        model = Invitation
        fields = (
            "id",
            "tenant",
            "email",
            "role",
            "projects",
            "state",
            "invited_by",
            "created_at",
            "sent_at",
            "expires_at",
            "accepted_at",
            "revoked_at",
        )
        read_only_fields = fields
        extra_kwargs = {
            "invited_by": {"help_text": "The member; null for an operator or a token."},
            "sent_at": {"help_text": "When the mail went out; null while it has not."},
        }

    def get_projects(self, row: Invitation) -> list[int]:
        """Return the ids of the offered projects that the caller sees."""
        return sorted(each for each in row.project_ids if current().sees_project(each))


@example(examples.NEW_INVITATION)
class InvitationCreate(Input):
    """A new invitation."""

    tenant = TenantReference(
        queryset=Tenant.objects.all(),
        required=False,
        help_text="Operators name it; for a tenant's own token it is the tenant.",
    )
    email = serializers.CharField(max_length=254, help_text="Where the link is sent.")
    role = serializers.ChoiceField(
        choices=Role.choices, help_text="One that may do no more than you may."
    )
    projects = ProjectIds(
        source="project_ids",
        required=False,
        help_text="Developers see and use these projects alone.",
    )


class InvitationFilters(Filters):
    """What invitations may be narrowed by."""

    tenant = serializers.IntegerField(source="tenant_id", required=False)
    email = serializers.CharField(required=False, help_text="The whole address.")
    role = serializers.ChoiceField(choices=Role.choices, required=False)
    state = serializers.ChoiceField(choices=Invitation.State.choices, required=False)
