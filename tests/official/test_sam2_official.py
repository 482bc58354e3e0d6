"""SAM 2 of its authors: our sweeps give what their predictor gives, and what transformers gives.

Networks have random weights. The rival is the package's own way, with the whole video in memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

pytest.importorskip("sam2", reason="the package sam2 is not here: make test-official")
pytest.importorskip("groundingdino", reason="the package groundingdino-py is not here")


from alref_agent.tools.segmentation.cues import courses
from alref_agent.tools.segmentation.sam2_official_state import OfficialNetwork, video_pixels
from alref_agent.tools.segmentation.sweeps import sweep
from alref_agent.types import Frame, Prompt
from moving_pictures import MadeVideo
from test_sam2 import BLUE, CASES, PLENTY, RED, H, N, W, box, dots, drawn, film, nearer
from tiny_originals import SIDE, tiny_sam2_original

CPU = torch.device("cpu")
VERSIONS = ("sam2.1", "sam2")


def own(model: Any, video: MadeVideo, prompts: Sequence[Prompt], state: Any = None) -> Any:
    """The predictor's own way for one object: masks and scores, forward and backward."""
    if state is None:
        # `init_state` reads a folder of JPEGs; this is what it makes of frames.
        state = OfficialNetwork(model).follower(courses(prompts)[0], video.n_frames, (H, W)).state
        state["images"] = torch.cat([video_pixels(f, SIDE, CPU) for _, f in video.frames()])
        state["constants"] = {}
    frames = sorted({prompt.frame_idx for prompt in prompts})
    for t in frames:
        here = [prompt for prompt in prompts if prompt.frame_idx == t]
        mask = next((p.mask for p in here if p.mask is not None), None)
        if mask is not None:
            model.add_new_mask(state, t, 1, mask)
            continue
        of_box = next((p.box for p in here if p.box is not None), None)
        xy = [p.points for p in here if p.points is not None]
        labels = [p.labels for p in here if p.labels is not None]
        model.add_new_points_or_box(
            state,
            t,
            1,
            box=of_box,
            points=np.concatenate(xy) if xy else None,
            labels=np.concatenate(labels).astype(np.int32) if labels else None,
        )
    starts = [p.frame_idx for p in prompts if p.start] or frames
    ways: dict[bool, Any] = {}
    for backward, start in ((False, min(starts)), (True, max(starts))):
        ways[backward] = {}
        for t, _, masks in model.propagate_in_video(state, start_frame_idx=start, reverse=backward):
            kept = state["output_dict_per_obj"][0]
            found = kept["cond_frame_outputs"].get(t) or kept["non_cond_frame_outputs"][t]
            ways[backward][t] = masks[0, 0], torch.sigmoid(found["object_score_logits"]).item()
    return ways


def grown(logits: torch.Tensor) -> torch.Tensor:
    return F.interpolate(logits[None, None], (H, W), mode="bilinear", align_corners=False)[0, 0]


@pytest.fixture(scope="module", params=VERSIONS)
def model(request: pytest.FixtureRequest) -> Any:
    return tiny_sam2_original(request.param)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("budget", [0, PLENTY])
def test_it_computes_what_the_package_does(model: Any, case: str, budget: int) -> None:
    """Which forgets nothing: so does what is forgotten here change nothing."""
    video, prompts = film(), CASES[case]
    ids = {prompt.obj_id for prompt in prompts}
    parts = {i: [prompt for prompt in prompts if prompt.obj_id == i] for i in ids}
    rivals = {i: own(model, video, parts[i]) for i in ids}
    seen = set()
    for sight in sweep(OfficialNetwork(model), video, courses(prompts), budget):
        i, t = sight.obj_id, sight.frame_idx
        assert (i, t) not in seen
        seen.add((i, t))
        masks, score = rivals[i][nearer(parts[i], t)][t]
        torch.testing.assert_close(grown(sight.outlook.logits), masks, rtol=0, atol=1e-5)
        assert sight.outlook.score == pytest.approx(score, abs=1e-6)
    assert seen == {(i, t) for i in ids for t in range(N)}


def test_random_weights_show_what_is_remembered() -> None:
    """Else the comparisons here would show nothing."""
    network = OfficialNetwork(tiny_sam2_original())

    def logits(*prompts: Prompt) -> dict[int, torch.Tensor]:
        seen = sweep(network, film(), courses(prompts), PLENTY)
        return {sight.frame_idx: sight.outlook.logits for sight in seen}

    of_box, of_point = logits(box(1, 5, *RED)), logits(dots(1, 5, (120, 70, True)))
    assert (of_box[6] - of_point[6]).abs().max() > 0.05
    assert (of_box[N - 1] - of_point[N - 1]).abs().max() > 1e-2
    shares = [float((grown(found) > 0).float().mean()) for found in of_box.values()]
    assert min(shares) > 0.01 and max(shares) < 0.99


def test_a_folder_of_jpegs_as_the_package_reads_it(tmp_path: Path) -> None:
    """Frame for frame the same numbers, and the same masks from them."""
    predictor = tiny_sam2_original()
    for t, frame in film().frames():
        Image.fromarray(frame).save(tmp_path / f"{t:05}.jpg", quality=95)
    files = sorted(tmp_path.iterdir())
    video = MadeVideo(N, lambda t: np.asarray(Image.open(files[t]).convert("RGB")), H, W)
    state = predictor.init_state(str(tmp_path))
    for t, frame in video.frames():
        torch.testing.assert_close(
            video_pixels(frame, SIDE, CPU)[0], state["images"][t], rtol=0, atol=1e-6
        )
    prompts = CASES["several pivots, from the middle"]
    rival = own(predictor, video, prompts, state)
    for sight in sweep(OfficialNetwork(predictor), video, courses(prompts), PLENTY):
        masks, _ = rival[nearer(prompts, sight.frame_idx)][sight.frame_idx]
        torch.testing.assert_close(grown(sight.outlook.logits), masks, rtol=0, atol=1e-4)


@pytest.mark.parametrize("n_objects", [1, 5])
def test_a_frame_is_encoded_once_whatever_the_number_of_objects(n_objects: int) -> None:
    predictor = tiny_sam2_original()

    def encoded(prompts: Sequence[Prompt], budget: int) -> int:
        network = OfficialNetwork(predictor)
        calls: list[int] = []
        hook = predictor.image_encoder.register_forward_hook(lambda *_: calls.append(1))
        list(sweep(network, film(), courses(prompts), budget))
        hook.remove()
        return len(calls)

    same = [box(i + 1, 5, 20 + i, 20, 70 + i, 60) for i in range(n_objects)]
    assert encoded(same, 0) == encoded(same, PLENTY) == N
    assert encoded([box(i + 1, 2 + 2 * i, *RED) for i in range(n_objects)], PLENTY) == N


def test_what_is_remembered_does_not_grow_with_the_video() -> None:
    def remembered(n_frames: int) -> list[int]:
        network = OfficialNetwork(tiny_sam2_original())
        ways = courses([box(1, 4, *RED), box(1, 8, *RED)])
        follower = network.follower(ways[0], n_frames, (H, W))
        network.follower = lambda *_: follower  # type: ignore[method-assign]
        sizes = []
        for _ in sweep(network, film(n_frames), ways, 0):
            tensors: list[torch.Tensor] = []
            _collect(follower.state, tensors)
            storages = {t.untyped_storage().data_ptr(): t.untyped_storage() for t in tensors}
            sizes.append(sum(storage.nbytes() for storage in storages.values()))
        return sizes

    short, long = remembered(18), remembered(30)
    assert max(long) == max(short) > 0
    assert long[-1] == short[-1]


def _collect(node: Any, found: list[torch.Tensor]) -> None:
    if isinstance(node, torch.Tensor):
        found.append(node)
    elif isinstance(node, dict):
        for value in node.values():
            _collect(value, found)
    elif isinstance(node, list | tuple):
        for value in node:
            _collect(value, found)


def test_objects_do_not_know_one_another() -> None:
    network = OfficialNetwork(tiny_sam2_original())

    def masks(*prompts: Prompt) -> dict[int, torch.Tensor]:
        seen = sweep(network, film(), courses(prompts), PLENTY)
        return {s.frame_idx: s.outlook.logits for s in seen if s.obj_id == 2}

    alone, beside = masks(box(2, 6, *BLUE)), masks(box(1, 3, *RED), box(2, 6, *BLUE))
    for t in range(N):
        torch.testing.assert_close(alone[t], beside[t], rtol=0, atol=0)


def test_a_box_that_reaches_beyond_the_picture_is_cut_there() -> None:
    network = OfficialNetwork(tiny_sam2_original())

    def logits(*corners: float) -> Any:
        ways = courses([box(1, 3, *corners)])
        return next(iter(sweep(network, film(6), ways, 0))).outlook.logits

    torch.testing.assert_close(logits(-20, 10, 60, 900), logits(0, 10, 60, H), rtol=0, atol=0)


def test_what_waits_elsewhere_and_what_is_compiled_computes_the_same() -> None:
    def logits(**options: Any) -> list[torch.Tensor]:
        network = OfficialNetwork(tiny_sam2_original(), **options)
        return [s.outlook.logits for s in sweep(network, film(6), courses([box(1, 2, *RED)]), 0)]

    plain = logits()
    for other in (logits(offload=True), logits(compiler=partial(torch.compile, backend="eager"))):
        for a, b in zip(plain, other, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-3)


def test_bfloat16_is_close() -> None:
    def masks(dtype: torch.dtype) -> Any:
        network = OfficialNetwork(tiny_sam2_original(), dtype=dtype)
        seen = sweep(network, film(8), courses([box(1, 2, *RED), drawn(2, 5)]), PLENTY)
        return np.stack([network.mask(sight.outlook, (H, W)) for sight in seen])

    exact, rough = masks(torch.float32), masks(torch.bfloat16)
    assert 0.02 < exact.mean() < 0.98
    assert 0 < (exact != rough).mean() < 0.1


def test_a_box_becomes_a_mask_as_in_the_image_predictor() -> None:
    from sam2.sam2_image_predictor import SAM2ImagePredictor
    from sam2.utils.transforms import SAM2Transforms

    class AsInVideos(SAM2Transforms):  # type: ignore[misc]
        """Its own resizing differs from the video loader's; all else is its own."""

        def __call__(self, picture: Frame) -> torch.Tensor:
            return video_pixels(picture, SIDE, CPU)[0]

    predictor, video = tiny_sam2_original(), film()
    network = OfficialNetwork(predictor, as_mask=True)
    image_predictor = SAM2ImagePredictor(predictor)
    image_predictor._transforms = AsInVideos(SIDE, 0.0)
    image_predictor._bb_feat_sizes = [(SIDE // n, SIDE // n) for n in (4, 8, 16)]
    prompts, masks = [box(1, 4, *RED), box(1, 9, *BLUE)], []
    for prompt in prompts:
        image_predictor.set_image(video.frame(prompt.frame_idx))
        found, _, _ = image_predictor.predict(box=prompt.box, multimask_output=False)
        masks.append(Prompt(1, prompt.frame_idx, mask=found[0] > 0))
        assert 0.01 < found[0].mean() < 0.99
    rival = own(predictor, video, masks)
    for sight in sweep(network, video, courses(prompts), PLENTY):
        expected, _ = rival[nearer(masks, sight.frame_idx)][sight.frame_idx]
        torch.testing.assert_close(grown(sight.outlook.logits), expected, rtol=0, atol=1e-4)
