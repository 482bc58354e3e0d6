"""What the pages say is what the code is."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from conftest import ROOT

PLUGIN = ROOT / "tests" / "example_plugin"
PAGES = [*sorted((ROOT / "docs").glob("*.md")), ROOT / "README.md"]


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.parametrize("name", ["add-a-tool", "add-a-backend", "add-a-strategy"])
def test_the_code_of_a_page_is_the_plug_in_that_the_tests_run(name: str) -> None:
    page = ROOT / "docs" / f"{name}.md"
    file = re.search(r"`(src/alref_example/\w+\.py)`:", page.read_text())
    assert file
    assert blocks(page, "python")[0] == (PLUGIN / file[1]).read_text()
    project = tomllib.loads((PLUGIN / "pyproject.toml").read_text())["project"]
    shown = tomllib.loads(blocks(page, "toml")[0])["project"]["entry-points"]
    for group, points in shown.items():
        assert project["entry-points"][group] == points


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_within_the_project_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)", page.read_text(encoding="utf-8")):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), target


def test_every_room_is_on_the_page_and_no_other() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text()
    table = page[page.index("| room |") : page.index("`torch`, `transformers`")]
    rows = [row.split("|")[1] for row in table.splitlines()[2:] if row.startswith("|")]
    said = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    package = ROOT / "src" / "alref_agent"
    there = {path.stem for path in package.glob("*.py")}
    there |= {path.parent.name for path in package.glob("*/__init__.py")}
    assert said == there - {"__init__", "_version"}


def test_every_command_that_the_pages_show_is_one() -> None:
    shown = set()
    for page in PAGES:
        shown |= set(re.findall(r"alref-agent ([a-z]+)", page.read_text(encoding="utf-8")))
    words = [sys.executable, "-m", "alref_agent", "--help"]
    usage = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    known = set(re.findall(r"^  ([a-z]+)  ", usage, re.MULTILINE))
    assert shown <= known, shown - known


def test_every_setting_that_the_pages_show_is_one() -> None:
    from alref_agent.config import keys

    known = {key for key, _ in keys()}
    for page in PAGES:
        for key in re.findall(r"--set ([\w.]+)=", page.read_text(encoding="utf-8")):
            # `llm.options.x` is one entry of a setting that takes any.
            assert key in known or key.rpartition(".")[0] in known, key
