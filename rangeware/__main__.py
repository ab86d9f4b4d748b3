"""Run the command without its script: ``python -m rangeware get ...``."""

from __future__ import annotations

import sys

from .client.cli.command import main

sys.exit(main())
