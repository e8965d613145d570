"""Let `python -m inference.engines.simulator` start the simulator."""

import sys

from inference.engines.simulator.cli import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
