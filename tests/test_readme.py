"""What the README promises is what the code has."""

from __future__ import annotations

import dataclasses
import pathlib
import re

import rangeware
from rangeware import Reason
from rangeware.options import Options

README = (pathlib.Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")


def rows(heading: str) -> list[list[str]]:
    """The cells of the table under a heading, without its first two lines."""
    section = re.split(r"^## ", README, flags=re.MULTILINE)
    text = next(part for part in section if part.startswith(heading))
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]


def test_every_option_stands_there_with_its_default():
    said = {row[0].strip("` "): row[1] for row in rows("Options")}
    assert list(said) == [field.name for field in dataclasses.fields(Options)]
    for field in dataclasses.fields(Options):
        assert said[field.name].replace("`", "").startswith(str(field.default)), field.name


def test_every_reason_stands_there_with_its_sentence():
    assert {row[0].strip("` "): row[1] for row in rows("Why did I get a 200?")} == {
        reason.name: str(reason) for reason in Reason
    }


def test_there_are_at_most_eight_public_names():
    assert len(rangeware.__all__) <= 8
    assert all(hasattr(rangeware, name) for name in rangeware.__all__)
