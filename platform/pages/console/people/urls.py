"""Addresses of a tenant's members and of places offered."""

from django.urls import path

from pages.console.people import inviting, members, one

urlpatterns = [
    path("", members.members, name="members"),
    path("invite/", inviting.invite, name="member_invite"),
    path(
        "invitations/<int:invitation_id>/resend/",
        inviting.resend,
        name="invitation_resend",
    ),
    path(
        "invitations/<int:invitation_id>/revoke/",
        inviting.revoke,
        name="invitation_revoke",
    ),
    path("<int:member_id>/", one.member, name="member"),
    path("<int:member_id>/remove/", one.remove, name="member_remove"),
]
