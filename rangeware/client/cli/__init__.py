"""The commands ``rangeware get`` and ``put``: its arguments, what it shows, and its exit codes."""
