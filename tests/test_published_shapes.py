"""SAM 2 in the shapes of the published checkpoints: the first real one shall meet no surprise."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import Sam2VideoModel
from transformers.models.sam2_video.modeling_sam2_video import Sam2VideoInferenceSession

import shared_encoding
from alref_agent.config import load_config
from alref_agent.media.video import open_video
from alref_agent.tools.segmentation.hf_video import HfNetwork
from alref_agent.tools.segmentation.sam2 import Sam2
from alref_agent.types import Prompt
from conftest import CLIP
from published_shapes import SIZES, Size, random_sam2, sam2_config
from tiny_segmenters import tiny_sam2

MILLIONS = {"tiny": 38.9, "small": 46.0, "base-plus": 80.8, "large": 224.4}
"""Weights of SAM 2.1 as its page gives them."""


@pytest.mark.parametrize("size", SIZES)
def test_the_number_of_weights_is_the_published_one(size: Size) -> None:
    config: Any = sam2_config(size)
    with torch.device("meta"):
        model = Sam2VideoModel(config)
    n_weights = sum(weight.numel() for weight in model.parameters()) / 1e6
    assert n_weights == pytest.approx(MILLIONS[size], abs=0.1)


def test_a_checkpoint_of_real_size_is_loaded_for_smaller_pictures(tmp_path: Path) -> None:
    random_sam2(sam2_config("tiny")).save_pretrained(tmp_path / "model")
    settings = {
        "segmenter.model": str(tmp_path / "model"),
        "segmenter.image_size": 256,
        "device": "cpu",
    }
    backend = Sam2.from_config(load_config("paper", settings=settings, environment={}))
    video = open_video(CLIP / "clip.mp4", end=3)
    box = np.array([100, 60, 260, 200], np.float32)
    made = {m.frame_idx: m.mask for m in backend.segment(video, [Prompt(1, 1, box=box)])}
    assert sorted(made) == [0, 1, 2]
    assert all(mask.shape == (video.height, video.width) for mask in made.values())
    assert 0.01 < np.mean(list(made.values())) < 0.99


def test_the_benchmark_compares_the_same_masks() -> None:
    """The published way, a session an expression, and ours: the same masks, four times the work."""
    model = tiny_sam2()
    video = open_video(CLIP / "clip.mp4", end=8)
    prompts = shared_encoding.boxes(video, 4)
    assert len({prompt.frame_idx for prompt in prompts}) == 4
    own = copy.deepcopy(model)
    network = HfNetwork(own, Sam2VideoInferenceSession)
    ours, theirs = shared_encoding.Clock(own), shared_encoding.Clock(model)
    with ours.timing("ours"):
        mine = shared_encoding.shared(network, video, prompts)
    with theirs.timing("theirs"):
        rival = shared_encoding.alone(model, video, prompts)
    assert (ours.calls["vision_encoder"], theirs.calls["vision_encoder"]) == (8, 32)
    assert ours.calls["memory_attention"] == theirs.calls["memory_attention"] == 4 * 7
    assert shared_encoding.differing(mine, rival) < 1e-3
    assert 0.01 < np.mean(list(mine.values())) < 0.99
