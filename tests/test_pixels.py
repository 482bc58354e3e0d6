"""Pictures are prepared as the reference transforms do, whose results are in a file.

The references need torchvision, which is not installed here; `tests/official/` has what wrote it.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from transformers.models.grounding_dino.image_processing_pil_grounding_dino import (
    GroundingDinoImageProcessorPil,
)
from transformers.models.owlv2.image_processing_pil_owlv2 import Owlv2ImageProcessorPil

from alref_agent.tools.segmentation.pixels import full_size, pixels
from alref_agent.tools.segmentation.sam2_official_state import video_pixels
from conftest import ROOT
from reference_pictures import kept, mask_logits, picture

CPU = torch.device("cpu")
CONTENT = json.loads((ROOT / "tests" / "data" / "reference_transforms.json").read_text("utf-8"))
RESULTS: dict[str, Any] = CONTENT["results"]


def named(family: str) -> list[str]:
    return [name for name in RESULTS if name.startswith(f"{family}/")]


def sizes(name: str) -> tuple[int, int, int]:
    """Height and width of the frame, and the side of the square, where there is one."""
    _, _, size, *side = name.split("/")
    height, width = (int(number) for number in size.split("x"))
    return height, width, int(side[0]) if side else 0


def apart(name: str, made: Any) -> tuple[float, float]:
    """How far a result is from its reference: at most, and in the mean of a channel."""
    reference = RESULTS[name]
    array = np.asarray(made, np.float64)
    assert list(array.shape) == reference["shape"]
    values = array.reshape(-1)[kept(array.size)]
    means = array.reshape(array.shape[0], -1).mean(axis=1)
    at_most = float(np.abs(values - reference["values"]).max())
    return at_most, float(np.abs(means - reference["means"]).max())


def same(name: str, made: Any) -> bool:
    at_most, mean = apart(name, made)
    return at_most < 1e-5 and mean < 1e-5


def test_the_file_says_what_wrote_it() -> None:
    assert {"sam2", "torch", "torchvision", "transformers"} <= set(CONTENT["versions"])


@pytest.mark.parametrize("name", named("sam2/transformers"))
def test_frames_for_sam2_are_those_of_transformers(name: str) -> None:
    height, width, side = sizes(name)
    assert same(name, pixels(picture(height, width), side, CPU, torch.float32)[0])
    # The other way to resize is another one.
    other = video_pixels(picture(height, width), side, CPU)[0]
    assert apart(name, other)[0] > 0.01


@pytest.mark.parametrize("name", named("sam2/sam2"))
def test_frames_for_the_package_sam2_are_those_of_its_video_loader(name: str) -> None:
    height, width, side = sizes(name)
    assert same(name, video_pixels(picture(height, width), side, CPU)[0])


@pytest.mark.parametrize("name", named("masks"))
def test_masks_grow_as_in_transformers(name: str) -> None:
    height, width, side = sizes(name)
    low = torch.from_numpy(mask_logits(side // 4))
    grown = F.interpolate(low[None, None], (height, width), mode="bilinear", align_corners=False)
    assert same(name, grown[0])
    mask = full_size(low, (height, width))
    assert (mask == (grown[0, 0] > 0).numpy()).all()
    values = mask.reshape(-1)[kept(mask.size)]
    assert (values == (np.array(RESULTS[name]["values"]) > 0)).all()
    assert 0.1 < mask.mean() < 0.9


@pytest.mark.parametrize("name", named("grounding-dino"))
def test_frames_for_grounding_dino(name: str) -> None:
    height, width, _ = sizes(name)
    processor: Any = GroundingDinoImageProcessorPil()
    made = processor(picture(height, width), return_tensors="pt").pixel_values[0]
    if made.shape[2] != RESULTS[name]["shape"][2]:
        # Of 1332.6 pixels one takes 1333, the other 1332.
        assert "/groundingdino/480x854" in name
        assert (made.shape, RESULTS[name]["shape"]) == ((3, 749, 1333), [3, 749, 1332])
    elif "/torchvision/" in name:
        # It rounds in another way: by one of 255 steps, about 0.018, at most.
        at_most, mean = apart(name, made)
        assert at_most < 0.019 and mean < 0.001
    else:
        assert same(name, made)


@pytest.mark.parametrize("name", named("owlv2"))
def test_frames_for_owlv2(name: str) -> None:
    height, width, side = sizes(name)
    processor: Any = Owlv2ImageProcessorPil(size={"height": side, "width": side})
    made = processor(picture(height, width), return_tensors="pt").pixel_values[0]
    at_most, mean = apart(name, made)
    # Both filters are cubic, and not the same.
    assert at_most < 0.04 and mean < 0.001
