"""Addresses of signing in: allauth's pages and ours."""

from django.urls import include, path

from pages.accounts import views
from pages.accounts.invitations import invitation

urlpatterns = [
    path("invitation/<str:text>/", invitation, name="invitation"),
    path("sessions/<int:session_id>/end/", views.end_session, name="end_session"),
    path("sessions/", include("allauth.usersessions.urls")),
    path("2fa/", include("allauth.mfa.urls")),
    path("", include("allauth.account.urls")),
]
