"""Prompt files: what they say, which are refused, where they are found."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from alref_agent.errors import PromptError
from alref_agent.prompts.library import PromptLibrary, released
from alref_agent.prompts.prompt import Prompt

GOOD = """\
---
id: pivot-box/mine
version: mine
step: pivot-box
tasks: [rvos]
summary: A short one.
inputs: [expression, n_boxes]
pictures: sheet
reply: bracketed
---
Find {{ expression | quoted }} in {{ n_boxes | counted("box", "boxes") }}: [1]
"""
SCHEMA = """\
reply: json
schema:
  type: object
  properties: {boxes: {type: array, items: {type: integer}}}
  required: [boxes]
  additionalProperties: false
"""


def changed(old: str, new: str) -> str:
    assert old in GOOD
    return GOOD.replace(old, new)


def put(folder: Path, source: str = GOOD, name: str = "pivot-box/mine.md") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(source, encoding="utf-8")
    return path


def test_a_good_file_is_what_it_says() -> None:
    prompt = Prompt.parse(GOOD, "mine.md")
    assert (prompt.id, prompt.step, prompt.version) == ("pivot-box/mine", "pivot-box", "mine")
    assert prompt.inputs == ("expression", "n_boxes")
    assert (prompt.pictures, prompt.reply, prompt.schema) == ("sheet", "bracketed", None)
    assert prompt.source == GOOD
    rendered = prompt.render(expression='the "big" dog', n_boxes=1, layout="not declared")
    assert rendered.text == 'Find "the \\"big\\" dog" in 1 box: [1]'
    assert rendered.system == ""
    assert rendered.prompt is prompt
    assert Prompt.parse(changed("reply: bracketed\n", SCHEMA), "m").schema is not None


def test_the_digest_is_of_the_text_and_not_of_how_lines_end() -> None:
    prompt = Prompt.parse(GOOD, "a")
    windows = Prompt.parse("\ufeff" + GOOD.replace("\n", "\r\n"), "b")
    assert re.fullmatch("[0-9a-f]{12}", prompt.digest)
    assert (windows.digest, windows.source) == (prompt.digest, prompt.source)
    assert Prompt.parse(changed("Find", "Seek"), "c").digest != prompt.digest
    assert Prompt.parse(changed("A short", "A long"), "c").digest != prompt.digest


BAD = {
    "empty": ("", "should start with YAML between two lines of three dashes"),
    "no front matter": ("Find {{ expression }}", "should start with YAML"),
    "one line of dashes": ("---\nid: x\n", "should start with YAML"),
    "empty front matter": ("---\n---\nFind", "should hold `key: value` lines"),
    "no body": (GOOD[: GOOD.index("Find")] + " \n\n", "no template follows"),
    "no YAML": (changed("tasks: [rvos]", "tasks: [rvos"), "line 6: the front matter is not YAML"),
    "an alias": (changed("[rvos]", "&a [rvos]\nx: *a"), "aliases are not taken"),
    "a key twice": (changed("tasks", "step: x\ntasks"), "'step' is there twice"),
    "a tag that lies": (changed("A short one.", '!!int ""'), "cannot be read"),
    "a day that is none": (changed("A short one.", "2024-99-99"), "cannot be read"),
    "an object": (changed("A short one.", "!!python/object:os.x"), "not YAML"),
    "deep YAML": (changed("A short one.", "[" * 5000), "not YAML"),
    "unknown key": (changed("summary", "sumary"), "Unknown key 'sumary'. Did you mean 'summary'"),
    "missing key": (changed("summary: A short one.\n", ""), "summary: Field required"),
    "a number": (changed("version: mine", "version: 2"), "version: Input should be a valid string"),
    "a bad version": (changed("version: mine", "version: ../x"), "version: String should match"),
    "another id": (changed("id: pivot-box/mine", "id: pivot-box/v7"), "id: it should be pivot-box"),
    "unknown step": (changed("step: pivot-box", "step: pivot-bx"), "Did you mean 'pivot-box'"),
    "unknown task": (changed("[rvos]", "[rvoss]"), "Unknown task 'rvoss'. Did you mean 'rvos'"),
    "no task": (changed("[rvos]", "[]"), "tasks: List should have at least 1"),
    "unknown input": (changed("n_boxes]", "n_boxs]"), "Unknown input 'n_boxs'. Did you mean"),
    "another step's input": (changed("n_boxes]", "window]"), "Unknown input 'window'"),
    "an input twice": (changed("n_boxes]", "expression]"), "inputs: 'expression' is there twice"),
    "unknown pictures": (changed("sheet", "sheets"), "pictures: Input should be 'sheet' or"),
    "unknown reply": (changed("bracketed", "text"), "reply: Input should be 'bracketed', "),
    "another step's reply": (changed("bracketed", "free"), "reply: bracketed or json for piv"),
    "another step's parent": (changed("tasks", "parent: pivot-frame/v1\ntasks"), "parent: it "),
    "a terminal's orders": (changed("A short one.", '"\\e[31m"'), "control characters"),
    "a control character": (changed("Find", "Find\x1b[31m"), "line 11 has the control character U"),
    "half a character": (changed("Find", "Find\ud800"), "line 11 has the control character U+D800"),
    "json without schema": (changed("bracketed", "json"), "reply: json needs a schema"),
    "schema without json": (changed("tasks", "schema: {type: object}\ntasks"), "only a prompt"),
    "template syntax": (changed("n_boxes |", "n_boxes | |"), "line 11 is no template: "),
    "open block": (changed("Find", "{% if n_boxes %}\nFind"), "line 12 is no template: "),
    "unknown filter": (changed("quoted", "quotd"), "No filter named 'quotd'"),
    "unlike every time": (changed("quoted", "list | random"), "No filter named 'random'"),
    "undeclared": (changed("{{ n_boxes", "{{ pivot }} {{ n_boxes"), "'pivot', which is not among"),
    "undeclared in system": (changed("tasks", "system: '{{ boxes }}'\ntasks"), "'boxes', which is"),
    "system syntax": (changed("tasks", "system: '{{ }'\ntasks"), "system: line 1 is no template"),
    "a global": (changed("Find", "{{ lipsum() }}"), "'lipsum', which is not among"),
    "include": (changed("Find", "{% include '/etc/passwd' %}"), "a prompt is one file"),
    "deep template": (changed("Find", "{{ " + "(" * 3000), "nested too deeply"),
    "deep blocks": (
        changed("Find", "{% for b in n_boxes %}" * 30 + "{% endfor %}" * 30),
        "nested too deeply",
    ),
}  # fmt: skip


@pytest.mark.parametrize("which", BAD)
def test_a_bad_file_is_one_line(which: str) -> None:
    source, says = BAD[which]
    with pytest.raises(PromptError) as caught:
        Prompt.parse(source, "folder/file.md")
    message = str(caught.value)
    assert message.startswith("folder/file.md: ")
    assert says in message
    assert "\n" not in message
    assert len(message) < 400


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("type: object", "type: objct", "schema.type: 'objct'"),
        ("type: object", "type: array", "an object with the field 'boxes', which is required"),
        ("required: [boxes]", "required: []", "an object with the field 'boxes'"),
        ("{boxes:", "{boxs:", "an object with the field 'boxes'"),
        ("{type: integer}", "{$ref: 'http://127.0.0.1/x'}", "references are not taken"),
        ("{type: integer}", "{const: 2024-01-01}", "holds what JSON does not know"),
        ("{type: integer}", "{const: .nan}", "holds what JSON does not know"),
        ("{type: integer}", "{const: {1: 2}}", "holds what JSON does not know"),
    ],
)
def test_a_schema_that_no_reply_can_be_checked_against(old: str, new: str, says: str) -> None:
    assert old in SCHEMA
    source = changed("reply: bracketed\n", SCHEMA.replace(old, new))
    with pytest.raises(PromptError, match=re.escape(says)):
        Prompt.parse(source, "file.md")


def _bad_places(folder: Path) -> dict[str, tuple[Path, str]]:
    link = folder / "link.md"
    link.symlink_to(put(folder / "real"))
    huge = put(folder, GOOD + "x" * 100_000, "huge.md")
    latin = put(folder, name="latin.md")
    latin.write_bytes(b"---\ncaf\xe9\n---\n")
    (folder / "folder.md").mkdir()
    return {
        "link": (link, "is a symbolic link"),
        "huge": (huge, "at most 100000 are taken"),
        "latin": (latin, "is not UTF-8"),
        "folder": (folder / "folder.md", "is no file"),
        "gone": (folder / "gone.md", "cannot be read: No such file"),
        "null": (folder / "\0.md", "cannot be read"),
        "other step": (put(folder, name="x.md"), "is a prompt for pivot-box, not for pivot-frame"),
        "taken id": (put(folder, GOOD.replace("mine", "v1"), "v1.md"), "give it another version"),
    }


@pytest.mark.parametrize(
    "which", ["link", "huge", "latin", "folder", "gone", "null", "other step", "taken id"]
)
def test_a_file_that_cannot_be_taken(tmp_path: Path, which: str) -> None:
    path, says = _bad_places(tmp_path)[which]
    with pytest.raises(PromptError) as caught:
        PromptLibrary().get("pivot-frame", str(path))
    assert says in str(caught.value)
    assert path.name in str(caught.value)


def test_folders_of_the_users(tmp_path: Path) -> None:
    mine = put(tmp_path / "a")
    library = PromptLibrary([tmp_path / "a", str(tmp_path / "a")])  # once more does no harm
    prompt = library.get("pivot-box", "mine")
    assert (prompt.path, prompt.origin) == (mine, str(tmp_path / "a"))
    assert library.get("pivot-box", "v1").origin == "built-in"
    assert [p.id for p in library.all() if p.origin != "built-in"] == ["pivot-box/mine"]
    assert PromptLibrary().get("pivot-box", str(mine)).id == "pivot-box/mine"

    with pytest.raises(PromptError, match=r"Did you mean 'mine'\? Known: mine, text-v1, v1, v2"):
        library.get("pivot-box", "min")
    with pytest.raises(PromptError, match="Unknown step 'pivot-boxs'"):
        library.get("pivot-boxs", "v1")
    with pytest.raises(PromptError, match="Unknown pivot-box prompt '../pivot-frame/v1'"):
        library.get("pivot-box", "../pivot-frame/v1")


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({}, "is no folder"),
        ({"note.md": GOOD}, "holds no prompts"),
        ({"pivot-box/other.md": GOOD}, "it says that it is pivot-box/mine"),
        ({"pivot-box/v1.md": GOOD.replace("mine", "v1")}, "give it another version"),
        ({"pivot-box/mine.md": GOOD, "../b/pivot-box/mine.md": GOOD}, "is also in"),
        ({"pivot-box/mine.md": "x"}, "should start with YAML"),
    ],
)
def test_a_folder_that_cannot_be_used(tmp_path: Path, files: dict[str, str], says: str) -> None:
    for name, source in files.items():
        put(tmp_path / "a", source, name)
    folders = [tmp_path / "a", *([tmp_path / "b"] if (tmp_path / "b").exists() else [])]
    with pytest.raises(PromptError, match=says):
        PromptLibrary(folders).all()


def test_a_step_folder_that_is_a_link(tmp_path: Path) -> None:
    put(tmp_path / "real")
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "pivot-box").symlink_to(tmp_path / "real" / "pivot-box")
    with pytest.raises(PromptError, match="symbolic link"):
        PromptLibrary([tmp_path / "a"]).get("pivot-box", "mine")


def test_what_is_given_comes_before_files(tmp_path: Path) -> None:
    edited = PromptLibrary().get("pivot-box", "v1").source + "\nOne more line.\n"
    library = PromptLibrary([tmp_path / "gone"], given={"pivot-box/v1": edited})
    prompt = library.get("pivot-box", "v1")
    assert prompt.source == edited
    assert (prompt.origin, prompt.path) == ("given", None)
    # The file that a recorded run named need not be on this machine.
    assert library.get("pivot-box", "/elsewhere/mine.md").source == edited
    with pytest.raises(PromptError, match="is no folder"):
        library.get("pivot-frame", "v1")
    with pytest.raises(PromptError, match="says that it is pivot-box/v1"):
        PromptLibrary(given={"pivot-box/v9": edited}).get("pivot-box", "v9")
    assert len(PromptLibrary(given={"pivot-box/v1": edited}).all()) == len(released())
