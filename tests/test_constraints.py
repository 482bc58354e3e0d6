"""constraints.txt pins every package that is installed for the tests, within the ranges."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import PackageNotFoundError, distribution

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from conftest import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
REQUIREMENTS = [Requirement(r) for r in sum(EXTRAS.values(), PROJECT["dependencies"])]


def pins() -> dict[str, Version]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pairs = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(name): Version(version) for name, version in pairs}


@pytest.mark.parametrize("requirement", REQUIREMENTS, ids=lambda r: r.name)
def test_every_dependency_has_a_range_and_a_pin_inside_it(requirement: Requirement) -> None:
    operators = {specifier.operator for specifier in requirement.specifier}
    assert {">=", "<"} <= operators
    assert requirement.specifier.contains(pins()[canonicalize_name(requirement.name)])


def test_what_is_installed_is_what_is_pinned() -> None:
    """Follows the dependencies of every extra that is installed here."""
    todo = list(REQUIREMENTS)
    seen: set[str] = set()
    while todo:
        name = canonicalize_name(todo.pop().name)
        if name in seen:
            continue
        seen.add(name)
        try:
            found = distribution(name)
        except PackageNotFoundError:
            continue
        assert name in pins(), f"{name} is not in constraints.txt"
        assert pins()[name].public == Version(found.version).public, name
        for line in found.requires or []:
            requirement = Requirement(line)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                todo.append(requirement)
    assert len(seen) > 40


def test_no_line_pins_anything_else() -> None:
    for line in (ROOT / "constraints.txt").read_text().splitlines():
        assert re.fullmatch(r"#.*|[\w.-]+==[\w.]+", line), line
