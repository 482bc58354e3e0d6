"""SAM 2's attention to its memory, faster on a CPU, to rounding the same.

A memory has 64 channels, and values are a linear map of them to 256. What attention computes is a
mean of values, and the map of a mean is the mean of the map: so the memories themselves are
averaged, and what comes out is mapped. Scores, which are as many as pixels times remembered pixels,
are made and used in tiles that stay in the processor's cache, with the running maximum and sum of
FlashAttention (Dao et al., 2022). On a GPU the fused kernels of torch are faster, and are used.
"""

from __future__ import annotations

from typing import Any

import torch
from transformers.models.sam2_video.modeling_sam2_video import (
    Sam2VideoRoPEAttention,
    apply_rotary_pos_emb_2d,
)

_TILE = 1024
"""Queries, and keys, of a tile of scores: 4 MiB."""


class NarrowAttention(torch.nn.Module):
    """In place of a cross attention of one head: averages memories, not their values."""

    def __init__(self, inner: Any) -> None:
        super().__init__()
        self.inner = inner

    def forward(
        self,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        position_embeddings: tuple[torch.Tensor, torch.Tensor],
        num_k_exclude_rope: int = 0,
        **options: Any,
    ) -> tuple[torch.Tensor, None]:
        """As that of transformers.

        Args:
            query: `(1, 1, N, channels)`.
            key: `(1, 1, M, memory channels)`.
            value: The same, without positions.
            position_embeddings: Cosine and sine, `(1, N, channels)` each.
            num_k_exclude_rope: How many keys, the last ones, have no place in the picture.
            options: Of no effect here.
        """
        inner = self.inner
        cos, sin = position_embeddings
        queries, keys = apply_rotary_pos_emb_2d(
            inner.q_proj(query),
            inner.k_proj(key),
            cos,
            sin,
            repeat_freqs_k=inner.rope_k_repeat,
            num_k_exclude_rope=num_k_exclude_rope,
        )
        mean = averaged(queries[0, 0] * inner.scaling, keys[0, 0], value[0, 0])
        return inner.o_proj(inner.v_proj(mean))[None, None], None


def averaged(queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    """`(N, channels of values)`: for each query the mean of the values, weighted by softmax.

    Args:
        queries: `(N, C)`, scaled.
        keys: `(M, C)`.
        values: `(M, D)`.
    """
    out = queries.new_empty(len(queries), values.shape[1])
    for i in range(0, len(queries), _TILE):
        some = queries[i : i + _TILE]
        top = some.new_full((len(some), 1), -torch.inf)
        total = some.new_zeros(len(some), 1)
        mean = some.new_zeros(len(some), values.shape[1])
        for j in range(0, len(keys), _TILE):
            scores = some @ keys[j : j + _TILE].T
            new_top = torch.maximum(top, scores.amax(-1, keepdim=True))
            # What was summed so far was relative to the maximum so far.
            shrink = (top - new_top).exp_()
            scores.sub_(new_top).exp_()
            total = total * shrink + scores.sum(-1, keepdim=True)
            mean = torch.addmm(mean * shrink, scores, values[j : j + _TILE])
            top = new_top
        out[i : i + _TILE] = mean / total
    return out


def narrow(model: Any) -> None:
    """Let a model attend to its memory this way, where it is SAM 2 in float32 on a CPU."""
    if model.device.type != "cpu" or model.dtype != torch.float32:
        return
    for layer in model.memory_attention.layers:
        attention = layer.cross_attn_image
        # EdgeTAM's is another class: its memories are few.
        if isinstance(attention, Sam2VideoRoPEAttention) and attention.num_attention_heads == 1:
            layer.cross_attn_image = NarrowAttention(attention)
