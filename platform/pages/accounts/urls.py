"""Addresses of signing in: allauth's pages and ours."""

from django.contrib.auth.decorators import login_required
from django.urls import include, path

from pages.accounts import views
from pages.accounts.bill_address import bill_address
from pages.accounts.invitations import invitation

urlpatterns = [
    path("invitation/<str:text>/", invitation, name="invitation"),
    path("billing-address/<str:text>/", bill_address, name="bill_address"),
    path("sessions/<int:session_id>/end/", views.end_session, name="end_session"),
    path("sessions/", include("allauth.usersessions.urls")),
    path("2fa/", include("allauth.mfa.urls")),
    # In place of the library's page at this address.
    path("email/", login_required(views.AddressView.as_view()), name="account_email"),
    path("", include("allauth.account.urls")),
]
