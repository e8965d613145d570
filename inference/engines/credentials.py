"""An engine's API key: named by the control side, held by the gateway's environment."""

import os

CREDENTIAL_PREFIX = "ENGINE_KEY_"


def credential(name: str) -> str:
    """Return a credential by the name of its variable; most engines have none.

    Whoever may name a variable must not be able to have any other secret sent out.
    """
    return os.environ.get(name, "") if name.startswith(CREDENTIAL_PREFIX) else ""
