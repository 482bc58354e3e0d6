"""SAM 2 in the published shapes, with random weights: what takes time is as it is."""

from __future__ import annotations

from typing import Any, Literal, get_args

import torch
from transformers import PreTrainedConfig, Sam2VideoConfig, Sam2VideoModel
from transformers.models.sam2_video.modeling_sam2_video import Sam2VideoInferenceSession

from alref_agent.tools.segmentation.hf_video import resized
from alref_agent.tools.segmentation.pixels import pixels
from alref_agent.types import Video

Size = Literal["tiny", "small", "base-plus", "large"]
SIZES: tuple[Size, ...] = get_args(Size)

_HIERA: dict[Size, dict[str, Any]] = {
    "tiny": {},
    "small": {"blocks_per_stage": [1, 2, 11, 2], "global_attention_blocks": [7, 10, 13]},
    "base-plus": {
        "hidden_size": 112,
        "embed_dim_per_stage": [112, 224, 448, 896],
        "num_attention_heads": 2,
        "num_attention_heads_per_stage": [2, 4, 8, 16],
        "blocks_per_stage": [2, 3, 16, 3],
        "global_attention_blocks": [12, 16, 20],
        "window_positional_embedding_background_size": [14, 14],
    },
    "large": {
        "hidden_size": 144,
        "embed_dim_per_stage": [144, 288, 576, 1152],
        "num_attention_heads": 2,
        "num_attention_heads_per_stage": [2, 4, 8, 16],
        "blocks_per_stage": [2, 6, 36, 4],
        "global_attention_blocks": [23, 33, 43],
        "window_size_per_stage": [8, 4, 16, 8],
        "window_positional_embedding_background_size": [7, 7],
    },
}
"""What differs from transformers' default, which is hiera-tiny; from the configs of facebook's
published checkpoints."""


def sam2_config(size: Size, side: int | None = None, version: str = "2.1") -> PreTrainedConfig:
    """The settings of SAM 2 (`version="2"`) or SAM 2.1.

    Args:
        size: Of the image encoder.
        side: Of the square that frames are resized to, in pixels; None: as published, 1024.
        version: `2` or `2.1`.
    """
    backbone: dict[str, Any] = {"model_type": "sam2_hiera_det_model", **_HIERA[size]}
    vision: dict[str, Any] = {"model_type": "sam2_vision_model", "backbone_config": backbone}
    if "embed_dim_per_stage" in backbone:
        vision["backbone_channel_list"] = backbone["embed_dim_per_stage"][::-1]
    config = Sam2VideoConfig(
        vision_config=vision,
        enable_temporal_pos_encoding_for_object_pointers=version == "2.1",
        enable_occlusion_spatial_embedding=version == "2.1",
    )
    return resized(config, side, "SAM 2")


def random_sam2(config: Any, seed: int = 0) -> Any:
    """A model of these settings whose masks are neither empty nor full."""
    torch.manual_seed(seed)
    model: Any = Sam2VideoModel(config)
    return enliven(model.eval(), seed)


def library_session(model: Any, video: Video) -> Any:
    """A session of transformers that holds the whole video, as its page shows it: the rival."""
    side = model.config.image_size
    frames = [pixels(f, side, model.device, model.dtype) for _, f in video.frames()]
    return Sam2VideoInferenceSession(
        video=torch.cat(frames),
        video_height=video.height,
        video_width=video.width,
        inference_device=model.device,
        inference_state_device=model.device,
        video_storage_device=model.device,
        dtype=model.dtype,
    )


def enliven(model: Any, seed: int = 0, objectness: float = 1.0) -> Any:
    """Draw weights at a scale at which every part of SAM 2 or EdgeTAM tells in its masks.

    Args:
        model: As transformers makes it, with weights so small that no mask differs from another.
        seed: Of the weights.
        objectness: How sure it is that objects are on a frame; else they come and go at random.
    """
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.ndim > 1:
                fan_in = weight[0].numel()
                weight.copy_(torch.randn(weight.shape, generator=generator) / fan_in**0.5)
            elif "norm" not in name and "scale" not in name:
                weight.copy_(torch.randn(weight.shape, generator=generator) * 0.02)
        model.mask_decoder.pred_obj_score_head.proj_out.bias.fill_(objectness)
    return model
