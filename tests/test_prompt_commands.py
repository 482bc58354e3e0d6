"""`alref-agent prompts list | show | diff | lint`, and what lint finds."""

from __future__ import annotations

import os
import pty
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from alref_agent.prompts.library import TEMPLATES, PromptFile, PromptLibrary, released
from alref_agent.prompts.lint import lint
from test_bad_input import command, refused
from test_prompts import GOOD, SCHEMA, changed, put


def found(path: Path) -> list[tuple[str, str]]:
    (report,) = lint([PromptFile(path, "")])
    assert report.name == str(path)
    return [(finding.level, finding.message) for finding in report.findings]


def test_the_built_in_prompts_have_no_faults() -> None:
    reports = lint(PromptLibrary().files())
    assert {report.name for report in reports} == set(released())
    assert [finding for report in reports for finding in report.findings] == []


OPEN_SCHEMA = SCHEMA.replace("  additionalProperties: false\n", "").replace(
    "{boxes:", "{x: {}, boxes:"
)


@pytest.mark.parametrize(
    ("source", "level", "says"),
    [
        ("no prompt", "error", "it should start with YAML"),
        (changed("| quoted }}", "}}"), "error", "gets in as it is"),
        (changed("{{ expression | quoted }}", '"{{ expression }}"'), "error", "gets in as it is"),
        (changed("| quoted", "| upper"), "error", "gets in as it is"),
        (changed("| quoted", "| replace('\\n', ' ')"), "error", "gets in as it is"),
        (changed("tasks", "system: '{{ expression }}'\ntasks"), "error", "gets in as it is"),
        (
            changed("n_boxes]", "boxes]").replace("{{ n_boxes |", "{{ boxes[0].phrase }}{{ 1 |"),
            "error",
            "gets in as it is",
        ),
        (changed(": [1]", "."), "error", "a number in square brackets"),
        (changed("Find", "{{ 10**5000 }}"), "error", "makes something that is too large"),
        (changed("n_boxes |", "n_boxes.x |"), "error", "with example inputs, pivot-box/mine"),
        (
            changed("n_boxes]", "sightings]").replace("n_boxes", "sightings[0].objects[0].score"),
            "error",
            "with example inputs",
        ),
        (changed("n_boxes]", "n_boxes, pivot]"), "warning", "input pivot is declared and not used"),
        (
            changed("[expression, ", "[").replace("{{ expression | quoted }}", "it"),
            "warning",
            "it does not say what to look for",
        ),
        (changed("tasks", "parent: pivot-box/v0\ntasks"), "warning", "pivot-box/v0 is not known"),
        (changed("reply: bracketed\n", OPEN_SCHEMA), "warning", "x should be required"),
        (changed("reply: bracketed\n", OPEN_SCHEMA), "warning", "allows additionalProperties"),
    ],
)  # fmt: skip
def test_lint_finds(tmp_path: Path, source: str, level: str, says: str) -> None:
    findings = found(put(tmp_path, source))
    assert [kind for kind, message in findings if says in message] == [level], findings
    assert {kind for kind, _ in findings} == {level}


@pytest.mark.parametrize("filter_", ["quoted", "tojson"])
def test_lint_lets_pass_what_is_quoted_otherwise(tmp_path: Path, filter_: str) -> None:
    assert found(put(tmp_path, changed("| quoted", f"| {filter_}"))) == []


def test_an_edited_new_or_missing_released_file_is_an_error(tmp_path: Path) -> None:
    templates = tmp_path / "templates"
    shutil.copytree(TEMPLATES, templates)
    edited = templates / "pivot-box" / "v1.md"
    edited.write_text(edited.read_text() + "Be brief.\n")
    (templates / "pivot-frame" / "v2.md").unlink()
    put(templates)
    files = [PromptFile(path, "built-in") for path in sorted(templates.glob("*/*.md"))]
    faults = {r.name: [f.message for f in r.findings] for r in lint(files) if r.findings}
    assert faults.keys() == {"pivot-box/v1", "pivot-frame/v2", "pivot-box/mine"}
    assert "edited after its release" in faults["pivot-box/v1"][0]
    assert "is gone" in faults["pivot-frame/v2"][0]
    assert "not in released.json; its digest is " in faults["pivot-box/mine"][0]


def test_lint_from_the_command_line(tmp_path: Path) -> None:
    status, output, error = command("prompts", "lint")
    assert (status, error) == (0, "")
    assert sorted(output.split("\n")[:-1]) == [f"ok       {id_}" for id_ in sorted(released())]

    good = put(tmp_path / "a")
    bad = put(tmp_path / "a", "x", "pivot-frame/bad.md")
    warned = put(tmp_path, changed("n_boxes]", "n_boxes, pivot]"), "w.md")
    status, output, error = command("prompts", "lint", tmp_path / "a", warned)
    assert (status, error) == (2, "")
    assert output.splitlines() == [
        f"ok       {good}",
        f"error    {bad}: it should start with YAML between two lines of three dashes.",
        f"error    {warned}: pivot-box/mine is also in {good}",
        f"warning  {warned}: the input pivot is declared and not used",
    ]
    status, output, _ = command("prompts", "lint", tmp_path / "gone.md")
    assert status == 2
    assert output == f"error    {tmp_path}/gone.md: it cannot be read: No such file or directory.\n"
    status, output, _ = command("prompts", "lint", warned)
    assert (status, output.count("\n")) == (0, 1)
    status, output, _ = command("prompts", "lint", "--set", f"prompts.paths=['{tmp_path / 'a'}']")
    assert status == 2
    assert output.count("\n") == len(released()) + 2
    refused("prompts", "lint", "--set", "prompts.paths=[gone]", says="gone is no folder")


def test_list(tmp_path: Path) -> None:
    put(tmp_path)
    settings = tmp_path / "settings.yaml"
    settings.write_text(f"prompts:\n  paths: ['{tmp_path}']\n")
    for option in (["--path", str(tmp_path)], ["--config", str(settings)]):
        status, output, error = command("prompts", "list", *option)
        assert (status, error) == (0, "")
        head, *rows = output.splitlines()
        assert head.split() == ["id", "pictures", "reply", "tasks", "digest", "from", "summary"]
        assert {row.split()[0] for row in rows} == {*released(), "pivot-box/mine"}
        (mine,) = (row for row in rows if row.startswith("pivot-box/mine "))
        assert re.search(
            rf"sheet +bracketed +rvos +[0-9a-f]{{12}} +{tmp_path} +A short one\.$", mine
        )
    (tmp_path / "pivot-box" / "mine.md").write_text("x")
    refused("prompts", "list", "--path", tmp_path, says="should start with YAML")


def test_show(tmp_path: Path) -> None:
    status, output, error = command("prompts", "show", "pivot-box/v2")
    assert (status, error) == (0, "")
    prompt = PromptLibrary().find("pivot-box/v2")
    for said in (prompt.digest, prompt.body.strip(), prompt.system.strip(), '"boxes_seen": {'):
        assert said in output
    assert "pivot: The number of the frame on which the boxes are drawn." in output
    assert "parent    pivot-box/v1\n" in output

    mine = put(tmp_path)
    for words in ([str(mine)], ["pivot-box/mine", "--path", str(tmp_path)]):
        status, output, _ = command("prompts", "show", *words)
        assert status == 0
        assert f"from      {mine}\n" in output
        assert output.endswith(GOOD[GOOD.index("Find") :])


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["show", "pivot-box/v9"], "Unknown pivot-box prompt 'v9'. Did you mean 'v2'? Known: "),
        (["show", "v1"], "Unknown prompt 'v1'. Known: agent/v1, detect/v1, pivot-box/text-v1, "),
        (["show", "pivot-bx/v1"], "Unknown step 'pivot-bx'. Did you mean 'pivot-box'?"),
        (["show", "gone.md"], "gone.md: it cannot be read: No such file"),
        (["diff", "pivot-box/v1", "pivot-box/v9"], "Unknown pivot-box prompt"),
        (["diff", "pivot-box/v1"], "Missing argument"),
        (["list", "--path", "gone"], "gone is no folder"),
        (["list", "--set", "prompts.path=x"], "Did you mean 'prompts.paths'"),
    ],
)
def test_what_is_not_there(tmp_path: Path, words: list[str], says: str) -> None:
    refused("prompts", *words, says=says, cwd=tmp_path)


def test_diff(tmp_path: Path) -> None:
    old = put(tmp_path)
    new = put(tmp_path, changed("Find", "Seek"), "new.md")
    status, output, error = command("prompts", "diff", old, new)
    assert (status, error) == (0, "")
    lines = output.splitlines()
    assert lines[0].startswith(f"--- {old} (")
    assert lines[1].startswith(f"+++ {new} (")
    (less,) = (line for line in lines[2:] if line.startswith("-"))
    (more,) = (line for line in lines[2:] if line.startswith("+"))
    assert less.startswith("-Find {{ expression")
    assert more == "+" + less[1:].replace("Find", "Seek")
    assert "\x1b" not in output

    status, output, _ = command("prompts", "diff", "pivot-box/v1", "pivot-box/v2")
    assert status == 0
    assert "+reply: json\n" in output
    _, output, _ = command("prompts", "diff", "pivot-box/v1", "pivot-box/v1")
    assert output == "pivot-box/v1 and pivot-box/v1 are the same.\n"


def test_diff_is_coloured_in_a_terminal() -> None:
    ours, theirs = pty.openpty()
    words = [sys.executable, "-m", "alref_agent", "prompts", "diff"]
    with subprocess.Popen([*words, "pivot-frame/v1", "pivot-frame/text-v1"], stdout=theirs) as done:
        os.close(theirs)
        output = b""
        try:
            while part := os.read(ours, 4096):
                output += part
        except OSError:  # the other end has closed
            pass
    os.close(ours)
    assert done.returncode == 0
    assert b"\x1b[31m-pictures: sheet" in output
    assert b"\x1b[32m+pictures: none" in output
