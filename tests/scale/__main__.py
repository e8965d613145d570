"""`make books`: set Django up for a database that does not exist yet, and hand over."""

import sys

from tests.chaos.__main__ import settle_environment

if __name__ == "__main__":
    settle_environment()
    from tests.scale.command import main

    sys.exit(main(sys.argv[1:]))
