"""SAM 2 and EdgeTAM with random weights: small ones, and ones of the published shapes.

Random weights that transformers draws are so small that every mask is empty or full; those here are
drawn so that objects come out as blobs that move when anything in the model does.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import torch
from transformers import (
    EdgeTamVideoConfig,
    EdgeTamVideoModel,
    Sam2VideoConfig,
    Sam2VideoModel,
)

Size = Literal["tiny", "small", "base-plus", "large"]
SIDE = 128


def tiny_sam2(seed: int = 0, *, side: int = SIDE, **changes: Any) -> Sam2VideoModel:
    """SAM 2.1 of half a million weights."""
    torch.manual_seed(seed)
    model = Sam2VideoModel(Sam2VideoConfig(**_shape(side), **changes)).eval()
    return _lively(model, seed)


def tiny_edgetam(seed: int = 0, *, side: int = SIDE) -> EdgeTamVideoModel:
    """EdgeTAM, with a small Hiera as its image encoder, which needs no timm."""
    torch.manual_seed(seed)
    shape = _shape(side)
    shape["memory_attention_mlp_hidden_size"] = shape.pop(
        "memory_attention_feed_forward_hidden_size"
    )
    config = EdgeTamVideoConfig(
        **shape,
        perceiver_resampler_num_latents=8,
        perceiver_resampler_num_latents_2d=16,
        memory_attention_rope_k_sizes=[4, 4],
    )
    return _lively(EdgeTamVideoModel(config).eval(), seed)


def save(model: Any, folder: Path) -> Path:
    """Lay a model out as hubs have it."""
    model.save_pretrained(folder)
    return folder


def published_sam2(size: Size, *, side: int = 1024, version: str = "2.1") -> Sam2VideoConfig:
    """The settings of the published SAM 2 (`2`) and SAM 2.1 (`2.1`)."""
    new = version == "2.1"
    config = Sam2VideoConfig(
        enable_temporal_pos_encoding_for_object_pointers=new,
        enable_occlusion_spatial_embedding=new,
    )
    backbone = config.vision_config.backbone_config
    for name, value in _HIERA[size].items():
        setattr(backbone, name, value)
    if "embed_dim_per_stage" in _HIERA[size]:
        channels = _HIERA[size]["embed_dim_per_stage"]
        config.vision_config.backbone_channel_list = channels[::-1]
    from alref_agent.tools.segmentation.hf_video import resized

    changed: Any = resized(config, side, "SAM 2")
    return changed


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


def _shape(side: int, dim: int = 128) -> dict[str, Any]:
    grid = side // 16
    return {
        "image_size": side,
        "vision_config": {
            "model_type": "sam2_vision_model",
            "backbone_config": {
                "model_type": "sam2_hiera_det_model",
                "image_size": [side, side],
                "hidden_size": 16,
                "num_attention_heads": 1,
                "blocks_per_stage": [1, 1, 2, 1],
                "embed_dim_per_stage": [16, 32, 64, 128],
                "num_attention_heads_per_stage": [1, 1, 2, 2],
                "window_size_per_stage": [8, 4, 8, 4],
                "global_attention_blocks": [3],
            },
            "backbone_channel_list": [128, 64, 32, 16],
            "fpn_hidden_size": dim,
            "backbone_feature_sizes": [[grid * n, grid * n] for n in (4, 2, 1)],
        },
        "prompt_encoder_config": {
            "hidden_size": dim,
            "image_size": side,
            "patch_size": 16,
            "mask_input_channels": 8,
        },
        "mask_decoder_config": {
            "hidden_size": dim,
            "mlp_dim": 64,
            "num_attention_heads": 4,
            "iou_head_hidden_dim": dim,
        },
        "memory_attention_hidden_size": dim,
        "memory_attention_num_layers": 1,
        "memory_attention_feed_forward_hidden_size": 64,
        "memory_attention_rope_feat_sizes": [grid, grid],
        "memory_encoder_hidden_size": dim,
        "memory_encoder_output_channels": 64,
        "mask_downsampler_embed_dim": dim,
        "memory_fuser_embed_dim": dim,
        "memory_fuser_intermediate_dim": 64,
        "num_maskmem": 3,
        "max_object_pointers_in_encoder": 4,
    }


def _lively(model: Any, seed: int, objectness: float = 1.0) -> Any:
    """Draw weights at a scale at which every part of the model tells in its masks."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.ndim > 1:
                fan_in = weight[0].numel()
                weight.copy_(torch.randn(weight.shape, generator=generator) / fan_in**0.5)
            elif "norm" not in name and "scale" not in name:
                weight.copy_(torch.randn(weight.shape, generator=generator) * 0.02)
        # Else every object would be absent on every other frame, and have no mask.
        model.mask_decoder.pred_obj_score_head.proj_out.bias.fill_(objectness)
    return model
