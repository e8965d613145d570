"""The page behind the link that asks whether bills shall come to an address.

Whoever holds the link got the mail, so the address is theirs: nobody signs in. A look
alone says nothing, since programs that read mail open every link. A no ends it: that
tenant asks there no more.

Failure: a link that opens nothing is one page for every reason, with 404.
"""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from kit.errors import NotFound
from kit.orm.atomic import atomic
from pages.access import refusal
from tenants.mails import addresses


@require_http_methods(["GET", "HEAD", "POST"])
def bill_address(request: HttpRequest, text: str) -> HttpResponse:
    """Show who asks, and let bills come if whoever has the address says so."""
    try:
        with atomic():
            found = addresses.opened(text=text)
            if request.method == "POST":
                says_no = request.POST.get("answer") == "no"
                answer = addresses.decline if says_no else addresses.confirm
                found = answer(text=text, now=timezone.now())
            context = {"address": found}
            return render(request, "account/bill_address.html", context)
    except NotFound as missing:
        return refusal(request, 404, "Nothing to confirm", missing.message)
