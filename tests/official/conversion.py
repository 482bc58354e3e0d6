"""Weights in the first publishers' names -> in transformers', so that the two can be compared.

Written from the two lists of names (transformers 5.24, sam2 1.1.0, groundingdino-py 0.4.0). Where
transformers has three projections and the other one joint one, it is cut.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import torch

Weights = Mapping[str, torch.Tensor]

# SAM 2 ------------------------------------------------------------------------------------

_TWO_LAYERS = {"0": "proj_in", "1": "proj_out"}
_THREE_LAYERS = {"0": "proj_in", "1": "layers.0", "2": "proj_out"}
_HEADS = r"(iou_prediction_head|pred_obj_score_head|output_hypernetworks_mlps\.\d+|obj_ptr_proj)"
_SAM2 = [
    # the image encoder
    (r"^image_encoder\.trunk\.", "vision_encoder.backbone."),
    (r"^image_encoder\.neck\.convs\.(\d+)\.conv\.", r"vision_encoder.neck.convs.\1."),
    (r"\.patch_embed\.proj\.", ".patch_embed.projection."),
    # the two heads of SAM
    (r"^sam_(prompt_encoder|mask_decoder)\.", r"\1."),
    (r"\.pe_layer\.positional_encoding_gaussian_matrix$", ".shared_embedding.positional_embedding"),
    (r"\.mask_downscaling\.0\.", ".mask_embed.conv1."),
    (r"\.mask_downscaling\.1\.", ".mask_embed.layer_norm1."),
    (r"\.mask_downscaling\.3\.", ".mask_embed.conv2."),
    (r"\.mask_downscaling\.4\.", ".mask_embed.layer_norm2."),
    (r"\.mask_downscaling\.6\.", ".mask_embed.conv3."),
    (r"\.output_upscaling\.0\.", ".upscale_conv1."),
    (r"\.output_upscaling\.1\.", ".upscale_layer_norm."),
    (r"\.output_upscaling\.3\.", ".upscale_conv2."),
    # the memory
    (r"^memory_encoder\.out_proj\.", "memory_encoder.projection."),
    (r"^memory_encoder\.pix_feat_proj\.", "memory_encoder.feature_projection."),
    (r"^memory_encoder\.fuser\.", "memory_encoder.memory_fuser."),
    (r"\.dwconv\.", ".depthwise_conv."),
    (r"\.pwconv(\d)\.", r".pointwise_conv\1."),
    (r"\.gamma$", ".scale"),
    (r"^maskmem_tpos_enc$", "memory_temporal_positional_encoding"),
    (r"^no_mem_embed$", "no_memory_embedding"),
    (r"^no_mem_pos_enc$", "no_memory_positional_encoding"),
    (r"^no_obj_embed_spatial$", "occlusion_spatial_embedding_parameter"),
    (r"^no_obj_ptr$", "no_object_pointer"),
    (r"^obj_ptr_tpos_proj\.", "temporal_positional_encoding_projection_layer."),
    (r"^obj_ptr_proj\.", "object_pointer_proj."),
    # everywhere
    (r"\.out_proj\.", ".o_proj."),
    (r"\.norm(\d?|_final_attn)\.(weight|bias)$", r".layer_norm\1.\2"),
]


def convert_sam2(official: Weights) -> dict[str, torch.Tensor]:
    """For `Sam2VideoModel`."""
    points = "sam_prompt_encoder.point_embeddings."
    out = {_sam2_name(name): w for name, w in official.items() if not name.startswith(points)}
    out["prompt_encoder.point_embed.weight"] = torch.cat(
        [official[f"{points}{kind}.weight"] for kind in range(4)]
    )
    # One buffer, two names.
    buffer = out["prompt_encoder.shared_embedding.positional_embedding"]
    out["shared_image_embedding.positional_embedding"] = buffer
    return out


def _sam2_name(name: str) -> str:
    name = re.sub(
        r"^memory_encoder\.mask_downsampler\.encoder\.(\d+)\.",
        lambda found: f"memory_encoder.mask_downsampler.{_downsampler(int(found[1]))}.",
        name,
    )
    name = re.sub(r"\.mlp\.layers\.([01])\.", lambda found: f".mlp.{_TWO_LAYERS[found[1]]}.", name)
    name = re.sub(
        rf"{_HEADS}\.layers\.([012])\.",
        lambda found: f"{found[1]}.{_THREE_LAYERS[found[2]]}.",
        name,
    )
    return _renamed(name, _SAM2)


def _downsampler(part: int) -> str:
    """Convolution, norm and GELU, four times, and a last convolution."""
    return "final_conv" if part == 12 else f"layers.{part // 3}.{('conv', 'layer_norm')[part % 3]}"


# GroundingDINO ----------------------------------------------------------------------------

_SWIN = "model.backbone.conv_encoder.model.swin."
_NORMS = "model.backbone.conv_encoder.model.hidden_states_norms"
_ENCODER = "model.encoder.layers"
_DECODER = "model.decoder.layers"
_GROUNDING_DINO = [
    # Swin
    (r"^backbone\.0\.patch_embed\.proj\.", f"{_SWIN}embeddings.patch_embeddings.projection."),
    (r"^backbone\.0\.patch_embed\.norm\.", f"{_SWIN}embeddings.norm."),
    (r"^backbone\.0\.layers\.", f"{_SWIN}encoder.layers."),
    (r"(swin\..*)\.norm1\.", r"\1.layernorm_before."),
    (r"(swin\..*)\.norm2\.", r"\1.layernorm_after."),
    (r"(swin\..*)\.attn\.proj\.", r"\1.attention.o_proj."),
    (
        r"(swin\..*)\.attn\.(relative_position_bias_table)$",
        r"\1.attention.relative_position_bias.\2",
    ),
    (r"(swin\..*)\.attn\.", r"\1.attention."),
    # BERT and the projections
    (r"^bert\.", "model.text_backbone."),
    (r"^feat_map\.", "model.text_projection."),
    (r"^input_proj\.", "model.input_proj_vision."),
    # the encoder
    (r"^transformer\.encoder\.layers\.(\d+)\.", rf"{_ENCODER}.\1.deformable_layer."),
    (r"^transformer\.encoder\.text_layers\.(\d+)\.", rf"{_ENCODER}.\1.text_enhancer_layer."),
    (r"^transformer\.encoder\.fusion_layers\.(\d+)\.", rf"{_ENCODER}.\1.fusion_layer."),
    (r"deformable_layer\.norm1\.", "deformable_layer.self_attn_layer_norm."),
    (r"deformable_layer\.norm2\.", "deformable_layer.final_layer_norm."),
    (r"text_enhancer_layer\.norm1\.", "text_enhancer_layer.layer_norm_before."),
    (r"text_enhancer_layer\.norm2\.", "text_enhancer_layer.layer_norm_after."),
    (r"fusion_layer\.gamma_v$", "fusion_layer.vision_param"),
    (r"fusion_layer\.gamma_l$", "fusion_layer.text_param"),
    (r"fusion_layer\.layer_norm_v\.", "fusion_layer.layer_norm_vision."),
    (r"fusion_layer\.layer_norm_l\.", "fusion_layer.layer_norm_text."),
    (r"fusion_layer\.attn\.((?:values_|out_)?)v_proj\.", r"fusion_layer.attn.\1vision_proj."),
    (r"fusion_layer\.attn\.((?:values_|out_)?)l_proj\.", r"fusion_layer.attn.\1text_proj."),
    # the decoder
    (r"^transformer\.decoder\.layers\.(\d+)\.cross_attn\.", rf"{_DECODER}.\1.encoder_attn."),
    (r"^transformer\.decoder\.layers\.(\d+)\.norm1\.", rf"{_DECODER}.\1.encoder_attn_layer_norm."),
    (r"^transformer\.decoder\.layers\.(\d+)\.ca_text\.", rf"{_DECODER}.\1.encoder_attn_text."),
    (
        r"^transformer\.decoder\.layers\.(\d+)\.catext_norm\.",
        rf"{_DECODER}.\1.encoder_attn_text_layer_norm.",
    ),
    (r"^transformer\.decoder\.layers\.(\d+)\.norm2\.", rf"{_DECODER}.\1.self_attn_layer_norm."),
    (r"^transformer\.decoder\.layers\.(\d+)\.norm3\.", rf"{_DECODER}.\1.final_layer_norm."),
    (r"^transformer\.decoder\.ref_point_head\.", "model.decoder.reference_points_head."),
    (r"^transformer\.decoder\.norm\.", "model.decoder.layer_norm."),
    (r"^transformer\.decoder\.", "model.decoder."),
    (r"^transformer\.tgt_embed\.", "model.query_position_embeddings."),
    (r"^transformer\.enc_out_bbox_embed\.", "model.encoder_output_bbox_embed."),
    (r"^transformer\.", "model."),
    (r"\.linear(\d)\.", r".fc\1."),
]
_JOINT = re.compile(
    r"(.*)\.(attention\.qkv\.|(?:self_attn|encoder_attn_text)\.in_proj_)(weight|bias)$"
)


def convert_grounding_dino(official: Weights) -> dict[str, torch.Tensor]:
    """For `GroundingDinoForObjectDetection`."""
    out: dict[str, torch.Tensor] = {}
    for name, weight in official.items():
        if name.endswith("relative_position_index") or name.startswith("bert.pooler."):
            continue  # computed; not used
        norm = re.match(r"backbone\.0\.norm(\d)\.(.*)", name)
        if norm:
            # Counted from 0 there, from 1 with the stem here.
            out[f"{_NORMS}.stage{int(norm[1]) + 1}.{norm[2]}"] = weight
            continue
        name = _renamed(name, _GROUNDING_DINO)
        joint = _JOINT.match(name)
        if joint is None:
            out[name] = weight
            continue
        swin = joint[2].startswith("attention")
        thirds = ("q_proj", "k_proj", "v_proj") if swin else ("query", "key", "value")
        part = joint[2].split(".")[0]
        for third, cut in zip(thirds, weight.chunk(3), strict=True):
            out[f"{joint[1]}.{part}.{third}.{joint[3]}"] = cut
    # A last norm that backbones have and nobody uses.
    width = out[f"{_NORMS}.stage4.weight"]
    out[f"{_SWIN}layernorm.weight"] = torch.ones_like(width)
    out[f"{_SWIN}layernorm.bias"] = torch.zeros_like(width)
    return out


def _renamed(name: str, rules: Sequence[tuple[str, str]]) -> str:
    """All rules that match apply, in their order."""
    for pattern, new in rules:
        name = re.sub(pattern, new, name)
    return name
