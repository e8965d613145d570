"""Run the stand-in: `python -m tests.standins.stripe --port 12111`.

With STRIPE_API_KEY set it takes that key and no other. With `--webhook` its events go
there, signed with STRIPE_WEBHOOK_SECRETS. With `--keep` it comes back as it was left.
"""

import argparse
import os
import signal
import sys
from pathlib import Path

from tests.standins.stripe.server import StripeStandIn

# The same at each start, so that what waits to be sent finds its endpoint.
ENDPOINT = "we_of_the_command_line"


def main() -> None:
    """Serve until SIGINT or SIGTERM."""
    options = _options()
    stops = {signal.SIGINT, signal.SIGTERM}
    # Blocked before the server's thread starts, so that only the wait below gets them.
    signal.pthread_sigmask(signal.SIG_BLOCK, stops)
    standin = StripeStandIn(host=options.host, port=options.port, kept_in=options.keep)
    _set_up(standin, options.webhook, options.charges_after_s)
    with standin:
        sys.stdout.write(f"STRIPE_API_BASE={standin.url}\n")
        sys.stdout.flush()
        signal.sigwait(stops)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.standins.stripe", description=__doc__
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=12111, help="0 picks a free one")
    parser.add_argument("--keep", type=Path, help="file to keep the accounts in")
    parser.add_argument("--webhook", help="URL that events are sent to")
    parser.add_argument(
        "--charges-after-s",
        type=int,
        default=3600,
        help="how long after it was finalised an invoice is charged by itself",
    )
    return parser.parse_args()


def _set_up(standin: StripeStandIn, webhook: str | None, charges_after_s: int) -> None:
    account = standin.engine.account
    account.attempts_after_s = charges_after_s
    merchants = standin.engine.merchants
    if api_key := os.environ.get("STRIPE_API_KEY"):
        merchants.give_key(merchants.rows[0], api_key)
        merchants.is_strict = True
    if webhook:
        given = os.environ.get("STRIPE_WEBHOOK_SECRETS", "")
        secrets = [part.strip() for part in given.split(",") if part.strip()]
        standin.add_webhook(webhook, secrets=secrets, reference=ENDPOINT)


if __name__ == "__main__":
    main()
