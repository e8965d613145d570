"""Begin to look at a tenant's console as its members see it, and end it.

Failure: who may not see all that it shows is refused with 403, a GET with 405.
"""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from pages.access import admin_page
from pages.console import looking
from pages.operations.shell import Reader
from tenants import selectors
from tenants.models import Tenant


def look_address(tenant: Tenant, reader: Reader) -> str:
    """Return where somebody begins to look; empty where they may not."""
    if not reader.has_perms(looking.RIGHTS):
        return ""
    return reverse("operations:look", args=(tenant.pk,))


@require_POST
@admin_page(*looking.RIGHTS)
def look(request: HttpRequest, tenant_id: int) -> HttpResponse:
    """Look at a tenant, or look no more."""
    tenant = selectors.tenant(tenant_id)
    if request.POST.get("end"):
        looking.end(request)
        return redirect("operations:tenant", tenant.pk)
    looking.begin(request, tenant=tenant, now=timezone.now())
    return redirect("console:tenant", tenant=tenant.slug)
