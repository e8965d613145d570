"""Routes of who may call, and how much, under the management API."""

from django.urls import path
from rest_framework.routers import SimpleRouter

from tenants.api.views.audit import AuditViewSet
from tenants.api.views.billing_addresses import BillingAddressViewSet
from tenants.api.views.invitations import InvitationViewSet
from tenants.api.views.keys import KeyViewSet
from tenants.api.views.limits import (
    BudgetViewSet,
    EffectiveLimitsView,
    QuotaViewSet,
    RateLimitViewSet,
)
from tenants.api.views.me import MeView
from tenants.api.views.members import MemberViewSet
from tenants.api.views.plans import PlanViewSet
from tenants.api.views.projects import ProjectViewSet
from tenants.api.views.tenants import TenantViewSet
from tenants.api.views.tokens import TokenViewSet

router = SimpleRouter(use_regex_path=False)
router.register("tenants", TenantViewSet, basename="tenant")
router.register("projects", ProjectViewSet, basename="project")
router.register("members", MemberViewSet, basename="member")
router.register("invitations", InvitationViewSet, basename="invitation")
router.register("billing-addresses", BillingAddressViewSet, basename="billing_address")
router.register("keys", KeyViewSet, basename="key")
router.register("plans", PlanViewSet, basename="plan")
router.register("rate-limits", RateLimitViewSet, basename="rate_limit")
router.register("quotas", QuotaViewSet, basename="quota")
router.register("budgets", BudgetViewSet, basename="budget")
router.register("tokens", TokenViewSet, basename="token")
router.register("audit", AuditViewSet, basename="audit")

urlpatterns = [
    path("me/", MeView.as_view(), name="me"),
    path("limits/effective/", EffectiveLimitsView.as_view(), name="effective-limits"),
    *router.urls,
]
