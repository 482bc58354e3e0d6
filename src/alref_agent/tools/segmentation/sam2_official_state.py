"""Sweeping with the `sam2` package's video predictor: features from outside, a bounded memory.

Everything is computed by the predictor's own methods. What differs from its `propagate_in_video` is
who reads frames, that features of a frame are computed once for all objects, and that of the past
only what memory attention and object pointers can reach is kept.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from PIL import Image

from alref_agent.tools.segmentation.cues import Course, Cue
from alref_agent.tools.segmentation.network import Features, Outlook
from alref_agent.tools.segmentation.pixels import MEAN, STD, full_size, points
from alref_agent.types import Frame, Mask

_OBJ = 1
"""The id of the only object of a state."""


def video_pixels(frame: Frame, side: int, device: torch.device) -> torch.Tensor:
    """A frame as the package's video loader makes it: `(1, 3, side, side)` float32.

    Resized by Pillow's bicubic filter, unlike in the package's image predictor and transformers.

    Args:
        frame: RGB uint8 `(H, W, 3)`.
        side: In pixels.
        device: Where the result shall be.
    """
    square = np.array(Image.fromarray(frame).resize((side, side), Image.Resampling.BICUBIC))
    picture = torch.from_numpy(square).permute(2, 0, 1)[None].to(device).float() / 255
    mean = torch.tensor(MEAN, device=device).view(1, 3, 1, 1)
    std = torch.tensor(STD, device=device).view(1, 3, 1, 1)
    return (picture - mean) / std


class OfficialNetwork:
    """A `Network` on the package's video predictor."""

    def __init__(
        self,
        model: Any,
        *,
        dtype: torch.dtype = torch.float32,
        as_mask: bool = False,
        offload: bool = False,
        compiler: Callable[[Any], Any] | None = None,
    ) -> None:
        """Take a loaded predictor.

        Args:
            model: On its device, with float32 weights, in evaluation mode.
            dtype: What multiplications are computed with, as torch's autocast does.
            as_mask: Whether boxes and points are turned into a mask by the image mode, and the mask
                is the prompt (the paper), or are prompts themselves.
            offload: Whether what is remembered waits in the computer's memory.
            compiler: What compiles the image encoder, as `torch.compile`; None: it is not compiled.
        """
        self.model = model
        self.as_mask = as_mask
        self.device = torch.device(model.device)
        self.waits_at = torch.device("cpu") if offload else self.device
        self._dtype = dtype
        if compiler is not None:
            model.image_encoder = compiler(model.image_encoder)
        # Position encodings of frames and of memories are the same for all: there is one copy.
        self.constants: dict[str, Any] = {}
        with self.computing():
            # Also the warm-up: kernels are chosen, and compiled where that is asked for.
            blank = self._pixels(np.zeros((8, 8, 3), np.uint8))
            self._positions: list[torch.Tensor] = model.forward_image(blank)["vision_pos_enc"]

    @contextmanager
    def computing(self) -> Iterator[None]:
        """Where the predictor is run."""
        mixed = self._dtype != torch.float32
        with (
            torch.inference_mode(),
            torch.autocast(self.device.type, self._dtype if mixed else None, enabled=mixed),
        ):
            yield

    def encode(self, frame: Frame) -> Features:
        """The levels of the feature pyramid, `(1, channels, h, w)` each, finest first."""
        with self.computing():
            levels = self.model.forward_image(self._pixels(frame))["backbone_fpn"]
        return list(levels)

    def n_bytes(self, features: Features) -> int:
        """Of all levels."""
        return sum(level.numel() * level.element_size() for level in features)

    def put_away(self, features: Features) -> Features:
        """In the computer's memory, where that is asked for."""
        return [level.to(self.waits_at) for level in features]

    def at_hand(self, features: Features) -> Features:
        """On the device."""
        return [level.to(self.device) for level in features]

    def shown(self, features: Features) -> dict[str, list[torch.Tensor]]:
        """Features as the predictor computes them."""
        levels = [level.to(self.device, non_blocking=True) for level in features]
        return {"backbone_fpn": levels, "vision_pos_enc": self._positions}

    def follower(self, course: Course, n_frames: int, size: tuple[int, int]) -> OfficialFollower:
        """A state of its own an object."""
        return OfficialFollower(self, course, n_frames, size)

    def mask(self, outlook: Outlook, size: tuple[int, int]) -> Mask:
        """Logits at a quarter of the network's size, enlarged."""
        return full_size(outlook.logits, size)

    def _pixels(self, frame: Frame) -> torch.Tensor:
        return video_pixels(frame, self.model.image_size, self.device)


class OfficialFollower:
    """A `Follower` on an inference state of the package, which is kept small."""

    def __init__(
        self, network: OfficialNetwork, course: Course, n_frames: int, size: tuple[int, int]
    ) -> None:
        """Begin without memory.

        Args:
            network: The predictor.
            course: The object's.
            n_frames: Of the whole video.
            size: `(H, W)` of the video.
        """
        self.state: dict[str, Any] = {
            # Never read: features are put into `cached_features` before every call.
            "images": (),
            "num_frames": n_frames,
            "offload_video_to_cpu": False,
            "offload_state_to_cpu": network.waits_at != network.device,
            "video_height": size[0],
            "video_width": size[1],
            "device": network.device,
            "storage_device": network.waits_at,
            "constants": network.constants,
            "obj_id_to_idx": OrderedDict(),
            "obj_idx_to_id": OrderedDict(),
            "obj_ids": [],
            "cached_features": {},
        }
        """As the predictor's `init_state` makes it; of the past no more than it can reach."""
        for name in ("point_inputs", "mask_inputs", "output_dict", "temp_output_dict"):
            self.state[f"{name}_per_obj"] = {}
        self.state["frames_tracked_per_obj"] = {}
        self._network = network
        self._model = network.model
        self._course = course
        self._size = size

    def condition(self, cue: Cue, features: Features) -> None:
        """See `Follower`."""
        with self._network.computing():
            self._condition(cue, features)

    def recall(self, frame_idx: int) -> Outlook:
        """See `Follower`."""
        found = self._kept["cond_frame_outputs"][frame_idx]
        return _outlook(found["pred_masks"].to(self._network.device), found)

    def follow(self, frame_idx: int, features: Features, *, backward: bool) -> Outlook:
        """See `Follower`."""
        self._look_at(frame_idx, features)
        with self._network.computing():
            found, masks = self._model._run_single_frame_inference(
                inference_state=self.state,
                output_dict=self._kept,
                frame_idx=frame_idx,
                batch_size=1,
                is_init_cond_frame=False,
                point_inputs=None,
                mask_inputs=None,
                reverse=backward,
                run_mem_encoder=True,
            )
        self._kept["non_cond_frame_outputs"][frame_idx] = found
        self._forget(frame_idx, backward)
        return _outlook(masks, found)

    def _condition(self, cue: Cue, features: Features) -> None:
        state, t = self.state, cue.frame_idx
        self._look_at(t, features)
        mask = cue.mask
        if mask is None and self._network.as_mask:
            drawn = full_size(self._drawn(cue), self._size)
            # Where the image mode sees nothing, the box says more than an empty mask.
            mask = drawn if drawn.any() else None
        if mask is not None:
            self._model.add_new_mask(state, t, _OBJ, torch.from_numpy(mask))
        else:
            height, width = self._size
            # A detector's box may reach beyond the picture; there is nothing there to point at.
            edges = np.array([width, height, width, height], np.float32)
            there = len(cue.points) > 0
            self._model.add_new_points_or_box(
                state,
                t,
                _OBJ,
                box=None if cue.box is None else np.clip(cue.box, 0, edges),
                points=cue.points if there else None,
                labels=cue.labels.astype(np.int32) if there else None,
            )
        # The memory of a prompt is encoded here, while the features of its frame are at hand.
        self._model.propagate_in_video_preflight(state)
        state["point_inputs_per_obj"][0].clear()
        state["mask_inputs_per_obj"][0].clear()

    @property
    def _kept(self) -> dict[str, dict[int, dict[str, Any]]]:
        kept: dict[str, dict[int, dict[str, Any]]] = self.state["output_dict_per_obj"][0]
        return kept

    def _look_at(self, frame_idx: int, features: Features) -> None:
        # Of the picture itself only the number of dimensions counts.
        blank = torch.zeros(1, 1, 1, 1, device=self._network.device)
        self.state["cached_features"] = {frame_idx: (blank, self._network.shown(features))}

    def _drawn(self, cue: Cue) -> torch.Tensor:
        """What the image mode makes of a box and points: `(h, w)` logits.

        As the package's image predictor, with the features of the video's frame.
        """
        model = self._model
        _, shown = self.state["cached_features"][cue.frame_idx]
        _, levels, _, sizes = model._prepare_backbone_features(
            {name: list(tensors) for name, tensors in shown.items()}
        )
        if model.directly_add_no_mem_embed:
            levels[-1] = levels[-1] + model.no_mem_embed
        maps = [
            level.permute(1, 2, 0).view(1, -1, *grid)
            for level, grid in zip(levels, sizes, strict=True)
        ]
        xy, labels = points(cue, model.image_size, self._size, self._network.device)
        sparse, dense = model.sam_prompt_encoder(points=(xy[0], labels[0]), boxes=None, masks=None)
        logits, _, _, _ = model.sam_mask_decoder(
            image_embeddings=maps[-1],
            image_pe=model.sam_prompt_encoder.get_dense_pe(),
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
            multimask_output=False,
            repeat_image=False,
            high_res_features=maps[:-1],
        )
        drawn: torch.Tensor = logits[0, 0]
        return drawn

    def _forget(self, frame_idx: int, backward: bool) -> None:
        """Let go of what no later frame can reach."""
        model, kept = self._model, self._kept["non_cond_frame_outputs"]
        kept[frame_idx].pop("pred_masks", None)
        far_memory = model.num_maskmem - 1
        far_pointer = max(model.max_obj_ptrs_in_encoder - 1, far_memory)
        for t in list(kept):
            if not self._reached(t, frame_idx, backward, far_pointer):
                del kept[t]
            elif not self._reached(t, frame_idx, backward, far_memory):
                kept[t].pop("maskmem_features", None)

    def _reached(self, t: int, now: int, backward: bool, far: int) -> bool:
        """Whether a frame later in this sweep, or in the next, looks back as far as `t`."""
        if backward:
            return t - now < far
        # The backward sweep begins by looking at what was found after its start.
        return now - t < far or 0 <= t - self._course.last < far


def _outlook(masks: torch.Tensor, found: dict[str, Any]) -> Outlook:
    score = torch.sigmoid(found["object_score_logits"].float()).reshape(-1)[0]
    return Outlook(masks[0, 0], float(score))
