"""The container's entry: the action's main step."""

import os
import sys

from promote.action import main

if __name__ == "__main__":
    sys.exit(main(os.environ, sys.stdout))
