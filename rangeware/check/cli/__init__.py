"""The command ``rangeware check``."""
