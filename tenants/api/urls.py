"""Routes of tenants, projects and API keys under the management API."""

from rest_framework.routers import SimpleRouter

from tenants.api.views.keys import KeyViewSet
from tenants.api.views.projects import ProjectViewSet
from tenants.api.views.tenants import TenantViewSet

router = SimpleRouter(use_regex_path=False)
router.register("tenants", TenantViewSet, basename="tenant")
router.register("projects", ProjectViewSet, basename="project")
router.register("keys", KeyViewSet, basename="key")

urlpatterns = router.urls
