"""The network of the package `groundingdino-py`, built so that transformers 5 can run its BERT.

The package's own constructor downloads BERT's weights, which every checkpoint holds anyway, and
wraps BERT in a class that calls what transformers 5 no longer has. So there is another constructor;
all that computes is the package's. Importing this module imports the package.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Collection
from types import SimpleNamespace
from typing import Any

import torch
from PIL import Image
from torch import nn
from transformers import BertModel, PreTrainedConfig

from alref_agent.types import Frame

with warnings.catch_warnings():
    # They warn of what is no concern of a user: names that moved, extensions not built.
    warnings.simplefilter("ignore")
    import groundingdino.datasets.transforms as T
    from groundingdino.models.GroundingDINO.backbone.backbone import build_backbone
    from groundingdino.models.GroundingDINO.groundingdino import GroundingDINO
    from groundingdino.models.GroundingDINO.transformer import build_transformer
    from groundingdino.models.GroundingDINO.utils import MLP, ContrastiveEmbed
    from groundingdino.util.misc import nested_tensor_from_tensor_list

_SPLITTING = ("[CLS]", "[SEP]", ".", "?")
"""Tokens between which the words of a phrase see one another."""


class Text(BertModel):  # type: ignore[no-untyped-call]
    """BERT as the package calls it, with one `(words, words)` mask a text."""

    def forward(self, input_ids: Any = None, attention_mask: Any = None, **options: Any) -> Any:
        """See `BertModel`; its masks have a dimension of heads."""
        return super().forward(input_ids, attention_mask=attention_mask[:, None], **options)


class Network(GroundingDINO):  # type: ignore[misc]
    """The package's network around a backbone, a tokenizer and BERT."""

    def __init__(self, args: SimpleNamespace, backbone: Any, tokenizer: Any, bert: Text) -> None:
        """Make it with random weights.

        Args:
            args: As in the package's configs.
            backbone: What sees.
            tokenizer: BERT's.
            bert: What reads.
        """
        nn.Module.__init__(self)
        width = args.hidden_dim
        self.hidden_dim = width
        self.num_queries = args.num_queries
        self.num_feature_levels = args.num_feature_levels
        self.max_text_len = args.max_text_len
        self.sub_sentence_present = args.sub_sentence_present
        self.tokenizer = tokenizer
        self.specical_tokens = tokenizer.convert_tokens_to_ids(list(_SPLITTING))  # sic
        self.bert = bert
        self.feat_map = nn.Linear(bert.config.hidden_size, width)
        self.backbone = backbone
        self.transformer = build_transformer(args)
        self.input_proj = _projections(backbone.num_channels, args.num_feature_levels, width)
        self.refpoint_embed = None

        layers = self.transformer.num_decoder_layers
        box, label = MLP(width, width, 4, 3), ContrastiveEmbed()
        shared = args.dec_pred_bbox_embed_share
        self.bbox_embed = nn.ModuleList(
            box if shared else copy.deepcopy(box) for _ in range(layers)
        )
        self.class_embed = nn.ModuleList(label for _ in range(layers))
        self.transformer.decoder.bbox_embed = self.bbox_embed
        self.transformer.decoder.class_embed = self.class_embed
        self.transformer.enc_out_bbox_embed = copy.deepcopy(box)
        self.transformer.enc_out_class_embed = copy.deepcopy(label)


class Once(nn.Module):
    """A backbone that computes once for the same pictures."""

    def __init__(self, backbone: Any) -> None:
        super().__init__()
        self._backbone = backbone
        self.forget()

    def forget(self) -> None:
        """Let go of what was computed."""
        self._pictures: Any = None
        self._kept: tuple[list[Any], list[Any]] = ([], [])

    def forward(self, pictures: Any) -> tuple[list[Any], list[Any]]:
        """What the backbone makes of the pictures; the network adds to the lists."""
        if self._pictures is not pictures:
            self._kept = self._backbone(pictures)
            self._pictures = pictures
        return list(self._kept[0]), list(self._kept[1])

    def __getitem__(self, part: int) -> Any:
        return self._backbone[part]


def build(args: SimpleNamespace, tokenizer: Any, bert: PreTrainedConfig) -> Network:
    """A network with random weights, for inference.

    Args:
        args: As in the package's configs.
        tokenizer: BERT's.
        bert: Its settings.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # Computing parts again to save memory is for training only.
        args.use_checkpoint = args.use_transformer_ckpt = False
        network = Network(args, build_backbone(args), tokenizer, Text(bert))  # type: ignore[arg-type]
    network.eval()
    return network


def prepare(frames: Collection[Frame], device: torch.device) -> Any:
    """Frames as the package takes them: short side 800, long side at most 1333 pixels."""
    transform = T.Compose(
        [
            T.RandomResize([800], max_size=1333),
            T.ToTensor(),
            T.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
        ]
    )
    pictures = [transform(Image.fromarray(frame), None)[0] for frame in frames]
    return nested_tensor_from_tensor_list(pictures).to(device)


def _projections(channels: Collection[int], levels: int, width: int) -> nn.ModuleList:
    """One a level of the backbone, and strided ones for further levels."""
    of_backbone = list(channels)
    convolutions = [nn.Conv2d(n, width, 1) for n in of_backbone]
    before = of_backbone[-1]
    for _ in range(levels - len(of_backbone)):
        convolutions.append(nn.Conv2d(before, width, 3, stride=2, padding=1))
        before = width
    return nn.ModuleList(nn.Sequential(c, nn.GroupNorm(32, width)) for c in convolutions)
