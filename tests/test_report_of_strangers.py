"""The page of a run whose text, files and sizes are nobody's friend."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from alref_agent.record import PivotRecord, RunResult
from alref_agent.report.page import render
from alref_agent.report.pictures import Album, fitted
from alref_agent.report.words import LONGEST, Places, cut, seen, shorter
from alref_agent.workspace import Workspace
from doubles import workspace
from html_reading import TAGS, Page
from report_runs import HOSTILE, answered, asked, hostile, request, sheet

Made = tuple[RunResult, str | None]


@pytest.fixture
def space(tmp_path: Path, frames_folder: Path) -> Workspace:
    return workspace(tmp_path / "run", frames_folder)


def page(space: Workspace, made: Made) -> Page:
    return Page(render(space, *made))


@pytest.mark.parametrize("make", [asked, hostile])
def test_nothing_is_loaded_and_nothing_runs(
    space: Workspace, make: Callable[[Workspace], Made]
) -> None:
    read = page(space, make(space))
    policy = [m["content"] for m in read.every("meta") if "http-equiv" in m]
    assert policy == [
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; "
        "form-action 'none'"
    ]
    assert {tag for tag, _ in read.tags} <= TAGS
    for tag, attributes in read.tags:
        for name, value in attributes.items():
            assert not name.startswith("on"), (tag, name)
            if name in ("src", "href"):
                assert re.match(r"data:image/(jpeg|png|webp);base64,|data:,$|#picture-\d+$", value)
            if name == "style":
                assert re.fullmatch(r"width:[\d.]+%", value)
            assert name != "srcset"
    style = "".join(read.text_of["style"])
    assert "url(" not in style
    assert "@import" not in style
    assert "</" not in style


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_is_shown_as_text(space: Workspace, name: str) -> None:
    said = HOSTILE[name]
    result, masks = answered(space, ["the big square"])
    record = request("pivot-frame", "0", (0, 2), (), reply=said, problem=said, text=said)
    text = render(space, result.model_copy(update={"requests": [record]}), masks)
    read = Page(text)
    shown = seen(cut(said))
    # Between the tags stands, letter by letter, what was said, its unseen letters written out.
    assert shown in read.text_of["div"]
    assert "\n" + shown in read.text_of["pre"]
    assert text.encode("utf-8")
    assert not re.search(
        "[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", text
    )


def test_hostile_text_everywhere(space: Workspace) -> None:
    read = page(space, hostile(space))
    text = read.text
    assert "<script>alert(1)</script>" in text
    assert "{{ 7 * 7 }}" in text
    assert "49" not in text.replace("U+0049", "")
    assert "No picture: it lies outside the run folder. ../../etc/passwd" in text
    assert "/home/me" not in text
    assert read.text_of["h1"] == [read.text_of["h1"][0]]


def test_unseen_letters_are_written_out() -> None:
    assert seen("abc\u202etxt") == "abc⟨U+202E⟩txt"
    assert seen("\x00\x1b[0m") == "⟨U+0000 U+001B⟩[0m"
    assert seen("\x07" * 1000) == f"⟨{' '.join(['U+0007'] * 8)} … 1,000 in all⟩"
    assert seen("a\r\nb\tc\n") == "a\nb\tc\n"
    assert seen("\ud83d") == "⟨U+D83D⟩"
    # Joiners belong to ordinary writing.
    family = "\U0001f468\u200d\U0001f469\u200d\U0001f467 \u0645\u06cc\u200c\u062e\u0648\u0627\u0647"
    assert seen(family) == family
    assert seen("e\u0301") == "e\u0301"
    assert seen("z" + "\u0335" * 100).endswith("⟨94 more accents⟩")


def test_a_long_text_is_cut_and_says_so() -> None:
    assert cut("x" * LONGEST) == "x" * LONGEST
    long = cut("x" * (LONGEST + 1234))
    assert long.endswith("… 1,234 more characters are in result.json.")
    assert shorter("a  b\nc") == "a b c"
    assert shorter("x" * 100, 10) == "x" * 9 + "…"


def test_folders_of_the_machine_are_named_not_shown(space: Workspace) -> None:
    places = Places(
        {Path("/home/me"): "~", Path("/home/me/runs/a"): "the run folder", Path("/"): "x"}
    )
    assert places("/home/me/x.mp4 and /home/me/runs/a/b.png") == "~/x.mp4 and the run folder/b.png"
    assert places("/home/mean/x /data/home/me/x /home/me") == "/home/mean/x /data/home/me/x ~"
    result, masks = answered(space, ["the big square"])
    home = str(Path.home())
    warnings = [f"{space.folder.resolve()}/overlay.mp4 has no sound."]
    config = result.config | {"prompts": {"paths": [f"{home}/my prompts"]}}
    result = result.model_copy(update={"warnings": warnings, "config": config})
    text = render(space, result, masks)
    assert "the run folder/overlay.mp4 has no sound." in text
    assert str(space.folder.resolve()) not in text
    assert str(space.video.source.parent) not in text


def test_what_is_missing_is_said(space: Workspace, frames_folder: Path) -> None:
    result, masks = asked(space)
    shutil.rmtree(space.folder / "record")
    for file in frames_folder.iterdir():
        file.write_bytes(b"no picture any more")
    read = page(space, (result, masks))
    assert "No picture: the file is gone. record/sheets/" in read.text
    assert "No picture: the frame cannot be read." in read.text
    # An id of masks that nobody knows, frames that the video does not have, windows without frames.
    odd = PivotRecord(frame_idx=99, box=(0, 0, 1, 1), score=float("nan"))
    objects = [o.model_copy(update={"pivots": [odd], "first_frame": -1}) for o in result.objects]
    requests = [r.model_copy(update={"frames": [77], "pictures": []}) for r in result.requests]
    result = result.model_copy(update={"objects": objects, "requests": requests, "references": []})
    assert "Frame number 99" not in page(space, (result, "masks-7")).text
    bare = RunResult(
        alref_agent="0",
        created="",
        video=result.video,
        references=[],
        strategy="",
        config={},
        objects=[],
    )
    assert "The run has no objects." in page(space, (bare, None)).text


def test_no_file_but_a_picture_of_the_run_is_embedded(space: Workspace, tmp_path: Path) -> None:
    outside = tmp_path / "outside.jpg"
    shutil.copy(space.folder / sheet(space, (0, 1)), outside)
    (space.folder / "script.svg").write_text("<svg><script>alert(1)</script></svg>")
    (space.folder / "link.jpg").symlink_to(outside)
    album = Album(space.folder)
    assert "outside" in album.file("../outside.jpg", "x").missing
    assert "outside" in album.file(str(outside), "x").missing
    assert "outside" in album.file("link.jpg", "x").missing
    assert "cannot be read" in album.file("script.svg", "x").missing
    assert "cannot be read" in album.file("record", "x").missing
    assert "cannot be read" in album.file("a\0b", "x").missing
    assert "gone" in album.file("record/none.jpg", "x").missing


def test_a_page_of_many_windows_has_an_end(space: Workspace) -> None:
    result, masks = answered(space, ["the big square"])
    file = sheet(space, (0, 2, 4))
    records = [
        request("pivot-frame", "0", (i % 12, 11), [file], understood={"frame": 1})
        for i in range(3000)
    ]
    text = render(space, result.model_copy(update={"requests": records}), masks)
    read = Page(text)
    assert "more questions can be read in record/." in read.text
    assert len(text) < 3_000_000
    # Closed, each with its outcome in sight.
    assert not [d for d in read.every("details") if d.get("class") == "window" and "open" in d]


def test_pictures_beyond_the_limit_are_named(space: Workspace) -> None:
    names = [sheet(space, (i, i + 1)) for i in range(3)]
    size = (space.folder / names[0]).stat().st_size
    album = Album(space.folder, most_bytes=round(1.5 * size))
    first, second = album.file(names[0], "x"), album.file(names[1], "x")
    assert first.uri
    assert "no room" in second.missing
    assert second.file == names[1]
    # What is there already takes no more room.
    assert album.file(names[0], "x") is first
    assert album.shared == [first]


def test_a_crowd_of_objects_has_an_end(space: Workspace) -> None:
    result, masks = answered(space, ["the big square"])
    (record,) = result.objects
    crowd = [record.model_copy(update={"obj_id": n, "exp_id": str(n)}) for n in range(1, 101)]
    read = page(space, (result.model_copy(update={"objects": crowd}), masks))
    assert len([c for c in read.every("div") if c.get("class") == "strip"]) == 24
    assert "Only the first 24 objects are shown in pictures here." in read.text


@pytest.mark.parametrize(
    "size", [(1080, 1920), (1920, 1080), (48, 64), (2, 3000), (3000, 2), (1, 1)]
)
def test_frames_of_any_shape_become_small_ones(size: tuple[int, int]) -> None:
    small = fitted(np.zeros((*size, 3), np.uint8), 270)
    assert small.dtype == np.uint8
    assert min(small.shape[:2]) <= 270
    assert max(small.shape[:2]) <= 4 * 270
