"""The demo operator's second factor, without a phone: `make code` prints its code.

    python -m config.local.code

Codes are those of RFC 6238 with the parameters that every authenticator app takes for
granted. Failure: without a demo it says how to make one.
"""

import base64
import hmac
import sys
import time

from config.env import load
from config.local.settings import UpSettings
from config.local.state import read_env

STEP_SECONDS = 30
DIGITS = 6
NAME = "TOLLGATE_ADMIN_TOTP_SECRET"


def code_at(secret: str, instant_s: float) -> str:
    """Return the code that an app with this base32 secret shows at an instant."""
    key = base64.b32decode(secret, casefold=True)
    step = int(instant_s) // STEP_SECONDS
    digest = hmac.digest(key, step.to_bytes(8, "big"), "sha1")
    start = digest[-1] & 0x0F
    number = int.from_bytes(digest[start : start + 4], "big") & 0x7FFF_FFFF
    return f"{number % 10**DIGITS:0{DIGITS}}"


def main() -> int:
    """Print the code of this moment, and for how long it is shown."""
    folder = load(UpSettings).state_dir.expanduser()
    secret = read_env(folder / "demo.env").get(NAME, "")
    if not secret:
        sys.stderr.write(f"tollgate: {folder}/demo.env names no {NAME}: run make up\n")
        return 1
    now_s = time.time()
    left_s = STEP_SECONDS - int(now_s) % STEP_SECONDS
    sys.stdout.write(f"{code_at(secret, now_s)}  (for {left_s} s; it works once)\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
