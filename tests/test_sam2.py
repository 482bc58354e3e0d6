"""SAM 2 and EdgeTAM: the shared, bounded way computes what a session of the library's computes.

Models have random weights. The rival for each object is a session of its own that holds the whole
video and forgets nothing, driven as the library's authors mean it.
"""

from __future__ import annotations

import copy
import importlib.util
import json
import os
import re
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from transformers import Sam2Config, Sam2Model
from transformers.models.edgetam_video.modeling_edgetam_video import EdgeTamVideoInferenceSession
from transformers.models.sam2_video.modeling_sam2_video import Sam2VideoInferenceSession

from alref_agent import registry
from alref_agent.config import Config, load_config
from alref_agent.errors import ConfigError, MissingPackageError, ModelError
from alref_agent.sections import SegmenterConfig
from alref_agent.tools.segmentation.cues import courses
from alref_agent.tools.segmentation.features import MOST, FeatureStore
from alref_agent.tools.segmentation.hf_attention import averaged
from alref_agent.tools.segmentation.hf_video import HfNetwork
from alref_agent.tools.segmentation.pixels import pixels, square_mask
from alref_agent.tools.segmentation.remedy import remedy
from alref_agent.tools.segmentation.sam2 import Sam2
from alref_agent.tools.segmentation.sweeps import sweep
from alref_agent.types import Floats, Frame, Prompt
from moving_pictures import MadeVideo
from tiny_models import edit, tiny_llm
from tiny_segmenters import SIDE, save, tiny_edgetam, tiny_sam2

H, W, N = 90, 140, 14
PLENTY = 2**30
SESSIONS: dict[str, Any] = {
    "sam2": Sam2VideoInferenceSession,
    "edgetam": EdgeTamVideoInferenceSession,
}
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
def test_it_computes_what_the_library_does(kind_and_model: tuple[str, Any], case: str) -> None:
    kind, model = kind_and_model
    video, prompts = film(), CASES[case]
    ids = {prompt.obj_id for prompt in prompts}
    own = {i: [prompt for prompt in prompts if prompt.obj_id == i] for i in ids}
    rivals = {i: library(model, kind, video, own[i]) for i in ids}
    for budget in (0, PLENTY):
        network = HfNetwork(copy.deepcopy(model), SESSIONS[kind])
        seen = set()
        for sight in sweep(network, video, courses(prompts), budget):
            i, t = sight.obj_id, sight.frame_idx
            assert (i, t) not in seen
            seen.add((i, t))
            logits, score = rivals[i][nearer(own[i], t)][t]
            torch.testing.assert_close(sight.outlook.logits, logits, rtol=1e-4, atol=1e-4)
            assert sight.outlook.score == pytest.approx(torch.sigmoid(score).item(), abs=1e-5)
        assert seen == {(i, t) for i in ids for t in range(N)}


def encoded(model: Any, prompts: Sequence[Prompt], budget: int, n_frames: int = N) -> int:
    """How many frames the image encoder saw."""
    network = HfNetwork(model, Sam2VideoInferenceSession)
    calls: list[int] = []
    hook = model.vision_encoder.register_forward_hook(lambda *_: calls.append(1))
    list(sweep(network, film(n_frames), courses(prompts), budget))
    hook.remove()
    return len(calls)


@pytest.mark.parametrize("n_objects", [1, 5])
def test_a_frame_is_encoded_once_whatever_the_number_of_objects(n_objects: int) -> None:
    model = tiny_sam2()
    same = [box(i + 1, 5, 20 + i, 20, 70 + i, 60) for i in range(n_objects)]
    assert encoded(model, same, 0) == N
    assert encoded(model, same, PLENTY) == N
    apart = [box(i + 1, 2 + 2 * i, *RED) for i in range(n_objects)]
    # Between the first start and the last, both sweeps look at a frame.
    assert encoded(model, apart, PLENTY) == N


def test_features_are_kept_as_far_as_the_budget_allows() -> None:
    model = tiny_sam2()
    apart = [box(1, 2, *RED), box(2, 10, *BLUE)]
    whole = encoded(model, apart, PLENTY)
    none = encoded(model, apart, 0)
    a_frame = HfNetwork(model, Sam2VideoInferenceSession)
    size = a_frame.n_bytes(a_frame.encode(film().frame(0)))
    # Both starts, then 3 to 13 forward and 9 to 0 backward.
    assert (whole, none) == (N, 2 + 11 + 10)
    assert encoded(model, apart, 3 * size) == none - 3
    assert encoded(model, apart, 3 * size - 1) == none - 2


def test_at_most_so_many_frames_are_kept() -> None:
    network = HfNetwork(tiny_sam2(), Sam2VideoInferenceSession)
    features = network.encode(film().frame(0))
    store = FeatureStore(network, PLENTY)
    for t in range(MOST + 1):
        store.keep(t, features)
    assert store.get(MOST - 1) is not None
    assert store.get(MOST) is None
    store.drop(0)
    store.keep(MOST, features)
    assert store.get(0) is None
    assert store.get(MOST) is not None


@pytest.mark.parametrize("kind", SESSIONS)
def test_what_is_remembered_does_not_grow_with_the_video(kind: str) -> None:
    def remembered(n_frames: int) -> list[int]:
        model = MAKERS[kind]()
        network = HfNetwork(model, SESSIONS[kind])
        ways = courses([box(1, 4, *RED), box(1, 8, *RED)])
        follower = network.follower(ways[0], n_frames, (H, W))
        network.follower = lambda *_: follower  # type: ignore[method-assign]
        sizes = []
        for _ in sweep(network, film(n_frames), ways, 0):
            kept = follower.session.output_dict_per_obj[0]
            tensors = [
                value
                for frames in kept.values()
                for entry in frames.values()
                for value in entry.values()
                if isinstance(value, torch.Tensor)
            ]
            storages = {t.untyped_storage().data_ptr(): t.untyped_storage() for t in tensors}
            sizes.append(sum(storage.nbytes() for storage in storages.values()))
        assert not follower.session.frames_tracked_per_obj[0]
        return sizes

    short, long = remembered(20), remembered(60)
    assert max(long) == max(short) > 0
    # Forward, what the backward sweep begins with is kept as well.
    assert long[-1] == short[-1]
    # A memory is a map of 64 channels in bfloat16, a pointer hardly anything: 2 prompts, and at
    # most twice what is reached back to. High-resolution masks alone would be more.
    grid = (SIDE // 16) ** 2 if kind == "sam2" else 24
    memory, positions = 64 * grid * (2 if kind == "sam2" else 4), 64 * grid * 4
    low_res_masks = 2 * (SIDE // 4) ** 2 * 4
    pointers = (2 + 2 * 4) * (128 + 2) * 4
    assert max(long) < (2 + 2 * 3) * memory + positions + low_res_masks + 2 * pointers


def test_objects_do_not_know_one_another() -> None:
    network = HfNetwork(tiny_sam2(), Sam2VideoInferenceSession)

    def masks(*prompts: Prompt) -> dict[int, Any]:
        seen = sweep(network, film(), courses(prompts), PLENTY)
        return {s.frame_idx: s.outlook.logits.clone() for s in seen if s.obj_id == 2}

    alone, beside = masks(box(2, 6, *BLUE)), masks(box(1, 3, *RED), box(2, 6, *BLUE))
    for t in range(N):
        torch.testing.assert_close(alone[t], beside[t], rtol=0, atol=0)


def test_what_waits_elsewhere_and_what_is_compiled_computes_the_same() -> None:
    def logits(**options: Any) -> list[Any]:
        network = HfNetwork(tiny_sam2(), Sam2VideoInferenceSession, **options)
        return [s.outlook.logits for s in sweep(network, film(6), courses([box(1, 2, *RED)]), 0)]

    plain = logits()
    # Its own compiler takes more than a minute.
    compiler = partial(torch.compile, backend="eager")
    for other in (logits(offload=True), logits(compiler=compiler)):
        for a, b in zip(plain, other, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(("n", "m"), [(1, 1), (1024, 1025), (2500, 3100)])
def test_attention_in_tiles_is_attention(n: int, m: int) -> None:
    torch.manual_seed(0)
    queries, keys, values = torch.randn(n, 32), torch.randn(m, 32), torch.randn(m, 8)
    queries *= 3  # some weights are near 1, others vanish
    whole = torch.softmax(queries @ keys.T, -1) @ values
    torch.testing.assert_close(averaged(queries, keys, values), whole, rtol=1e-5, atol=1e-5)


def test_bfloat16_is_close() -> None:
    def masks(dtype: torch.dtype) -> Any:
        model: Any = tiny_sam2()
        network = HfNetwork(model.to(dtype), Sam2VideoInferenceSession)
        seen = sweep(network, film(8), courses([box(1, 2, *RED), drawn(2, 5)]), PLENTY)
        return np.stack([network.mask(sight.outlook, (H, W)) for sight in seen])

    exact, rough = masks(torch.float32), masks(torch.bfloat16)
    assert 0.02 < exact.mean() < 0.98
    assert (exact != rough).mean() < 0.05


def test_the_two_steps_of_the_paper() -> None:
    """A box becomes a mask by the image model, which a session of the library then follows."""
    model, video = tiny_sam2(), film()
    network = HfNetwork(copy.deepcopy(model), Sam2VideoInferenceSession, as_mask=True)
    parts = ("vision_config", "prompt_encoder_config", "mask_decoder_config")
    whole: Any = model.config.to_dict()
    image_model: Any = Sam2Model(Sam2Config(**{part: whole[part] for part in parts}))
    image_model.eval()
    shared = {name: w for name, w in model.state_dict().items() if name in image_model.state_dict()}
    image_model.load_state_dict(shared)
    prompts = [box(1, 4, *RED), box(1, 9, *BLUE)]
    masks = []
    for prompt in prompts:
        assert prompt.box is not None
        corners = prompt.box.reshape(2, 2) * (SIDE / W, SIDE / H)
        with torch.inference_mode():
            seen = image_model(
                pixel_values=pixels(
                    video.frame(prompt.frame_idx), SIDE, torch.device("cpu"), torch.float32
                ),
                input_boxes=torch.tensor(corners.reshape(1, 1, 4), dtype=torch.float32),
                multimask_output=False,
            )
        low = F.interpolate(seen.pred_masks[0], (H, W), mode="bilinear", align_corners=False)
        masks.append(Prompt(1, prompt.frame_idx, mask=(low[0, 0] > 0).numpy()))
        assert masks[-1].mask is not None
        assert 0.02 < masks[-1].mask.mean() < 0.98
    rival = library(model, "sam2", video, masks)
    for sight in sweep(network, video, courses(prompts), PLENTY):
        logits, _ = rival[nearer(masks, sight.frame_idx)][sight.frame_idx]
        torch.testing.assert_close(sight.outlook.logits, logits, rtol=1e-4, atol=1e-4)


# The backends ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Models as hubs have them."""
    root = tmp_path_factory.mktemp("segmenters")
    return {
        "sam2": save(tiny_sam2(), root / "sam2"),
        "edgetam": save(tiny_edgetam(), root / "edgetam"),
    }


def settings(name: str, model: object, **more: Any) -> Config:
    given = {"segmenter.name": name, "segmenter.model": str(model), "device": "cpu"}
    return load_config("paper", settings=given | more, environment={})


@pytest.mark.parametrize("name", SESSIONS)
def test_a_saved_model_is_loaded_and_gives_masks(folders: dict[str, Path], name: str) -> None:
    config = settings(name, folders[name], **{"segmenter.prompt": "box"})
    backend = registry.load("segmenter", name).from_config(config)
    assert re.match(rf"\w+VideoModel {name}@[0-9a-f]{{12}} \(transformers 5\.", backend.version)
    prompts = [box(1, 3, *RED), box(9, 8, *BLUE)]
    made = {(m.obj_id, m.frame_idx): m for m in backend.segment(film(), prompts)}
    assert made.keys() == {(i, t) for i in (1, 9) for t in range(N)}
    model = MAKERS[name]()
    rival = library(model, name, film(), prompts[:1])
    for t in range(N):
        logits, score = rival[t < 3][t]
        low = F.interpolate(logits[None, None], (H, W), mode="bilinear", align_corners=False)
        assert (made[1, t].mask != (low[0, 0] > 0).numpy()).mean() < 1e-3
        assert made[1, t].score == pytest.approx(torch.sigmoid(score).item(), abs=1e-4)


@pytest.mark.parametrize("name", SESSIONS)
def test_pictures_of_another_size(folders: dict[str, Path], name: str) -> None:
    changed = {"segmenter.image_size": "192", "segmenter.prompt": "box"}
    backend = registry.load("segmenter", name).from_config(settings(name, folders[name], **changed))
    made = list(backend.segment(film(5), [box(1, 2, *RED)]))
    assert len(made) == 5
    assert all(m.mask.shape == (H, W) for m in made)


def test_of_many_prompts_a_few_condition_the_model(folders: dict[str, Path]) -> None:
    def made(prompts: Sequence[Prompt], **more: Any) -> Any:
        given = {"segmenter.prompt": "box", "segmenter.max_prompts": "3"} | more
        backend = Sam2.from_config(settings("sam2", folders["sam2"], **given))
        return np.stack([m.mask for m in backend.segment(film(), prompts)])

    track = [box(1, t, 5 + 6 * t, 20, 35 + 6 * t, 60) for t in range(12)]
    assert np.array_equal(made(track), made([track[2], track[6], track[10]]))
    marked = [replace(p, start=p.frame_idx == 5) for p in track]
    assert np.array_equal(made(marked), made([marked[3], marked[5], marked[9]]))
    every = made(track, **{"segmenter.max_prompts": None})
    assert not np.array_equal(every, made(track))


def test_the_surest_of_many_prompts_are_taken_and_none_that_nobody_saw() -> None:
    def taken(*confidences: float, most: int | None = 2, starts: Sequence[int] = ()) -> list[int]:
        prompts = [
            replace(box(1, 10 * n, *RED), confidence=c, start=n in starts)
            for n, c in enumerate(confidences)
        ]
        return [t // 10 for t in courses(prompts, most)[0].cues]

    assert taken(0.5, 0.9, 0.4, 0.3, 0.8, 0.7) == [1, 4]
    assert taken(0.5, 0.0, 0.0, 0.0, 0.0, 0.2) == [0, 5]
    assert taken(0.5, 0.0, 0.4, 0.0, 0.6, most=None) == [0, 2, 4]
    assert taken(0.0, 0.0, 0.0, most=None) == [0, 1, 2]
    assert taken(0.5, 0.0, 0.9, 0.8, starts=[1]) == [1, 2]


def test_a_prompt_in_parts(folders: dict[str, Path]) -> None:
    assert len(courses([box(1, 5, *RED), dots(1, 5, (20, 40, True)), drawn(1, 5)])[0].cues) == 1
    joined = courses([dots(1, 5, (20, 40, True)), box(1, 5, *RED), dots(1, 5, (1, 2, False))])
    cue = joined[0].cues[5]
    assert cue.points.tolist() == [[20, 40], [1, 2]]
    assert cue.labels.tolist() == [True, False]
    assert cue.box is not None


EMPTY = np.zeros((H, W), np.bool_)


@pytest.mark.parametrize(
    ("prompt", "said"),
    [
        (box(3, 99, *RED), "object 3, frame 99: the video has frames 0 to 13."),
        (box(3, 1, 200, 0, 220, 9), "the box [200, 0, 220, 9] lies outside the frame, which is"),
        (box(3, 1, 30, 50, 10, 70), "a box is x0 < x1, y0 < y1, got [30, 50, 10, 70]"),
        (box(3, 1, 30, 50, 30, 70), "a box is x0 < x1"),
        (box(3, 1, float("nan"), 0, 30, 70), "a box is x0 < x1"),
        (dots(3, 1, (5, 5, True), (W, 5, True)), "the point (140, 5) lies outside the frame"),
        (Prompt(3, 1, mask=np.ones((9, 10), np.bool_)), "its mask is 10 x 9, unlike the frame"),
        (Prompt(3, 1, mask=EMPTY), "its mask is empty"),
    ],
)
def test_prompts_that_cannot_be_followed(
    folders: dict[str, Path], prompt: Prompt, said: str
) -> None:
    backend = Sam2.from_config(settings("sam2", folders["sam2"]))
    with pytest.raises(ConfigError) as error:
        list(backend.segment(film(), [prompt]))
    assert said in str(error.value)


def test_a_box_that_reaches_beyond_the_picture_is_cut(folders: dict[str, Path]) -> None:
    backend = Sam2.from_config(settings("sam2", folders["sam2"]))
    beyond = [m.mask for m in backend.segment(film(3), [box(1, 1, -30, 20, 35, 400)])]
    cut = [m.mask for m in backend.segment(film(3), [box(1, 1, 0, 20, 35, H)])]
    assert np.array_equal(beyond, cut)


def without_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()


def cut_short(folder: Path) -> None:
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[: len(whole) // 2])


def without_the_memory(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    kept = {name: w for name, w in weights.items() if not name.startswith("memory_attention")}
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})


def of_another_shape(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    weights["no_memory_embedding"] = torch.zeros(1, 1, 64)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def in_shards(folder: Path) -> None:
    """The second of two is missing."""
    weights = load_file(folder / "model.safetensors")
    names = sorted(weights)
    files = {
        name: f"model-0000{1 + (i >= len(names) // 2)}-of-00002.safetensors"
        for i, name in enumerate(names)
    }
    first = {name: weights[name] for name in names[: len(names) // 2]}
    save_file(first, folder / "model-00001-of-00002.safetensors", metadata={"format": "pt"})
    (folder / "model.safetensors").unlink()
    edit(folder / "model.safetensors.index.json", metadata={"total_size": 1}, weight_map=files)


@pytest.mark.parametrize(
    ("damage", "said", "at_once"),
    [
        (without_weights, "is not whole: it has no weights (model.safetensors)", True),
        (cut_short, "is not whole: model.safetensors is cut short", True),
        (in_shards, "is not whole: model-00002-of-00002.safetensors is missing", True),
        (without_the_memory, "of its weights are missing (memory_attention", False),
        (of_another_shape, "do not have the shapes that its config.json says", False),
    ],
)
def test_half_of_a_checkpoint(
    folders: dict[str, Path],
    tmp_path: Path,
    damage: Callable[[Path], None],
    said: str,
    at_once: bool,
) -> None:
    copied = tmp_path / "half"
    shutil.copytree(folders["sam2"], copied)
    damage(copied)
    # What can be seen without loading keeps a run from beginning.
    with nullcontext() if not at_once else pytest.raises(ModelError):
        Sam2.check(settings("sam2", copied))
    with pytest.raises(ModelError) as error:
        Sam2.from_config(settings("sam2", copied))
    assert str(error.value).startswith("half@")
    assert said in str(error.value)
    assert str(error.value).endswith(": get the model again.")


@pytest.mark.parametrize(
    ("changes", "error", "said"),
    [
        ({"segmenter.model": "/no/such/folder"}, ModelError, "/no/such/folder: there is no such"),
        ({"segmenter.model": "a b"}, ModelError, "a b: give a hub id (facebook/sam2.1"),
        ({"segmenter.image_size": "500"}, ConfigError, "multiples of 32: 512 is near"),
        ({"segmenter.options.x": "1"}, ConfigError, "the segmenter sam2 has no options"),
        ({"device": "cuda:7"}, ConfigError, "device=cuda:7: torch"),
        ({"dtype": "float16"}, ConfigError, "dtype=float16 works on a GPU only"),
    ],
)
def test_settings_that_it_cannot_use(
    folders: dict[str, Path], changes: dict[str, Any], error: type[Exception], said: str
) -> None:
    config = settings("sam2", folders["sam2"], **changes)
    for call in (Sam2.check, Sam2.from_config):
        with pytest.raises(error) as raised:
            call(config)
        assert said in str(raised.value)


def test_a_model_that_is_no_segmenter(tmp_path: Path, folders: dict[str, Path]) -> None:
    with pytest.raises(ModelError) as error:
        Sam2.check(settings("sam2", folders["edgetam"]))
    assert (
        "is a model of the kind 'edgetam_video', not a segmenter for sam2: it is one for edgetam; "
        "take one of the kind 'sam2_video'"
    ) in str(error.value)
    with pytest.raises(ModelError, match="of the kind 'llama'"):
        Sam2.check(settings("sam2", tiny_llm(tmp_path / "llama")))


@pytest.mark.parametrize("side", [0, -64, 100])
def test_a_size_that_is_none(folders: dict[str, Path], tmp_path: Path, side: int) -> None:
    copied = tmp_path / "odd"
    shutil.copytree(folders["sam2"], copied)
    edit(copied / "config.json", image_size=side)
    with pytest.raises(ModelError, match=rf"odd@\w+ cannot be used: image_size is {side} in"):
        Sam2.check(settings("sam2", copied))


def test_an_encoder_that_needs_torchvision(tmp_path: Path, folders: dict[str, Path]) -> None:
    """As the published EdgeTAM has it."""
    copy = tmp_path / "published"
    shutil.copytree(folders["edgetam"], copy)
    config = json.loads((copy / "config.json").read_text())
    config["vision_config"]["backbone_config"] = {
        "model_type": "timm_wrapper",
        "architecture": "repvit_m1.dist_in1k",
    }
    edit(copy / "config.json", **config)
    if importlib.util.find_spec("torchvision") and importlib.util.find_spec("timm"):
        pytest.skip("torchvision and timm are installed")
    with pytest.raises(MissingPackageError, match=r"needs the packages? timm.*torchvision"):
        registry.load("segmenter", "edgetam").check(settings("edgetam", copy))


@pytest.mark.parametrize(
    ("changes", "advice"),
    [
        (
            {},
            "go on with --resume --set segmenter.offload=cpu, or begin again with a smaller model "
            "(--set segmenter.model=facebook/sam2.1-hiera-tiny) or smaller pictures "
            "(--set segmenter.image_size=512).",
        ),
        (
            {"segmenter.offload": "cpu", "segmenter.image_size": 256},
            "begin again with a smaller model (--set segmenter.model=facebook/sam2.1-hiera-tiny).",
        ),
    ],
)
def test_full_memory_is_told_in_one_line(
    folders: dict[str, Path], changes: dict[str, Any], advice: str
) -> None:
    backend = Sam2.from_config(settings("sam2", folders["sam2"], **changes))

    class Full(HfNetwork):
        def encode(self, frame: Frame) -> Any:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nMore")

    backend._network.__class__ = Full
    with pytest.raises(ModelError) as error:
        list(backend.segment(film(3), [box(1, 1, *RED)]))
    said = str(error.value)
    assert said.startswith("sam2@")
    assert said.endswith(f" does not fit into the memory of cpu: {advice}")


def test_the_smallest_model_in_use_is_not_offered() -> None:
    smallest = "facebook/sam2.1-hiera-tiny"
    said = remedy(SegmenterConfig(offload="cpu"), smallest, smallest)
    assert said == "begin again with smaller pictures (--set segmenter.image_size=512)"


def test_a_model_that_computes_no_numbers(folders: dict[str, Path], tmp_path: Path) -> None:
    copied = tmp_path / "broken"
    shutil.copytree(folders["sam2"], copied)
    weights = load_file(copied / "model.safetensors")
    weights["no_memory_embedding"] *= float("nan")
    save_file(weights, copied / "model.safetensors", metadata={"format": "pt"})
    backend = Sam2.from_config(settings("sam2", copied, **{"segmenter.prompt": "box"}))
    with pytest.raises(ModelError, match=r"broken@\w+ computes what are no numbers: --set dtype"):
        list(backend.segment(film(3), [box(1, 1, *RED)]))


def test_a_mask_too_small_for_the_square_is_a_pixel_of_it() -> None:
    mask = np.zeros((2160, 3840), np.bool_)
    mask[1000:1003, 2000:2003] = True
    square = square_mask(mask, 1024, torch.device("cpu"))
    assert square.sum() >= 1
    y, x = (int(v) for v in np.argwhere(square[0, 0].numpy())[0])
    assert abs(y - 1001 * 1024 / 2160) < 1.5
    assert abs(x - 2001 * 1024 / 3840) < 1.5


def test_two_videos_at_once(folders: dict[str, Path]) -> None:
    backend = Sam2.from_config(settings("sam2", folders["sam2"]))
    turned = MadeVideo(6, lambda t: film().frame(t)[:, ::-1].copy(), H, W)
    plans = [(film(6), [box(1, 2, *RED)]), (turned, [box(1, 3, *BLUE)])]
    alone = [[m.mask for m in backend.segment(*plan)] for plan in plans]
    with ThreadPoolExecutor(2) as pool:
        segmented = lambda plan: [m.mask for m in backend.segment(*plan)]  # noqa: E731
        for together, by_itself in zip(pool.map(segmented, plans), alone, strict=True):
            assert all(np.array_equal(a, b) for a, b in zip(together, by_itself, strict=True))


def test_the_budget_is_in_mebibytes(folders: dict[str, Path]) -> None:
    def encoded_with(n_mebibytes: int) -> int:
        given = {"segmenter.feature_memory": n_mebibytes, "segmenter.prompt": "box"}
        backend = Sam2.from_config(settings("sam2", folders["sam2"], **given))
        calls: list[int] = []
        backend._network._model.vision_encoder.register_forward_hook(lambda *_: calls.append(1))
        list(backend.segment(film(), [box(1, 2, *RED), box(2, 10, *BLUE)]))
        return len(calls)

    a_frame = 4 * ((SIDE // 4) ** 2 * 16 + (SIDE // 8) ** 2 * 32 + (SIDE // 16) ** 2 * 128)
    assert 2**20 // a_frame == 8
    # At most 9 frames are needed twice.
    assert (encoded_with(0), encoded_with(1), encoded_with(8)) == (23, 23 - 8, N)


def test_pickles_are_loaded_without_running_them(folders: dict[str, Path], tmp_path: Path) -> None:
    copy = tmp_path / "pickled"
    shutil.copytree(folders["sam2"], copy)
    weights = load_file(copy / "model.safetensors")
    (copy / "model.safetensors").unlink()
    torch.save(weights, copy / "pytorch_model.bin")
    assert Sam2.from_config(settings("sam2", copy)).version
    mark = tmp_path / "mark"

    class Trap:
        def __reduce__(self) -> Any:
            return os.system, (f"touch {mark}",)

    torch.save({"trap": Trap()}, copy / "pytorch_model.bin")
    with pytest.raises(ModelError, match="pickled@"):
        Sam2.from_config(settings("sam2", copy))
    assert not mark.exists()
