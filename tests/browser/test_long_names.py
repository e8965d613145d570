"""Names as long as names may be, without a space, make no operator's page wider."""

import pytest

from tests.browser.watch import PHONE_DARK, WIDE_LIGHT, Look, Watched
from tests.factories.tenants import make_key, make_project, make_tenant

pytestmark = pytest.mark.timeout(180)


@pytest.mark.parametrize("look", [WIDE_LIGHT, PHONE_DARK], ids=lambda look: look.name)
def test_pages_of_long_names_fit_the_screen(operator: Watched, look: Look) -> None:
    tenant = make_tenant(name="t" * 200)
    project = make_project(tenant=tenant, slug="p" * 63, name="p" * 200)
    key = make_key(tenant=tenant, project=project, name="k" * 100).row
    operator.look(look)
    for page in (
        f"tenants/apikey/{key.pk}/change/",
        f"tenants/apikey/{key.pk}/rotate/",
        f"tenants/apikey/?q={tenant.slug}",
        f"tenants/project/{project.pk}/change/",
        f"tenants/project/?q={tenant.slug}",
        f"tenants/tenant/{tenant.pk}/change/",
        f"tenants/{tenant.pk}/keys/",
    ):
        operator.open(f"/admin/{page}")
        operator.check()
