"""Routes of served models, aliases, replicas and refusals under the management API."""

from django.urls import path
from rest_framework.routers import SimpleRouter

from inference.control.api.alias_views import AliasViewSet
from inference.control.api.model_views import ModelViewSet
from inference.control.api.refusal_views import RefusalViewSet
from inference.control.api.replica_views import ReplicaViewSet

router = SimpleRouter(use_regex_path=False)
router.register("models", ModelViewSet, basename="model")
router.register("model-aliases", AliasViewSet, basename="model-alias")
router.register("replicas", ReplicaViewSet, basename="replica")

urlpatterns = [
    *router.urls,
    path(
        "usage/refusals/", RefusalViewSet.as_view({"get": "list"}), name="refusal_list"
    ),
]
