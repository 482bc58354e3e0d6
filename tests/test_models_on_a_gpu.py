"""Detectors and segmenters where there is CUDA: the same answers as on the CPU."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from alref_agent import registry
from alref_agent.config import Config, load_config
from alref_agent.media.video import open_video
from alref_agent.types import Mask, Prompt
from conftest import CLIP
from tiny_detectors import FAMILIES, Family, tiny_detector
from tiny_segmenters import save, tiny_edgetam, tiny_sam2

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]
END = 8


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("models")
    made = {"sam2": save(tiny_sam2(), root / "sam2"), "edgetam": save(tiny_edgetam(), root / "et")}
    return made | {family: tiny_detector(root / family, family) for family in FAMILIES}


def settings(kind: str, name: str, folder: Path, device: str, **more: Any) -> Config:
    given = {f"{kind}.name": name, f"{kind}.model": str(folder), "device": device}
    return load_config("paper", settings=given | more, environment={})


def masks(name: str, folder: Path, device: str, **more: Any) -> dict[tuple[int, int], Mask]:
    backend = registry.load("segmenter", name).from_config(
        settings("segmenter", name, folder, device, **more)
    )
    prompts = [
        Prompt(1, 2, box=np.array([60, 40, 200, 160], np.float32)),
        Prompt(2, 5, box=np.array([150, 60, 300, 200], np.float32)),
    ]
    video = open_video(CLIP / "clip.mp4", end=END)
    return {(m.obj_id, m.frame_idx): m.mask for m in backend.segment(video, prompts)}


def differing(a: dict[tuple[int, int], Mask], b: dict[tuple[int, int], Mask]) -> float:
    assert a.keys() == b.keys()
    return float(np.mean([np.mean(a[key] != b[key]) for key in a]))


@pytest.mark.parametrize("name", ["sam2", "edgetam"])
@pytest.mark.parametrize("prompt", ["box", "mask"])
def test_a_segmenter_gives_the_masks_of_the_cpu(
    folders: dict[str, Path], name: str, prompt: str
) -> None:
    given = {"dtype": "float32", "segmenter.prompt": prompt}
    cpu = masks(name, folders[name], "cpu", **given)
    assert 0.01 < np.mean(list(cpu.values())) < 0.99
    gpu = masks(name, folders[name], "cuda", **given)
    assert differing(cpu, gpu) < 0.005
    away = masks(name, folders[name], "cuda", **given, **{"segmenter.offload": "cpu"})
    assert differing(gpu, away) < 0.001


def test_bfloat16_is_what_a_gpu_takes_by_itself(folders: dict[str, Path]) -> None:
    backend = registry.load("segmenter", "sam2").from_config(
        settings("segmenter", "sam2", folders["sam2"], "cuda")
    )
    assert "cuda bfloat16" in backend.version
    exact = masks("sam2", folders["sam2"], "cuda", dtype="float32")
    assert differing(exact, masks("sam2", folders["sam2"], "cuda")) < 0.1


@pytest.mark.parametrize("family", FAMILIES)
def test_a_detector_gives_the_boxes_of_the_cpu(folders: dict[str, Path], family: Family) -> None:
    def found(device: str) -> Any:
        more = {"detector.box_threshold": 0.0, "detector.max_boxes": 5}
        backend = registry.load("detector", family).from_config(
            settings("detector", family, folders[family], device, **more)
        )
        video = open_video(CLIP / "clip.mp4", end=2)
        frames = {i: video.frame(i) for i in range(2)}
        return [answer[0] for answer in backend.detect(frames, ["the red dog"])]

    for cpu, gpu in zip(found("cpu"), found("cuda"), strict=True):
        np.testing.assert_allclose(gpu.scores, cpu.scores, atol=1e-3)
        np.testing.assert_allclose(gpu.boxes, cpu.boxes, atol=1.0)
