"""The product's addresses, and the gallery beside them."""

from django.urls import path

from config.urls import handler400, handler403, handler404, handler500, urlpatterns
from tests.browser.gallery import broken, gallery, progressing

__all__ = ["handler400", "handler403", "handler404", "handler500", "urlpatterns"]

urlpatterns = [
    *urlpatterns,
    path("finance/gallery/", gallery),
    path("finance/gallery/progress/", progressing),
    path("finance/gallery/broken/", broken),
]
