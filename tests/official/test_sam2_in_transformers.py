"""SAM 2 of its authors and of transformers, with the same weights and the same pixels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch
import torch.nn.functional as F

pytest.importorskip("sam2", reason="the package sam2 is not here: make test-official")
pytest.importorskip("groundingdino", reason="the package groundingdino-py is not here")

from transformers.models.sam2_video.modeling_sam2_video import Sam2VideoInferenceSession

from alref_agent.tools.segmentation.cues import courses
from alref_agent.tools.segmentation.hf_video import HfNetwork
from alref_agent.tools.segmentation.pixels import pixels
from alref_agent.tools.segmentation.sam2_official_state import OfficialNetwork
from alref_agent.tools.segmentation.sweeps import sweep
from alref_agent.types import Frame, Prompt
from test_sam2 import CASES, PLENTY, film
from tiny_originals import SIDE, converted_sam2, tiny_sam2_original

CPU = torch.device("cpu")
VERSIONS = ("sam2.1", "sam2")


class SamePixels(OfficialNetwork):
    """With frames resized as transformers does."""

    def _pixels(self, frame: Frame) -> torch.Tensor:
        return pixels(frame, SIDE, CPU, torch.float32)


def apart(ours: Any, theirs: Any, prompts: Sequence[Prompt]) -> float:
    """How far logits differ at most."""
    ways = courses(prompts)
    pairs = zip(sweep(ours, film(), ways, PLENTY), sweep(theirs, film(), ways, PLENTY), strict=True)
    return max(float((a.outlook.logits - b.outlook.logits).abs().max()) for a, b in pairs)


MASKS = [case for case in CASES if any(prompt.mask is not None for prompt in CASES[case])]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("case", [case for case in CASES if case not in MASKS])
def test_transformers_computes_the_same_from_boxes_and_points(version: str, case: str) -> None:
    official = tiny_sam2_original(version)
    theirs = HfNetwork(converted_sam2(official, version), Sam2VideoInferenceSession)
    assert apart(SamePixels(official), theirs, CASES[case]) < 1e-4


@pytest.mark.parametrize("case", MASKS)
def test_where_transformers_differs_with_masks_and_why(case: str) -> None:
    """The object's pointer and the memory of a mask prompt are made in another way."""
    official = tiny_sam2_original()
    converted = converted_sam2(official)
    theirs = HfNetwork(converted, Sam2VideoInferenceSession)
    assert 1e-3 < apart(SamePixels(official), theirs, CASES[case]) < 5
    _as_official(converted)
    assert apart(SamePixels(official), theirs, CASES[case]) < 1e-4


def _as_official(converted: Any) -> None:
    one_frame, from_mask = converted._single_frame_forward, converted._use_mask_as_output

    def single_token(*args: Any, **options: Any) -> Any:
        """The pointer is that of the single mask, not of the best of three."""
        if options.get("input_masks") is not None:
            options.setdefault("multimask_output", False)
        return one_frame(*args, **options)

    def low_first(*args: Any, **options: Any) -> Any:
        """What is remembered is the mask at a quarter of the size, enlarged again."""
        out = from_mask(*args, **options)
        low = out.pred_masks
        out.high_res_masks = F.interpolate(low, (SIDE, SIDE), mode="bilinear", align_corners=False)
        return out

    converted._single_frame_forward = single_token
    converted._use_mask_as_output = low_first
