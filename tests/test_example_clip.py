"""The committed example clip is what its README says, and what examples/make_clip.py makes."""

import importlib
import json
import sys
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
CLIP = EXAMPLES / "clip"
N_FRAMES = 72
SHAPE = (360, 640)


@pytest.fixture(scope="module")
def frames() -> list[npt.NDArray[np.uint8]]:
    with av.open(str(CLIP / "clip.mp4")) as container:
        decoded = container.decode(video=0)
        return [np.asarray(frame.to_ndarray(format="rgb24"), np.uint8) for frame in decoded]


@pytest.fixture(scope="module")
def masks() -> npt.NDArray[np.uint8]:
    paths = sorted((CLIP / "masks").iterdir())
    assert [path.name for path in paths] == [f"{t:05d}.png" for t in range(N_FRAMES)]
    pictures = [Image.open(path) for path in paths]
    assert {picture.mode for picture in pictures} == {"P"}
    return np.stack([np.asarray(picture, np.uint8) for picture in pictures])


def psnr(one: npt.NDArray[np.uint8], other: npt.NDArray[np.uint8]) -> float:
    error = np.mean((one.astype(np.float64) - other.astype(np.float64)) ** 2)
    return float(10 * np.log10(255**2 / error))


def test_every_frame_has_its_mask(
    frames: list[npt.NDArray[np.uint8]], masks: npt.NDArray[np.uint8]
) -> None:
    assert len(frames) == N_FRAMES
    assert {frame.shape for frame in frames} == {(*SHAPE, 3)}
    assert masks.shape == (N_FRAMES, *SHAPE)


def test_stream_is_what_players_and_browsers_take() -> None:
    with av.open(str(CLIP / "clip.mp4")) as container:
        video = container.streams.video[0]
        assert video.codec_context.name == "h264"
        assert video.codec_context.pix_fmt == "yuv420p"
        assert video.average_rate == 24


def test_sound_is_as_long_as_the_picture_and_not_silent() -> None:
    with av.open(str(CLIP / "clip.mp4")) as container:
        stream = container.streams.audio[0]
        assert (stream.codec_context.name, stream.rate, stream.channels) == ("aac", 48_000, 1)
        sound = np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])
    assert len(sound) / 48_000 == pytest.approx(N_FRAMES / 24, abs=0.05)
    seconds = sound[: 3 * 48_000].reshape(-1, 24_000)
    loudness = np.sqrt(np.mean(seconds.astype(np.float64) ** 2, axis=1))
    assert loudness[2] > 3 * loudness[0], "the lamb calls after 0.75 s"


def test_expressions_name_the_objects_of_the_masks(masks: npt.NDArray[np.uint8]) -> None:
    expressions = json.loads((CLIP / "expressions.json").read_text(encoding="utf-8"))
    assert set(np.unique(masks)) == {0, *map(int, expressions)}
    assert all(texts and all(texts) for texts in expressions.values())


def test_lamb_comes_late_and_hides_the_others(masks: npt.NDArray[np.uint8]) -> None:
    areas = np.stack([(masks == obj_id).sum(axis=(1, 2)) for obj_id in (1, 2, 3)])
    assert areas[2, 0] == 0
    assert (areas[2, 15:] > 2_000).all()
    assert (areas[:2] > 5_000).all()
    sheep = areas[1].astype(np.float64)
    assert sheep[60] < 0.9 * sheep[50], "the lamb stands in front of the sheep"


@pytest.mark.parametrize(("obj_id", "contrast"), [(1, 60), (2, 30)])
def test_masks_lie_on_the_pale_animals(
    frames: list[npt.NDArray[np.uint8]],
    masks: npt.NDArray[np.uint8],
    obj_id: int,
    contrast: float,
) -> None:
    for frame, mask in zip(frames, masks, strict=True):
        blue = frame[..., 2].astype(np.float64)
        rows = np.nonzero((mask == obj_id).any(axis=1))[0]
        box = np.zeros(SHAPE, bool)
        columns = np.nonzero((mask == obj_id).any(axis=0))[0]
        box[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] = True
        around = box & (mask == 0)
        assert blue[mask == obj_id].mean() - blue[around].mean() > contrast


def test_script_makes_the_committed_frame_and_mask(
    frames: list[npt.NDArray[np.uint8]],
    masks: npt.NDArray[np.uint8],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(str(EXAMPLES))
    before = set(sys.modules)
    make_clip = importlib.import_module("make_clip")
    try:
        assert json.loads((CLIP / "expressions.json").read_text("utf-8")) == make_clip.EXPRESSIONS
        t = 57
        picture, mask = make_clip.render(*make_clip.scene(), t)
        made = make_clip.developed(picture, t)
    finally:
        for name in set(sys.modules) - before:
            if name.startswith(("make_clip", "clip_")):
                del sys.modules[name]
    # Other builds of OpenCV may round another way.
    assert (mask != masks[t]).mean() < 1e-3
    near = [psnr(made, frames[t + step]) for step in (-1, 0, 1)]
    assert near[1] > 30
    assert near[1] > 3 + max(near[0], near[2]), "the frame is at its place in time"


def test_folder_stays_small() -> None:
    size = sum(path.stat().st_size for path in EXAMPLES.rglob("*") if path.suffix != ".pyc")
    assert size < 1_500_000
