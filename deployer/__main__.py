"""`python -m deployer`: the same as the `deployer` command."""

from __future__ import annotations

import sys

from deployer.cli.entry import main

if __name__ == "__main__":
    sys.exit(main())
