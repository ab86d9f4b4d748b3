"""The command without its script: ``python -m rangeware get ...``."""

from __future__ import annotations

import sys

from .client.command import main

sys.exit(main())
