"""``python -m conformance``: ask an AWS account. See docs/assumptions.md."""

import os
import sys
from secrets import token_hex

from conformance.kit import main, say_to_stdout
from promote.core.clock import SystemClock

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ, SystemClock(), token_hex, say_to_stdout))
