"""What the management API shows a caller of itself."""

from typing import Any

from rest_framework import serializers

from kit.acting import ActorKind
from kit.drf.schema import example
from kit.scopes import Scope
from tenants.api.examples import me as examples
from tenants.models import Role

_CALLERS = (ActorKind.ROOT_TOKEN, ActorKind.OPERATOR_TOKEN, ActorKind.TENANT_TOKEN)


class MyTenantOutput(serializers.Serializer[Any]):
    """The tenant that a caller is kept to."""

    id = serializers.IntegerField()
    slug = serializers.CharField()


class MyMemberOutput(serializers.Serializer[Any]):
    """The member whose own a token is."""

    id = serializers.IntegerField()
    role = serializers.ChoiceField(choices=Role.choices)


@example(examples.ME)
class MeOutput(serializers.Serializer[Any]):
    """Who calls, and what it may do."""

    kind = serializers.ChoiceField(
        choices=[str(kind) for kind in _CALLERS],
        help_text="`root_token` is the installation's own OPERATOR_TOKEN.",
    )
    tenant = MyTenantOutput(
        allow_null=True, help_text="Null for operators, who see every tenant."
    )
    member = MyMemberOutput(
        allow_null=True, help_text="Null for the token of a program."
    )
    scopes = serializers.ListField(
        child=serializers.ChoiceField(choices=[str(scope) for scope in Scope])
    )
    projects = serializers.ListField(
        child=serializers.IntegerField(),
        allow_null=True,
        help_text="The projects that it is kept to; null where it is to none.",
    )
