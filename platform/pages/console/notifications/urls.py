"""Addresses of notifications and webhooks, below a tenant's."""

from django.urls import path

from pages.console.notifications import views
from pages.console.notifications.mine import mine

urlpatterns = [
    path("", views.notifications, name="notifications"),
    path("mine/", mine, name="my_mails"),
    path("test/", views.test_mail, name="notification_test"),
    path("webhooks/new/", views.new, name="webhook_new"),
    path("webhooks/<int:endpoint_id>/", views.endpoint, name="webhook"),
    path("webhooks/<int:endpoint_id>/edit/", views.edit, name="webhook_edit"),
    path("webhooks/<int:endpoint_id>/rotate/", views.rotate, name="webhook_rotate"),
    path("webhooks/<int:endpoint_id>/remove/", views.remove, name="webhook_remove"),
    path("webhooks/<int:endpoint_id>/<str:verb>/", views.act, name="webhook_act"),
    path(
        "webhooks/<int:endpoint_id>/deliveries/<int:delivery_id>/",
        views.delivery,
        name="webhook_delivery",
    ),
]
