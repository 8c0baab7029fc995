"""``python -m orchestration.cli`` is ``howto``, where the command is not installed."""

import sys

from orchestration.cli import main

if __name__ == "__main__":
    sys.exit(main())
