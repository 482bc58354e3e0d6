"""The segmenter `sam2`: SAM 2 and 2.1 of all sizes, through transformers."""

from __future__ import annotations

from typing import Any

from transformers import Sam2VideoModel
from transformers.models.sam2_video.modeling_sam2_video import Sam2VideoInferenceSession

from alref_agent.tools.segmentation.hf_video import HfSegmenter


class Sam2(HfSegmenter):
    """See the module. Ravi et al., "SAM 2: Segment Anything in Images and Videos", 2024."""

    name = "sam2"
    title = "SAM 2"
    kinds = ("sam2_video", "sam2")
    default = "facebook/sam2.1-hiera-large"
    smaller = "facebook/sam2.1-hiera-tiny"

    @classmethod
    def classes(cls) -> tuple[Any, Any]:
        """The model's class, and that of its sessions."""
        return Sam2VideoModel, Sam2VideoInferenceSession
