"""Run the stand-in: `python -m tests.standins.stripe --port 12111`."""

import argparse
import signal
import sys

from tests.standins.stripe.server import StripeStandIn


def main() -> None:
    """Serve until SIGINT or SIGTERM."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.standins.stripe", description=__doc__
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=12111, help="0 picks a free one")
    options = parser.parse_args()
    stops = {signal.SIGINT, signal.SIGTERM}
    # Blocked before the server's thread starts, so that only the wait below gets them.
    signal.pthread_sigmask(signal.SIG_BLOCK, stops)
    with StripeStandIn(host=options.host, port=options.port) as standin:
        sys.stdout.write(f"STRIPE_API_BASE={standin.url}\n")
        sys.stdout.flush()
        signal.sigwait(stops)


if __name__ == "__main__":
    main()
