"""The profiles `paper` and `fast`, whole, as on pulled models: tiny ones, saved as hubs have them.

Their weights are random: what is proven is that every part gets what it should, and that what comes
out is what the parts compute by themselves.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alref_agent import Run, replay, segment
from alref_agent.config import load_config
from alref_agent.errors import ConfigError
from alref_agent.media.video import open_video
from alref_agent.types import Prompt
from conftest import CLIP

pytestmark = pytest.mark.skipif(
    not all(map(find_spec, ("torch", "transformers"))),
    reason="the extra `models` is not installed",
)
END = 12
Models = dict[str, Path]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Models:
    from tiny_detectors import tiny_detector  # they import torch
    from tiny_segmenters import save, tiny_edgetam, tiny_sam2

    root = tmp_path_factory.mktemp("models")
    return {
        "detector": tiny_detector(root / "detector", "grounding-dino"),
        "sam2": save(tiny_sam2(), root / "sam2"),
        "edgetam": save(tiny_edgetam(), root / "edgetam"),
    }


def command(*words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "alref_agent", *map(str, words)],
        capture_output=True,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )


def with_models(models: Models, segmenter: str, **more: Any) -> dict[str, Any]:
    given = {"detector.model": models["detector"], "segmenter.model": models[segmenter]}
    plain = {name: str(value) for name, value in given.items()}
    return {"device": "cpu", "output.overlay": False, "output.report": False, **plain, **more}


def whole_call(run: Run, tool: str) -> dict[str, Any]:
    """A call's arguments and result, from the record."""
    lines = (run.folder / "record" / "calls.jsonl").read_text().splitlines()
    (call,) = [c for c in map(json.loads, lines) if c["tool"] == tool]
    return dict(call)


def test_the_command_of_the_paper_without_an_llm(models: Models, tmp_path: Path) -> None:
    done = command(
        *("segment", CLIP / "clip.mp4", "--text", "the man", "--text", "a red car", "--end", END),
        *("--profile", "paper", "--llm", "none", "--device", "cpu", "--out", tmp_path / "run"),
        *("--set", f"detector.model={models['detector']}"),
        *("--set", f"segmenter.model={models['sam2']}"),
    )
    assert done.returncode == 0, done.stderr
    run = Run.open(tmp_path / "run")
    assert run.result.strategy == "top-box"
    assert [record.status for record in run.objects] == ["found", "found"]
    assert [record.n_frames for record in run.objects] == [END, END]
    backends = {call.tool: (call.backend, call.version) for call in run.result.calls}
    assert backends["detect_objects"][0] == "grounding-dino"
    assert backends["detect_objects"][1].startswith("GroundingDinoForObjectDetection detector@")
    assert backends["segment_video"][0] == "sam2"
    assert backends["segment_video"][1].startswith("Sam2VideoModel sam2@")
    assert len(list((run.folder / "masks").glob("*.png"))) == END
    assert (run.folder / "overlay.mp4").stat().st_size and (run.folder / "report.html").exists()

    # By its own hand: the box of frame 0, the image mode's mask of it, the mask as the prompt.
    from alref_agent.tools.segmentation.sam2 import Sam2

    video = open_video(CLIP / "clip.mp4", end=END)
    backend = Sam2.from_config(load_config("paper", settings=with_models(models, "sam2")))
    prompts = [
        Prompt(record.obj_id, 0, box=np.array(record.pivots[0].box, np.float32))
        for record in run.objects
    ]
    made = {(m.obj_id, m.frame_idx): m.mask for m in backend.segment(video, prompts)}
    for frame_idx, masks in enumerate(run.masks()):
        for obj_id, mask in masks.items():
            assert np.array_equal(mask, made[obj_id, frame_idx])


@pytest.fixture(scope="module")
def reasoned(models: Models, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Three windows of two frames: of each the second shows it best, and there the first box."""
    folder = tmp_path_factory.mktemp("reasoned")
    script = folder / "script.yaml"
    said = ["It is whole there. [2]"] * 3 + ["The first. [1]"] * 3
    script.write_text(json.dumps({"replies": said}))
    settings = with_models(models, "sam2") | {
        "sampling.step": 2,
        "sampling.frames_per_sheet": 2,
        "llm.model": f"scripted:{script}",
        "llm.concurrency": 1,
        "llm.cache": False,
    }
    return segment(
        CLIP / "clip.mp4",
        text="the man",
        profile="paper",
        settings=settings,
        end=END,
        out=folder / "run",
    )


def test_gpt_ps_with_the_models_of_the_paper(reasoned: Run) -> None:
    assert reasoned.result.strategy == "gpt-ps"
    (record,) = reasoned.objects
    assert record.status == "found"
    frames = [pivot.frame_idx for pivot in record.pivots]
    assert len(frames) >= 2
    assert [p.frame_idx for p in record.pivots if p.start] == [frames[len(frames) // 2]]
    asked = whole_call(reasoned, "segment_video")["arguments"]["objects"][0]["prompts"]
    # The boxes of the pivots prompt it, nothing else, and it starts from the middle one.
    assert [(p["frame_idx"], p["start"]) for p in asked] == [
        (pivot.frame_idx, pivot.start) for pivot in record.pivots
    ]
    assert record.n_frames == END


def test_a_run_is_done_again_from_its_result_alone(reasoned: Run, tmp_path: Path) -> None:
    again = replay(reasoned.folder / "result.json", out=tmp_path / "again")
    assert [r.source for r in again.result.requests] == ["replay"] * 6 or all(
        r.source != "llm" for r in again.result.requests
    )
    for mine, other in zip(again.masks(), reasoned.masks(), strict=True):
        assert mine.keys() == other.keys()
        assert all(np.array_equal(mine[i], other[i]) for i in mine)


def test_the_profile_fast_follows_tracks(models: Models, tmp_path: Path) -> None:
    settings = with_models(models, "edgetam") | {"sampling.step": 3}
    run = segment(
        CLIP / "clip.mp4",
        text=["the man"],
        profile="fast",
        settings=settings,
        end=END,
        out=tmp_path / "run",
    )
    assert run.result.strategy == "top-track"
    (call,) = [call for call in run.result.calls if call.tool == "segment_video"]
    assert call.backend == "edgetam"
    assert call.version.startswith("EdgeTamVideoModel edgetam@")
    assert run.objects[0].status == "found"
    assert run.objects[0].n_frames == END


def test_no_detection_is_no_target_and_all_of_them_are_as_good(
    models: Models, tmp_path: Path
) -> None:
    def run(name: str, **more: Any) -> Run:
        settings = with_models(models, "sam2") | more
        return segment(
            CLIP / "clip.mp4",
            text="the man",
            profile="paper",
            settings={"llm.model": "none", **settings},
            end=4,
            out=tmp_path / name,
        )

    none = run("none", **{"detector.box_threshold": 1.0})
    assert [record.status for record in none.objects] == ["no-target"]
    assert none.objects[0].reason == "Nothing was found for 'the man' on frame 0."
    assert not any(none.masks())
    every = {"detector.box_threshold": 0.0, "detector.max_boxes": 900, "detector.nms_threshold": 1}
    many = run("many", **every)
    found = whole_call(many, "detect_objects")["result"]["detections"][0]
    assert found["n_boxes"] > 10
    assert many.objects[0].status == "found"


def test_a_run_goes_on_with_less_memory(models: Models, tmp_path: Path) -> None:
    def run(**more: Any) -> Run:
        return segment(
            CLIP / "clip.mp4",
            text="the man",
            profile="paper",
            settings={"llm.model": "none", **with_models(models, "sam2"), **more},
            end=4,
            out=tmp_path / "run",
            resume=True,
        )

    first = run()
    (first.folder / "result.json").unlink()
    less = {"segmenter.offload": "cpu", "segmenter.feature_memory": 0, "detector.batch_size": 4}
    again = run(**less)
    # What was done is taken from the record.
    assert [c.seconds for c in again.result.calls] == [c.seconds for c in first.result.calls]
    (first.folder / "result.json").unlink()
    with pytest.raises(ConfigError, match=r"segmenter\.prompt: then 'mask', now 'box'"):
        run(**{"segmenter.prompt": "box"})


def test_a_tool_needs_its_own_model_only(models: Models, tmp_path: Path) -> None:
    prompt = {"frame_idx": 1, "points": [[200, 150], [20, 20]], "labels": [True, False]}
    arguments = {"objects": [{"obj_id": 1, "prompts": [prompt]}]}
    done = command(
        *("tools", "run", "segment_video", "--workspace", tmp_path / "w", "--profile", "paper"),
        *("--video", CLIP / "clip.mp4", "--args", json.dumps(arguments)),
        *("--set", f"segmenter.model={models['sam2']}", "--set", "segmenter.prompt=box"),
        *("--device", "cpu"),
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["objects"][0]["n_frames"] == 72
    # Another tool wants the detector, which is not here.
    looking = {"frames": [0], "expressions": ["the man"]}
    done = command(
        *("tools", "run", "detect_objects", "--workspace", tmp_path / "w", "--profile", "paper"),
        *("--args", json.dumps(looking)),
    )
    assert done.returncode == 2
    assert "alref-agent models pull IDEA-Research/grounding-dino-base" in done.stderr
