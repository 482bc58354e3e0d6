"""SAM 2 and EdgeTAM: the shared, bounded way computes what a session of the library's computes.

Models have random weights. The rival for each object is a session of its own that holds the whole
video and forgets nothing, driven as the library's authors mean it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from transformers.models.edgetam_video.modeling_edgetam_video import EdgeTamVideoInferenceSession
from transformers.models.sam2_video.modeling_sam2_video import Sam2VideoInferenceSession

from alref_agent.tools.segmentation.cues import courses
from alref_agent.tools.segmentation.hf_video import HfNetwork
from alref_agent.tools.segmentation.pixels import pixels
from alref_agent.tools.segmentation.sweeps import sweep
from alref_agent.types import Floats, Frame, Prompt
from moving_pictures import MadeVideo
from tiny_segmenters import SIDE, tiny_edgetam, tiny_sam2

H, W, N = 90, 140, 14
PLENTY = 2**30
SESSIONS = {"sam2": Sam2VideoInferenceSession, "edgetam": EdgeTamVideoInferenceSession}
MAKERS: dict[str, Callable[[], Any]] = {
    "sam2": tiny_sam2,
    "sam2 as of 2024": lambda: tiny_sam2(
        1,
        enable_temporal_pos_encoding_for_object_pointers=False,
        enable_occlusion_spatial_embedding=False,
    ),
    "edgetam": tiny_edgetam,
}


def film(n_frames: int = N) -> MadeVideo:
    """Two squares that cross before a wall."""
    noise = np.random.RandomState(0).randint(0, 60, (H, W, 3))

    def draw(t: int) -> Frame:
        frame = noise + np.arange(W)[None, :, None] // 2
        frame[20:60, 5 + 6 * t : 35 + 6 * t] = (220, 40, 40)
        frame[40:80, max(0, 105 - 6 * t) : max(0, 130 - 6 * t)] = (40, 60, 220)
        return frame.clip(0, 255).astype(np.uint8)

    return MadeVideo(n_frames, draw, H, W)


def box(obj_id: int, t: int, *corners: float, start: bool = False) -> Prompt:
    return Prompt(obj_id, t, box=np.array(corners, np.float32), start=start)


def dots(obj_id: int, t: int, *dots: tuple[float, float, bool]) -> Prompt:
    xy = np.array([dot[:2] for dot in dots], np.float32)
    return Prompt(obj_id, t, points=xy, labels=np.array([dot[2] for dot in dots], np.bool_))


def drawn(obj_id: int, t: int) -> Prompt:
    mask = np.zeros((H, W), np.bool_)
    mask[25:70, 30:90] = True
    return Prompt(obj_id, t, mask=mask)


RED, BLUE = (5, 20, 35, 60), (100, 40, 130, 80)
CASES: dict[str, list[Prompt]] = {
    "one box": [box(1, 5, 35, 20, 65, 60)],
    "from the first frame": [box(1, 0, *RED)],
    "from the last frame": [box(1, N - 1, 80, 20, 115, 60)],
    "several objects": [box(1, 4, *RED), box(2, 4, *BLUE), box(3, 4, 10, 10, 120, 80)],
    "objects that join late": [box(1, 2, *RED), box(2, 9, *BLUE), dots(7, 12, (60, 30, True))],
    "several pivots, from all": [box(1, 2, *RED), box(1, 6, 40, 20, 70, 60), box(1, 11, *BLUE)],
    "several pivots, from the middle": [
        box(1, 1, *RED),
        box(1, 7, 40, 20, 70, 60, start=True),
        box(1, 12, *BLUE),
    ],
    "pivots of several objects": [
        box(1, 3, *RED),
        box(2, 5, *BLUE),
        box(1, 10, 40, 20, 70, 60, start=True),
        drawn(2, 11),
    ],
    "points on it and beside it": [dots(1, 5, (50, 40, True), (120, 10, False), (60, 50, True))],
    "one point": [dots(1, 6, (50, 40, True))],
    "a box and points": [box(1, 5, *RED), dots(1, 5, (20, 40, True), (30, 55, False))],
    "a mask": [drawn(1, 6)],
    "masks on several frames": [drawn(1, 3), drawn(1, 9), box(2, 6, *BLUE)],
}


def library(model: Any, kind: str, video: MadeVideo, prompts: Sequence[Prompt]) -> Any:
    """One object in a session of its own: logits by frame, of the forward and the backward way."""
    cpu = torch.device("cpu")
    whole = torch.cat([pixels(f, SIDE, cpu, model.dtype) for _, f in video.frames()])
    session = SESSIONS[kind](video=whole, video_height=H, video_width=W, dtype=model.dtype)
    index = session.obj_id_to_idx(1)
    scale = np.array([SIDE / W, SIDE / H], np.float32)
    frames = sorted({prompt.frame_idx for prompt in prompts})
    for t in frames:
        xy: list[Floats] = []
        labels: list[int] = []
        for prompt in prompts:
            if prompt.frame_idx != t:
                continue
            if prompt.mask is not None:
                mask = torch.from_numpy(prompt.mask).float()[None, None]
                big = F.interpolate(mask, (SIDE, SIDE), mode="bilinear", antialias=True) >= 0.5
                session.add_mask_inputs(index, t, big.float())
            if prompt.box is not None:
                xy, labels = [*prompt.box.reshape(2, 2) * scale, *xy], [2, 3, *labels]
            if prompt.points is not None and prompt.labels is not None:
                xy, labels = [*xy, *prompt.points * scale], [*labels, *prompt.labels.tolist()]
        if xy:
            coordinates = torch.tensor(np.stack(xy)).to(model.dtype)[None, None]
            kinds = torch.tensor(labels, dtype=torch.int32)[None, None]
            session.add_point_inputs(index, t, {"point_coords": coordinates, "point_labels": kinds})
        session.obj_with_new_inputs = [1]
        with torch.inference_mode():
            model(session, frame_idx=t)
    starts = [p.frame_idx for p in prompts if p.start] or frames
    ways = {}
    for backward, start in ((False, min(starts)), (True, max(starts))):
        ways[backward] = {
            out.frame_idx: (out.pred_masks[0, 0].clone(), out.object_score_logits.clone())
            for out in model.propagate_in_video_iterator(
                session, start_frame_idx=start, reverse=backward
            )
        }
    return ways


def nearer(prompts: Sequence[Prompt], t: int) -> bool:
    """Whether the backward way answers for a frame."""
    frames = sorted({prompt.frame_idx for prompt in prompts})
    starts = [p.frame_idx for p in prompts if p.start] or frames
    if not min(starts) <= t < max(starts):
        return t < min(starts)
    to_next = min(f - t for f in frames if f >= t)
    return to_next < min(t - f for f in frames if f <= t)


@pytest.fixture(scope="module", params=MAKERS)
def kind_and_model(request: pytest.FixtureRequest) -> tuple[str, Any]:
    return request.param.partition(" ")[0], MAKERS[request.param]()


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("budget", [0, PLENTY])
def test_it_computes_what_the_library_does(
    kind_and_model: tuple[str, Any], case: str, budget: int
) -> None:
    kind, model = kind_and_model
    video, prompts = film(), CASES[case]
    network = HfNetwork(model, SESSIONS[kind])
    ids = {prompt.obj_id for prompt in prompts}
    own = {i: [prompt for prompt in prompts if prompt.obj_id == i] for i in ids}
    rivals = {i: library(model, kind, video, own[i]) for i in ids}
    seen = set()
    for sight in sweep(network, video, courses(prompts), budget):
        i, t = sight.obj_id, sight.frame_idx
        assert (i, t) not in seen
        seen.add((i, t))
        logits, score = rivals[i][nearer(own[i], t)][t]
        torch.testing.assert_close(sight.outlook.logits, logits, rtol=1e-4, atol=1e-4)
        assert sight.outlook.score == pytest.approx(torch.sigmoid(score).item(), abs=1e-5)
    assert seen == {(i, t) for i in ids for t in range(N)}
