"""The segmenter `edgetam`: SAM 2 made for phones, through transformers."""

from __future__ import annotations

from typing import Any

from transformers import EdgeTamVideoModel
from transformers.models.edgetam_video.modeling_edgetam_video import EdgeTamVideoInferenceSession

from alref_agent.tools.segmentation.hf_video import HfSegmenter


class EdgeTam(HfSegmenter):
    """See the module. Zhou et al., "EdgeTAM: On-Device Track Anything Model", CVPR 2025."""

    name = "edgetam"
    title = "EdgeTAM"
    kinds = ("edgetam_video",)
    default = smaller = "yonigozlan/EdgeTAM-hf"

    @classmethod
    def classes(cls) -> tuple[Any, Any]:
        """The model's class, and that of its sessions."""
        return EdgeTamVideoModel, EdgeTamVideoInferenceSession
