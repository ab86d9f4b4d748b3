"""The command ``rangeware get``: its arguments, what it shows, and its exit codes."""
