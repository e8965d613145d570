"""`make stripe`: set Django up for a database still to come, and hand over."""

import sys

from tests.chaos.__main__ import settle_environment

if __name__ == "__main__":
    settle_environment()
    from tests.collecting.command import main

    sys.exit(main(sys.argv[1:]))
