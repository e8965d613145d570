"""Print how long each page of the admin takes at size, and how many queries it makes.

    DATABASE_URL=... python -m tests.admin [--seed] [--repeat 5] [--only tenants]

`--seed` fills the database first; give it an empty migrated one. Server time, of this
process: no network, no browser. Exits with 1 when a page is slower than the limit.
"""

import argparse
import os
import sys
from importlib import import_module
from pathlib import Path

import django

sys.path[:0] = [str(Path(__file__).resolve().parents[2] / "platform")]
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")


def main() -> int:
    """Measure, print, and tell whether each page keeps within the limit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", action="store_true", help="fill the database first")
    parser.add_argument("--repeat", type=int, default=5, help="times each (default: 5)")
    parser.add_argument("--only", default="", help="pages whose name holds this")
    options = parser.parse_args()
    django.setup()
    # Models can be imported from here on.
    measuring = import_module("tests.admin.measuring")
    if options.seed:
        measuring.seed(os.environ["DATABASE_URL"])
    measured = measuring.measure(only=options.only, repeat=options.repeat)
    sys.stdout.write(measuring.table(measured))
    return 0 if all(each.is_quick for each in measured) else 1


if __name__ == "__main__":
    raise SystemExit(main())
