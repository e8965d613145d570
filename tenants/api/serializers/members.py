"""What the management API takes and shows of members."""

from rest_framework import serializers

from kit.acting import current
from kit.drf.schema import example
from kit.drf.serializers import Filters, Input
from tenants.api.examples import members as examples
from tenants.models import Member, Role

PROJECTS_MAX = 1000
_ID_MAX = 2**63 - 1


class ProjectIds(serializers.ListField):
    """Projects by their ids, each looked for by the service."""

    child = serializers.IntegerField(min_value=1, max_value=_ID_MAX)

    def __init__(self, **kwargs: object) -> None:
        super().__init__(max_length=PROJECTS_MAX, **kwargs)  # type: ignore[arg-type]


@example(examples.MEMBER)
class MemberOutput(serializers.ModelSerializer[Member]):
    """A person's place in a tenant."""

    # Not an e-mail field: whoever is forgotten has none.
    email = serializers.CharField(
        read_only=True, help_text="Empty once the person was forgotten."
    )
    projects = serializers.SerializerMethodField(
        help_text="The projects that the member is in, as far as you may see them."
        " Developers see and use those alone; other roles reach every project."
    )

    class Meta:
        model = Member
        fields = (
            "id",
            "tenant",
            "email",
            "name",
            "role",
            "projects",
            "created_at",
            "removed_at",
        )
        read_only_fields = fields

    def get_projects(self, row: Member) -> list[int]:
        """Return the ids of the member's projects that the caller sees."""
        ids = (place.project_id for place in row.places.all())
        return sorted(each for each in ids if current().sees_project(each))


@example(examples.MEMBER_CHANGES)
class MemberUpdate(Input):
    """What may change of a member."""

    role = serializers.ChoiceField(choices=Role.choices, required=False)
    projects = ProjectIds(
        source="project_ids",
        required=False,
        help_text="All projects that the member is to be in.",
    )


class MemberFilters(Filters):
    """What members may be narrowed by."""

    tenant = serializers.IntegerField(source="tenant_id", required=False)
    project = serializers.IntegerField(source="project_id", required=False)
    role = serializers.ChoiceField(choices=Role.choices, required=False)
    email = serializers.CharField(required=False, help_text="The whole address.")
    search = serializers.CharField(
        required=False, help_text="Part of the address or the name."
    )
    removed = serializers.BooleanField(required=False)
