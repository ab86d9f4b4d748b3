"""Real servers by real frameworks: what goes over the wire, byte by byte."""
