"""Four expressions on one video: one encoding for all, against a session of the library for each.

    python benchmarks/shared_encoding.py [--size large --side 512] [--frames 16] [--objects 4]

The rival works as the published code does: for every expression a session of transformers encodes
the whole video again. Same weights (random, of a published shape), same prompts, one process, and
the masks are compared. Times are of the processor on a CPU, of the clock on a GPU. Without options,
both shapes for which a limit is known are measured.
"""

from __future__ import annotations

import argparse
import copy
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers.models.sam2_video.modeling_sam2_video import Sam2VideoInferenceSession

from alref_agent.media.video import open_video
from alref_agent.tools.segmentation.cues import courses
from alref_agent.tools.segmentation.hf_video import HfNetwork
from alref_agent.tools.segmentation.pixels import full_size
from alref_agent.tools.segmentation.sweeps import sweep
from alref_agent.types import Mask, Prompt, Video
from published_shapes import SIZES, library_session, random_sam2, sam2_config

CLIP = Path(__file__).parents[1] / "examples" / "clip" / "clip.mp4"
LIMITS = {("large", 512): 2.5, ("tiny", 1024): 1.6}
"""Size and side -> how many times faster it must be on a CPU, with four expressions."""
BUDGET = 512 * 2**20
Masks = dict[tuple[int, int], Mask]
"""`(obj_id, frame_idx)` -> mask."""


class Clock:
    """Seconds spent in the parts of a model, by part."""

    def __init__(self, model: Any) -> None:
        self.spent: dict[str, float] = {}
        self.calls: Counter[str] = Counter()
        self._gpu = model.device.type == "cuda"
        for name in ("vision_encoder", "memory_attention"):
            part = getattr(model, name)
            started: list[float] = []
            part.register_forward_pre_hook(lambda *_, s=started: s.append(self.now()))
            part.register_forward_hook(lambda *_, s=started, n=name: self._add(n, s.pop()))

    def now(self) -> float:
        """Of the processor, whatever else runs on the machine; of the wall where a GPU works."""
        if self._gpu:
            torch.cuda.synchronize()
            return time.perf_counter()
        return time.process_time()

    def _add(self, name: str, started: float) -> None:
        self.spent[name] = self.spent.get(name, 0.0) + self.now() - started
        self.calls[name] += 1

    @contextmanager
    def timing(self, title: str) -> Iterator[list[float]]:
        """Print what a block took, and of which parts; yields a list for the seconds."""
        self.spent.clear()
        self.calls.clear()
        total: list[float] = []
        started = self.now()
        yield total
        total.append(self.now() - started)
        encoding = self.spent.get("vision_encoder", 0.0)
        attention = self.spent.get("memory_attention", 0.0)
        print(
            f"  {title:32} {total[0]:8.1f} s = encoding {encoding:.1f} "
            f"({self.calls['vision_encoder']} frames) + memory attention {attention:.1f} "
            f"+ rest {total[0] - encoding - attention:.1f}",
            flush=True,
        )


def boxes(video: Video, n_objects: int) -> list[Prompt]:
    """A box an expression, each on a pivot frame of its own about the middle."""
    random = np.random.RandomState(0)
    prompts = []
    for i in range(n_objects):
        at = int(np.clip(video.n_frames // 2 + i - n_objects // 2, 0, video.n_frames - 1))
        x, y = random.uniform(0.05, 0.5, 2) * (video.width, video.height)
        box = np.array([x, y, x + video.width / 3, y + video.height / 3], np.float32)
        prompts.append(Prompt(i + 1, at, box=box))
    return prompts


def shared(network: HfNetwork, video: Video, prompts: Sequence[Prompt]) -> Masks:
    """All objects in two sweeps."""
    size = (video.height, video.width)
    return {
        (sight.obj_id, sight.frame_idx): network.mask(sight.outlook, size)
        for sight in sweep(network, video, courses(prompts), BUDGET)
    }


def alone(model: Any, video: Video, prompts: Sequence[Prompt]) -> Masks:
    """A session of the library for each object."""
    side, masks = model.config.image_size, {}
    scale = side / np.array([video.width, video.height], np.float32)
    for prompt in prompts:
        assert prompt.box is not None
        session = library_session(model, video)
        corners = torch.tensor(prompt.box.reshape(1, 1, 2, 2) * scale)
        kinds = torch.tensor([[[2, 3]]], dtype=torch.int32)
        inputs = {"point_coords": corners, "point_labels": kinds}
        session.add_point_inputs(session.obj_id_to_idx(1), prompt.frame_idx, inputs)
        session.obj_with_new_inputs = [1]
        with torch.inference_mode():
            model(session, frame_idx=prompt.frame_idx)
        for backward in (False, True):
            for out in model.propagate_in_video_iterator(
                session, start_frame_idx=prompt.frame_idx, reverse=backward
            ):
                mask = full_size(out.pred_masks[0, 0], (video.height, video.width))
                masks[prompt.obj_id, out.frame_idx] = mask
    return masks


def differing(a: Masks, b: Masks) -> float:
    """Share of pixels that differ."""
    assert a.keys() == b.keys()
    return float(np.mean([np.mean(a[key] != b[key]) for key in a]))


def measure(size: Any, side: int, video: Video, n_objects: int, device: str) -> float:
    """How many times faster the shared way is."""
    model = random_sam2(sam2_config(size, side)).to(device)
    print(f"hiera-{size}, {side} px, {video.n_frames} frames, {n_objects} expressions, {device}")
    own = copy.deepcopy(model)
    network = HfNetwork(own, Sam2VideoInferenceSession)
    prompts = boxes(video, n_objects)
    clock = Clock(own)
    with clock.timing("one encoding for all") as ours:
        mine = shared(network, video, prompts)
    if clock.calls["vision_encoder"] > video.n_frames:
        raise SystemExit(f"{clock.calls['vision_encoder']} frames were encoded")
    with Clock(model).timing("a session of the library each") as theirs:
        rival = alone(model, video, prompts)
    covered = float(np.mean([mask.mean() for mask in mine.values()]))
    print(f"  masks: {covered:.1%} of the pixels, {differing(mine, rival):.2e} of them differ")
    print(f"  {theirs[0] / ours[0]:.2f} times faster", flush=True)
    return theirs[0] / ours[0]


def main() -> None:
    """Measure and print; status 1 where a limit is not reached."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", choices=SIZES)
    parser.add_argument("--side", type=int, default=1024)
    parser.add_argument("--frames", type=int, default=16)
    parser.add_argument("--objects", type=int, default=4)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    torch.set_num_threads(1)
    shapes = [(options.size, options.side)] if options.size else list(LIMITS)
    video = open_video(CLIP, end=options.frames)
    failed = False
    for shape in shapes:
        faster = measure(shape[0], shape[1], video, options.objects, options.device)
        if options.device == "cpu" and options.objects == 4 and shape in LIMITS:
            print(f"  limit: {LIMITS[shape]}")
            failed |= faster < LIMITS[shape]
    sys.exit(failed)


if __name__ == "__main__":
    main()
