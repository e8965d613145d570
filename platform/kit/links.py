"""Which rights the page behind an address of the admin asks for; pure."""


def rights_for(address: str) -> tuple[str, ...]:
    """Return the permissions of a list's address, `admin:tenants_tenant_changelist`.

    Pages that are no list ask for none: they say themselves who may enter.
    """
    site, _, page = address.partition(":")
    app, _, rest = page.partition("_")
    model, _, kind = rest.rpartition("_")
    if site != "admin" or kind != "changelist":
        return ()
    return (f"{app}.view_{model}",)
