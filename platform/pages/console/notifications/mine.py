"""Your mails: what a member wants to be told by mail, and what is sent whatever it is.

Every role chooses for itself, also in a tenant that is suspended; nobody for others.

Failure: a topic that there is not is said beside its field, and nothing is kept.
"""

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from kit.errors import PermissionDenied
from pages.console.looking import is_looking
from pages.console.place import form_page, place_page
from tenants.mails.topics import Topic, choose_mails, wants
from tenants.models import Member


class ChoiceForm(forms.Form):
    """What a member wants mails of; none chosen means none."""

    wanted = forms.MultipleChoiceField(
        label="Send me mails of",
        required=False,
        choices=Topic.choices,
        widget=forms.CheckboxSelectMultiple,
    )


@form_page
@place_page
def mine(request: HttpRequest, *, place: Member) -> HttpResponse:
    """Ask a member which mails to send, and keep the answer."""
    if is_looking(place):
        raise PermissionDenied("Everybody chooses mails for themselves.")
    chosen = [each.value for each in Topic if wants(place, each)]
    sent = request.POST if request.method == "POST" else None
    form = ChoiceForm(sent, initial={"wanted": chosen})
    if form.is_valid():
        choose_mails(member=place, wanted=form.cleaned_data["wanted"])
        messages.success(request, "Your choice is kept, and holds from the next mail.")
        return redirect("console:my_mails", tenant=place.tenant.slug)
    context = {"place": place, "form": form}
    status = 400 if form.is_bound else 200
    return render(
        request, "pages/console/notifications/mine.html", context, status=status
    )
