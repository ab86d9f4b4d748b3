"""The configuration files in ``docs/configs``, as the tests run them.

Users copy these files. The tests run the same text with other ports, paths and addresses: each is replaced literally,
and has to be there, so that a file that changes cannot slip out of its test.
"""

from __future__ import annotations

from tests.matrix.launch import ROOT

FOLDER = ROOT / "docs" / "configs"


LISTEN = "    listen 80;\n    listen [::]:80;\n"
"""How nginx's files listen, on IPv4 and IPv6."""


def listen(address: str) -> str:
    """What takes the place of ``LISTEN``: one address."""
    return f"    listen {address};\n"


def adapted(name: str, replacements: dict[str, str]) -> str:
    """The text of the file of this name, with each key replaced by its value wherever it stands.

    :raises AssertionError: if a key is not in the file.
    """
    text = (FOLDER / name).read_text(encoding="utf-8")
    for old, new in replacements.items():
        assert old in text, f"{name} does not have {old!r}"
        text = text.replace(old, new)
    return text
