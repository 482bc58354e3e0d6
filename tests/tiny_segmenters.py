"""SAM 2 and EdgeTAM with random weights, small enough to make and run in a moment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import (
    EdgeTamVideoConfig,
    EdgeTamVideoModel,
    Sam2VideoConfig,
    Sam2VideoModel,
)

from published_shapes import enliven

SIDE = 128


def tiny_sam2(seed: int = 0, *, side: int = SIDE, **changes: Any) -> Any:
    """SAM 2.1 of half a million weights."""
    torch.manual_seed(seed)
    model: Any = Sam2VideoModel(Sam2VideoConfig(**_shape(side), **changes))
    return enliven(model.eval(), seed)


def tiny_edgetam(seed: int = 0, *, side: int = SIDE) -> Any:
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
    model: Any = EdgeTamVideoModel(config)
    return enliven(model.eval(), seed)


def save(model: Any, folder: Path) -> Path:
    """Lay a model out as hubs have it."""
    model.save_pretrained(folder)
    return folder


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
