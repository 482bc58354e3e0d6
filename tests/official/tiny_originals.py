"""The first publishers' networks with random weights, small, and the same shapes for transformers.

Both packages fix some widths, which the shapes for transformers take over.
"""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
import yaml
from groundingdino.models.GroundingDINO.backbone.backbone import Joiner
from groundingdino.models.GroundingDINO.backbone.position_encoding import build_position_encoding
from groundingdino.models.GroundingDINO.backbone.swin_transformer import SwinTransformer
from transformers import (
    BertConfig,
    BertTokenizer,
    GroundingDinoConfig,
    GroundingDinoForObjectDetection,
    Sam2VideoConfig,
    Sam2VideoModel,
    SwinConfig,
)

from alref_agent.tools.detection.grounding_dino_official_network import Network, Text
from alref_agent.tools.segmentation.sam2_official_build import POSTPROCESSING
from conversion import convert_grounding_dino, convert_sam2

SIDE = 128
_DIM = 128
_GRID = SIDE // 16
BERT: dict[str, Any] = {
    "vocab_size": 1100,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
}


def sam2_settings(version: str = "sam2.1") -> Any:
    """The package's settings of the smallest SAM 2, made smaller."""
    import sam2
    from omegaconf import OmegaConf

    file = Path(sam2.__file__).parent / "configs" / version / f"{version}_hiera_t.yaml"
    attention = {"embedding_dim": _DIM, "feat_sizes": [_GRID, _GRID]}
    smaller = {
        "image_size": SIDE,
        "num_maskmem": 3,
        "max_obj_ptrs_in_encoder": 4,
        "image_encoder": {
            "trunk": {
                "embed_dim": 16,
                "stages": [1, 1, 2, 1],
                "global_att_blocks": [3],
                "window_spec": [8, 4, 8, 4],
            },
            "neck": {
                "d_model": _DIM,
                "backbone_channel_list": [128, 64, 32, 16],
                "position_encoding": {"num_pos_feats": _DIM},
            },
        },
        "memory_attention": {
            "d_model": _DIM,
            "num_layers": 1,
            "layer": {
                "d_model": _DIM,
                "dim_feedforward": 64,
                "self_attention": attention,
                "cross_attention": attention,
            },
        },
        "memory_encoder": {
            "in_dim": _DIM,
            "mask_downsampler": {"embed_dim": _DIM},
            "fuser": {"layer": {"dim": _DIM}},
        },
    }
    return OmegaConf.merge(OmegaConf.load(file).model, smaller)


def tiny_sam2_original(version: str = "sam2.1", seed: int = 0) -> Any:
    """The package's video predictor; masks are of some size, and the past shows in them."""
    from hydra.utils import instantiate
    from omegaconf import OmegaConf

    torch.manual_seed(seed)
    model: Any = instantiate(OmegaConf.merge(sam2_settings(version), POSTPROCESSING)).eval()
    _shake(model, seed, {"gamma": 0.3})
    with torch.no_grad():
        model.sam_mask_decoder.pred_obj_score_head.layers[-1].bias.fill_(4.0)
        for name, weight in model.named_parameters():
            if name.endswith("weight") and weight.dim() > 1:
                if "memory_attention" in name:
                    weight.mul_(3)
                elif "output_hypernetworks" in name:
                    weight.mul_(2)
                elif "obj_ptr_proj" in name:
                    weight.mul_(4)
    return model


def save_sam2(model: Any, folder: Path, version: str = "sam2.1") -> tuple[Path, Path]:
    """A checkpoint as its publishers lay it out, and its settings."""
    from omegaconf import OmegaConf

    settings = folder / "tiny.yaml"
    content = {"model": OmegaConf.to_container(sam2_settings(version))}
    settings.write_text(yaml.safe_dump(content), encoding="utf-8")
    checkpoint = folder / "tiny.pt"
    torch.save({"model": model.state_dict()}, checkpoint)
    return checkpoint, settings


def converted_sam2(official: Any, version: str = "sam2.1") -> Any:
    """The same network in transformers."""
    newer = version == "sam2.1"
    config = Sam2VideoConfig(
        image_size=SIDE,
        vision_config={
            "model_type": "sam2_vision_model",
            "backbone_config": {
                "model_type": "sam2_hiera_det_model",
                "image_size": [SIDE, SIDE],
                "hidden_size": 16,
                "num_attention_heads": 1,
                "blocks_per_stage": [1, 1, 2, 1],
                "embed_dim_per_stage": [16, 32, 64, 128],
                "num_attention_heads_per_stage": [1, 2, 4, 8],
                "window_size_per_stage": [8, 4, 8, 4],
                "global_attention_blocks": [3],
            },
            "backbone_channel_list": [128, 64, 32, 16],
            "fpn_hidden_size": _DIM,
            "backbone_feature_sizes": [[_GRID * n, _GRID * n] for n in (4, 2, 1)],
        },
        prompt_encoder_config={"hidden_size": _DIM, "image_size": SIDE, "patch_size": 16},
        mask_decoder_config={"hidden_size": _DIM},
        memory_attention_hidden_size=_DIM,
        memory_attention_num_layers=1,
        memory_attention_feed_forward_hidden_size=64,
        memory_attention_rope_feat_sizes=[_GRID, _GRID],
        memory_encoder_hidden_size=_DIM,
        mask_downsampler_embed_dim=_DIM,
        memory_fuser_embed_dim=_DIM,
        memory_fuser_intermediate_dim=4 * _DIM,
        num_maskmem=3,
        max_object_pointers_in_encoder=4,
        enable_temporal_pos_encoding_for_object_pointers=newer,
        enable_occlusion_spatial_embedding=newer,
    )
    model: Any = Sam2VideoModel(config)
    model.load_state_dict(convert_sam2(official.state_dict()), strict=True)
    return model.eval()


GROUNDING_DINO = {
    # The package fixes the width of text positions, and so this one.
    "hidden_dim": 256,
    "position_embedding": "sine",
    "pe_temperatureH": 20,
    "pe_temperatureW": 20,
    "return_interm_indices": [1, 2, 3],
    "backbone": "swin_T_224_1k",
    "backbone_freeze_keywords": None,
    "enc_layers": 2,
    "dec_layers": 2,
    "pre_norm": False,
    "dim_feedforward": 64,
    "dropout": 0.0,
    "nheads": 4,
    "num_queries": 30,
    "query_dim": 4,
    "num_patterns": 0,
    "num_feature_levels": 4,
    "enc_n_points": 4,
    "dec_n_points": 4,
    "two_stage_type": "standard",
    "two_stage_bbox_embed_share": False,
    "two_stage_class_embed_share": False,
    "transformer_activation": "relu",
    "dec_pred_bbox_embed_share": True,
    "embed_init_tgt": True,
    "max_text_len": 256,
    "use_text_enhancer": True,
    "use_fusion_layer": True,
    "use_text_cross_attention": True,
    "use_checkpoint": False,
    "use_transformer_ckpt": False,
    "text_dropout": 0.0,
    "fusion_dropout": 0.0,
    "fusion_droppath": 0.1,
    "sub_sentence_present": True,
}
"""As the package's configs have it, made small but for the backbone."""


def tiny_tokenizer() -> BertTokenizer:
    """BERT's, with a dozen words; what structures a text has its usual numbers."""
    tokens = [f"[unused{i}]" for i in range(BERT["vocab_size"])]
    fixed = {0: "[PAD]", 100: "[UNK]", 101: "[CLS]", 102: "[SEP]", 103: "[MASK]"}
    for number, token in (fixed | {1012: ".", 1029: "?"}).items():
        tokens[number] = token
    words = [
        "a",
        "the",
        "two",
        "cat",
        "dogs",
        "dog",
        "red",
        "car",
        "person",
        "on",
        "left",
        "of",
        "zebra",
        "##s",
    ]
    tokens[1030 : 1030 + len(words)] = words
    return BertTokenizer(vocab={token: i for i, token in enumerate(tokens)})


def save_bert(folder: Path) -> Path:
    """Its tokenizer and settings, as a hub has them."""
    tiny_tokenizer().save_pretrained(folder)
    BertConfig(**BERT).save_pretrained(folder)
    return folder


def tiny_grounding_dino_original(seed: int = 0) -> Any:
    """The package's network, with a small Swin as its backbone; words matter for its boxes."""
    torch.manual_seed(seed)
    args = SimpleNamespace(**GROUNDING_DINO)
    swin = SwinTransformer(
        pretrain_img_size=128,
        embed_dim=16,
        depths=[1, 2, 1, 1],
        num_heads=[1, 1, 2, 2],
        window_size=4,
        out_indices=(1, 2, 3),
    )
    backbone = Joiner(swin, build_position_encoding(args))
    backbone.num_channels = swin.num_features[1:]
    network = Network(args, backbone, tiny_tokenizer(), Text(BertConfig(**BERT)))
    network.eval()
    _shake(network, seed, {"gamma_v": 0.5, "gamma_l": 0.5})
    return network


def converted_grounding_dino(official: Any) -> Any:
    """The same network in transformers."""
    swin: Any = SwinConfig
    config = GroundingDinoConfig(
        backbone_config=swin(
            image_size=128,
            patch_size=4,
            embed_dim=16,
            depths=[1, 2, 1, 1],
            num_heads=[1, 1, 2, 2],
            window_size=4,
            out_indices=[2, 3, 4],
        ),
        text_config=BertConfig(**BERT),
        d_model=256,
        encoder_layers=2,
        decoder_layers=2,
        encoder_ffn_dim=64,
        decoder_ffn_dim=64,
        encoder_attention_heads=4,
        decoder_attention_heads=4,
        num_queries=30,
        disable_custom_kernels=True,
    )
    model: Any = GroundingDinoForObjectDetection(config)
    model.load_state_dict(convert_grounding_dino(official.state_dict()), strict=True)
    return model.eval()


def _shake(model: Any, seed: int, set_to: dict[str, float]) -> None:
    """No weight stays 0 or what it always is, so that one under a wrong name shows."""
    chance = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            noise = torch.randn(weight.shape, generator=chance)
            given = set_to.get(name.rpartition(".")[2])
            if given is not None:
                weight.copy_(given + 0.05 * noise)
            elif weight.dim() == 1:
                weight.add_(0.05 * noise)
            elif weight.abs().max() == 0:
                weight.copy_(0.1 * noise)
            else:
                weight.add_(0.1 * weight.std() * noise)
