"""Detectors with random weights, small enough to make and run in a moment, laid out as on the hub.

They know the words of `WORDS`, and letters.
"""

from __future__ import annotations

import string
from pathlib import Path
from typing import Any, Literal

import torch
import transformers as tr
from safetensors.torch import save_file

from tiny_models import edit

Family = Literal["grounding-dino", "mm-grounding-dino", "owlv2"]
FAMILIES: tuple[Family, ...] = ("grounding-dino", "mm-grounding-dino", "owlv2")
WORDS = [
    *("a", "the", "of", "in", "on", "and", "two", "left", "right", "red"),
    *("person", "man", "woman", "dog", "cat", "car", "shirt", "shark"),
]
N_QUERIES = 20
IMAGENET: dict[str, Any] = {
    "image_mean": [0.485, 0.456, 0.406],
    "image_std": [0.229, 0.224, 0.225],
    "rescale_factor": 1 / 255,
    "do_normalize": True,
    "do_rescale": True,
    "do_resize": True,
    "do_pad": True,
}


def tiny_detector(folder: Path, family: Family, *, seed: int = 0, **settings: Any) -> Path:
    """A detector of a family; further settings go into its `config.json` before it is made."""
    torch.manual_seed(seed)
    if family == "owlv2":
        return _owlv2(folder, settings)
    return _grounding_dino(folder, family, settings)


def published_grounding_dino(folder: Path, words: Path) -> Path:
    """GroundingDINO in the shape of the published tiny one, with word pieces from a folder."""
    torch.manual_seed(0)
    model = tr.GroundingDinoForObjectDetection(tr.GroundingDinoConfig())
    _save(folder, model)
    tr.BertTokenizer.from_pretrained(words).save_pretrained(folder)
    _picture_settings(folder, shortest=800, longest=1333)
    return folder


def _grounding_dino(folder: Path, family: Family, settings: dict[str, Any]) -> Path:
    vocabulary = _word_pieces()
    shape: dict[str, Any] = {
        "backbone_config": {
            "model_type": "swin",
            "image_size": 96,
            "patch_size": 4,
            "embed_dim": 16,
            "depths": [1, 1, 1, 1],
            "num_heads": [1, 1, 2, 2],
            "window_size": 4,
            "out_indices": [2, 3, 4],
        },
        "text_config": tr.BertConfig(
            vocab_size=len(vocabulary),
            hidden_size=32,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=64,
        ),
        "d_model": 32,
        "encoder_layers": 1,
        "decoder_layers": 3,
        "encoder_ffn_dim": 64,
        "decoder_ffn_dim": 64,
        "encoder_attention_heads": 2,
        "decoder_attention_heads": 2,
        "encoder_n_points": 2,
        "decoder_n_points": 2,
        "num_queries": N_QUERIES,
    }
    model: Any
    if family == "grounding-dino":
        model = tr.GroundingDinoForObjectDetection(tr.GroundingDinoConfig(**shape | settings))
    else:
        # As the published ones: each layer of the decoder has heads of its own.
        shape |= {"decoder_bbox_embed_share": False, "decoder_cls_embed_share": False}
        model = tr.MMGroundingDinoForObjectDetection(tr.MMGroundingDinoConfig(**shape | settings))
    _shake(model)
    _save(folder, model)
    tr.BertTokenizer(vocab=vocabulary).save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(vocabulary), "utf-8")
    _picture_settings(folder, shortest=96, longest=160)
    return folder


def _owlv2(folder: Path, settings: dict[str, Any]) -> Path:
    letters = list(string.ascii_lowercase)
    tokens = ["!", *letters, *(f"{letter}</w>" for letter in letters)]
    vocabulary = {token: i for i, token in enumerate(tokens)}
    merges: list[tuple[str, str]] = []
    for word in WORDS:
        parts = [*word[:-1], f"{word[-1]}</w>"]
        while len(parts) > 1:
            merges.append((parts[0], parts[1]))
            parts[:2] = [parts[0] + parts[1]]
            vocabulary.setdefault(parts[0], len(vocabulary))
    merges = list(dict.fromkeys(merges))
    start, end = "<|startoftext|>", "<|endoftext|>"
    vocabulary |= {start: len(vocabulary), end: len(vocabulary) + 1}
    kind: Any = tr.CLIPTokenizer
    tokenizer = kind(vocab=vocabulary, merges=merges, model_max_length=16, pad_token="!")
    size = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1}
    config = tr.Owlv2Config(
        text_config=size
        | {
            "vocab_size": len(vocabulary),
            "num_attention_heads": 2,
            "max_position_embeddings": 16,
            "bos_token_id": vocabulary[start],
            "eos_token_id": vocabulary[end],
            "pad_token_id": 0,
        },
        vision_config=size | {"num_attention_heads": 2, "image_size": 96, "patch_size": 16},
        projection_dim=32,
        **settings,
    )
    model = tr.Owlv2ForObjectDetection(config)
    _shake(model)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    edit(
        folder / "preprocessor_config.json",
        **IMAGENET
        | {
            "image_mean": [0.48145466, 0.4578275, 0.40821073],
            "image_std": [0.26862954, 0.26130258, 0.27577711],
        },
        image_processor_type="Owlv2ImageProcessor",
        processor_class="Owlv2Processor",
        resample=2,
        size={"height": 96, "width": 96},
    )
    return folder


def _picture_settings(folder: Path, shortest: int, longest: int) -> None:
    edit(
        folder / "preprocessor_config.json",
        **IMAGENET,
        do_convert_annotations=True,
        format="coco_detection",
        image_processor_type="GroundingDinoImageProcessor",
        processor_class="GroundingDinoProcessor",
        resample=2,
        size={"shortest_edge": shortest, "longest_edge": longest},
    )


def _word_pieces() -> dict[str, int]:
    """GroundingDINO knows four tokens by their numbers, so they have those of BERT's."""
    tokens = [f"[unused{i}]" for i in range(1030)]
    known = {0: "[PAD]", 100: "[UNK]", 101: "[CLS]", 102: "[SEP]", 103: "[MASK]"}
    for i, token in (known | {1012: ".", 1029: "?"}).items():
        tokens[i] = token
    letters = list(string.ascii_lowercase)
    tokens += [*dict.fromkeys([*WORDS, *letters, ",", "-"]), *(f"##{c}" for c in letters)]
    return {token: i for i, token in enumerate(tokens)}


def _shake(model: Any) -> None:
    """Larger weights than usual, so that words and pictures change what is found."""
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.dim() > 1:
                weight.normal_(0, 0.25)
            elif name.endswith("bias"):
                weight.normal_(0, 0.1)
        if type(model) is tr.GroundingDinoForObjectDetection:
            # Its scores are products of whole vectors: all would be 1.
            model.model.decoder.layer_norm.weight.mul_(0.1)


def _save(folder: Path, model: Any) -> None:
    """As published: of weights that several parts share, files have one."""
    model.config.architectures = [type(model).__name__]
    model.config.save_pretrained(folder)
    copies = ["model.decoder.bbox_embed.", "model.decoder.class_embed."]
    if model.config.decoder_bbox_embed_share:
        copies += [f"bbox_embed.{i}." for i in range(1, model.config.decoder_layers)]
    kept = {
        name: weight
        for name, weight in model.state_dict().items()
        if not name.startswith(tuple(copies))
    }
    save_file(kept, folder / "model.safetensors", {"format": "pt"})
