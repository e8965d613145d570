"""Routes of who may call, and how much, under the management API."""

from django.urls import path
from rest_framework.routers import SimpleRouter

from tenants.api.views.invitations import InvitationViewSet
from tenants.api.views.keys import KeyViewSet
from tenants.api.views.me import MeView
from tenants.api.views.members import MemberViewSet
from tenants.api.views.projects import ProjectViewSet
from tenants.api.views.tenants import TenantViewSet
from tenants.api.views.tokens import TokenViewSet

router = SimpleRouter(use_regex_path=False)
router.register("tenants", TenantViewSet, basename="tenant")
router.register("projects", ProjectViewSet, basename="project")
router.register("members", MemberViewSet, basename="member")
router.register("invitations", InvitationViewSet, basename="invitation")
router.register("keys", KeyViewSet, basename="key")
router.register("tokens", TokenViewSet, basename="token")

urlpatterns = [path("me/", MeView.as_view(), name="me"), *router.urls]
