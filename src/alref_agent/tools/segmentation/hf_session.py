"""The memory of one object, in a session of transformers that is kept small.

Everything is computed by the model's own code. What differs from a session as the library drives it
is what is kept: a session of its own an object (several in one go wrong where their prompts are on
different frames), features from outside, and of the past only what memory attention and object
pointers can reach.
"""

from __future__ import annotations

from typing import Any

import torch

from alref_agent.tools.segmentation.cues import Course, Cue
from alref_agent.tools.segmentation.network import Features, Outlook
from alref_agent.tools.segmentation.pixels import full_size, points, square_mask

_OBJ = 1
"""The id of the only object of a session."""


class Shown:
    """In place of a session's cache: the features of the frame that is looked at.

    Position embeddings are the same for every frame, and far larger: there is one copy.
    """

    def __init__(self, positions: list[torch.Tensor]) -> None:
        self._positions = positions
        self._features: Features = None

    def show(self, features: Features) -> None:
        """From now on this frame is looked at."""
        self._features = features

    def get_vision_features(self, frame_idx: int) -> dict[str, list[torch.Tensor]]:
        """As the model asks its session for them."""
        return {"vision_feats": self._features, "vision_pos_embeds": self._positions}


class _Length:
    """In place of a session's frames, of which the model asks only how many there are."""

    def __init__(self, n_frames: int) -> None:
        self._n_frames = n_frames

    def __len__(self) -> int:
        return self._n_frames


class SessionFollower:
    """A `Follower` on a session of transformers, for SAM 2 and EdgeTAM."""

    def __init__(
        self, model: Any, session: Any, course: Course, n_frames: int, shown: Shown, as_mask: bool
    ) -> None:
        """Begin without memory.

        Args:
            model: The video model.
            session: An empty session of its, for the size of the video.
            course: The object's.
            n_frames: Of the whole video.
            shown: Where the model finds features.
            as_mask: Whether boxes and points are turned into a mask by the image mode, and the mask
                is the prompt (the paper), or are prompts themselves.
        """
        self.session = session
        """What is remembered; of the past no more than the model can reach."""
        self._model = model
        self._course = course
        self._shown = shown
        self._as_mask = as_mask
        self._device = torch.device(session.inference_device)
        self._waits_at = torch.device(session.inference_state_device)
        self._positions: torch.Tensor | None = None
        session.processed_frames = _Length(n_frames)
        session.cache = shown
        self._index = session.obj_id_to_idx(_OBJ)

    @torch.inference_mode()
    def condition(self, cue: Cue, features: Features) -> None:
        """See `Follower`."""
        session, t = self.session, cue.frame_idx
        side = self._model.config.image_size
        size = (session.video_height, session.video_width)
        self._shown.show(features)
        mask = None if cue.mask is None else square_mask(cue.mask, side, self._device)
        if mask is None and self._as_mask:
            drawn = full_size(self._drawn(cue, side, size), size)
            # Where the image mode sees nothing, the box says more than an empty mask.
            mask = square_mask(drawn, side, self._device) if drawn.any() else None
        if mask is not None:
            session.add_mask_inputs(self._index, t, mask)
        else:
            coordinates, labels = points(cue, side, size, self._device)
            inputs = {"point_coords": coordinates, "point_labels": labels}
            session.add_point_inputs(self._index, t, inputs)
        # A new list: the library's own is shared by accident where it is changed in place.
        session.obj_with_new_inputs = [_OBJ]
        self._model(inference_session=session, frame_idx=t)
        session.mask_inputs_per_obj[self._index].clear()
        session.point_inputs_per_obj[self._index].clear()
        self._shrink(self._kept["cond_frame_outputs"][t])

    def recall(self, frame_idx: int) -> Outlook:
        """See `Follower`."""
        found = self._kept["cond_frame_outputs"][frame_idx]
        return _outlook(found["pred_masks"].to(self._device), found["object_score_logits"])

    @torch.inference_mode()
    def follow(self, frame_idx: int, features: Features, *, backward: bool) -> Outlook:
        """See `Follower`."""
        self._shown.show(features)
        out = self._model(inference_session=self.session, frame_idx=frame_idx, reverse=backward)
        self._forget(frame_idx, backward)
        return _outlook(out.pred_masks, out.object_score_logits)

    @property
    def _kept(self) -> dict[str, dict[int, dict[str, Any]]]:
        kept: dict[str, dict[int, dict[str, Any]]] = self.session.output_dict_per_obj[self._index]
        return kept

    def _drawn(self, cue: Cue, side: int, size: tuple[int, int]) -> torch.Tensor:
        """What the image mode makes of a box and points: `(h, w)` logits.

        As the image predictor of the `sam2` package: one mask, and a box is two points.
        """
        model = self._model
        maps = [
            level.permute(1, 2, 0).view(1, -1, *grid)
            for level, grid in zip(
                self._shown.get_vision_features(cue.frame_idx)["vision_feats"],
                model.backbone_feature_sizes,
                strict=True,
            )
        ]
        maps[-1] = maps[-1] + model.no_memory_embedding.view(1, -1, 1, 1)
        coordinates, labels = points(cue, side, size, self._device)
        seen = model._single_frame_forward(
            input_points=coordinates,
            input_labels=labels,
            image_embeddings=maps,
            multimask_output=False,
        )
        logits: torch.Tensor = seen.pred_masks[0, 0]
        return logits

    def _shrink(self, entry: dict[str, Any]) -> None:
        """Keep of what was made of a frame what the model will ask for."""
        entry.pop("high_res_masks", None)
        positions = entry.get("maskmem_pos_enc")
        if positions is not None:
            if self._positions is None:
                self._positions = positions.to(self._waits_at)
            # They depend on the size of the picture only; one copy serves all.
            entry["maskmem_pos_enc"] = self._positions
        if entry.get("maskmem_features") is not None:
            entry["maskmem_features"] = entry["maskmem_features"].to(self._waits_at)

    def _forget(self, frame_idx: int, backward: bool) -> None:
        """Let go of what no later frame can reach."""
        config, kept = self._model.config, self._kept["non_cond_frame_outputs"]
        self.session.frames_tracked_per_obj[self._index].clear()
        self._shrink(kept[frame_idx])
        kept[frame_idx].pop("pred_masks", None)
        far_memory = config.num_maskmem - 1
        far_pointer = max(config.max_object_pointers_in_encoder - 1, far_memory)
        for t in list(kept):
            reached = self._reached(t, frame_idx, backward, far_pointer)
            if not reached:
                del kept[t]
            elif not self._reached(t, frame_idx, backward, far_memory):
                kept[t].pop("maskmem_features", None)
                kept[t].pop("maskmem_pos_enc", None)

    def _reached(self, t: int, now: int, backward: bool, far: int) -> bool:
        """Whether a frame later in this sweep, or in the next, looks back as far as `t`."""
        if backward:
            return t - now < far
        # The backward sweep begins by looking at what was found after its start.
        return now - t < far or 0 <= t - self._course.last < far


def _outlook(masks: torch.Tensor, scores: torch.Tensor) -> Outlook:
    return Outlook(masks[0, 0], float(torch.sigmoid(scores.float()).reshape(-1)[0]))
