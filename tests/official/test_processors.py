"""Our preparation of pictures is that of transformers' processors, which need torchvision."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

pytest.importorskip("torchvision", reason="torchvision is not here: make test-official")

from transformers import GroundingDinoImageProcessor, Sam2VideoProcessor
from transformers.models.grounding_dino.image_processing_pil_grounding_dino import (
    GroundingDinoImageProcessorPil,
)
from transformers.models.sam2.image_processing_sam2 import Sam2ImageProcessor
from transformers.models.sam2_video.video_processing_sam2_video import Sam2VideoVideoProcessor

from alref_agent.tools.segmentation.pixels import full_size, pixels
from reference_pictures import mask_logits, picture

SIZES = [(120, 200), (480, 854), (1080, 1920), (97, 61)]
CPU = torch.device("cpu")


@pytest.mark.parametrize(("height", "width"), SIZES)
@pytest.mark.parametrize("side", [256, 1024])
def test_frames_for_sam2(height: int, width: int, side: int) -> None:
    size = {"height": side, "width": side}
    processor: Any = Sam2VideoProcessor(
        Sam2ImageProcessor(size=size), Sam2VideoVideoProcessor(size=size)
    )
    frame = picture(height, width)
    ours = pixels(frame, side, CPU, torch.float32)[0]
    of_image = processor(images=frame, return_tensors="pt").pixel_values[0]
    torch.testing.assert_close(ours, of_image, rtol=0, atol=1e-5)
    of_video = processor.video_processor([[frame, frame]], return_tensors="pt")
    torch.testing.assert_close(ours, of_video.pixel_values_videos[0, 1], rtol=0, atol=1e-5)


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_masks_of_sam2(height: int, width: int) -> None:
    low = torch.from_numpy(mask_logits(64))
    processor: Any = Sam2ImageProcessor()
    (made,) = processor.post_process_masks([low[None, None]], [(height, width)])
    assert (full_size(low, (height, width)) == made[0, 0].numpy()).all()


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_frames_for_grounding_dino(height: int, width: int) -> None:
    """We take the processor for PIL everywhere: it rounds in another way, by a step of 255."""
    frame = picture(height, width)
    with_torchvision: Any = GroundingDinoImageProcessor()
    with_pil: Any = GroundingDinoImageProcessorPil()
    made = with_torchvision(frame, return_tensors="pt").pixel_values[0].numpy()
    ours = np.asarray(with_pil(frame, return_tensors="pt").pixel_values[0])
    assert made.shape == ours.shape
    assert np.abs(made - ours).max() < 0.019
    assert np.abs(made - ours).mean() < 0.01
