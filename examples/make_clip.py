"""Make the example clip: `python examples/make_clip.py [--out DIR]` (two minutes on one core).

Three photographed farm animals are cut out and walked over a photograph of a meadow, under a moving
camera. So the pictures are real, and yet the truth masks are exact: they come from the same layers
as the frames. `examples/clip/README.md` names the pictures' authors and licences; they lie in
`examples/clip/sources`. Nothing beyond the package's own dependencies is needed, and every
random number is seeded: each run on one set of library versions gives the same bytes.

What happens in the clip is in `clip_scene.py`, its sound in `clip_sound.py`; here it is drawn.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import TypeAlias, cast

import av
import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from clip_scene import (
    ANIMALS,
    EXPRESSIONS,
    FPS,
    HEIGHT,
    N_FRAMES,
    WIDTH,
    Animal,
    Leg,
    Matrix,
    Polygon,
    camera,
    wave,
)
from clip_sound import RATE, soundtrack

Floats: TypeAlias = npt.NDArray[np.float32]
Bytes: TypeAlias = npt.NDArray[np.uint8]

CLIP = Path(__file__).resolve().parent / "clip"
SOURCES = CLIP / "sources"
OVERSAMPLING = 2
"""Frames are drawn at this multiple of their size, then averaged down: smooth edges."""
SHUTTER = (0.0, 0.125, 0.25, 0.375)
"""Moments of one exposure, in frames; their mean is the motion blur (a shutter of 180 degrees)."""
NOISE = 1.6
"""Standard deviation of the sensor noise, in grey levels."""


def soft_mask(shape: tuple[int, int], outlines: tuple[Polygon, ...], sigma: float) -> Floats:
    """Polygons with soft edges, 0 to 1."""
    mask = np.zeros(shape, np.float32)
    for outline in outlines:
        cv2.fillPoly(mask, [np.round(np.array(outline) * 16).astype(np.int32)], 1.0, cv2.LINE_AA, 4)
    return cast(Floats, cv2.GaussianBlur(mask, (0, 0), sigma))


def read_cutout(animal: Animal) -> Floats:
    """The picture as premultiplied RGBA in [0, 1], its hard edge softened, stray pixels dropped."""
    rgba = np.asarray(Image.open(SOURCES / animal.picture).convert("RGBA"), np.float32) / 255
    solid = (rgba[..., 3] > 0.5).astype(np.uint8)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(solid)
    keep = labels == 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))
    # A little inward, because the outermost pixels carry the old background's colour.
    alpha = cv2.GaussianBlur((rgba[..., 3] * keep).astype(np.float32), (0, 0), 0.9)
    alpha = np.clip((alpha - 0.42) / 0.5, 0, 1)
    # Grass lights an animal from below, the sky from above.
    height = np.linspace(1.0, 0.0, rgba.shape[0], dtype=np.float32)[:, None, None]
    tint = np.array(animal.gain, np.float32) * (
        height + (1 - height) * np.array([0.80, 0.86, 0.76], np.float32)
    )
    colour = np.clip(rgba[..., :3] * tint, 0, 1) * alpha[..., None]
    return np.dstack([colour, alpha]).astype(np.float32)


def in_grass(layer: Floats, ground: float, seed: int) -> Floats:
    """Let blades of grass hide the lowest pixels of a foot, in each column to another height."""
    height, width = layer.shape[:2]
    random = np.random.default_rng(seed).uniform(0.0, 7.0, (1, width)).astype(np.float32)
    blades = cast(Floats, cv2.GaussianBlur(random, (0, 0), 1.0))
    rows = np.arange(height, dtype=np.float32)[:, None]
    visible = np.clip((ground - blades - rows) / 2 + 0.5, 0, 1)
    return cast(Floats, layer * visible[..., None])


class Puppet:
    """An animal's layers, ready to be posed."""

    def __init__(self, animal: Animal) -> None:
        self.animal = animal
        cutout = read_cutout(animal)
        shape = (cutout.shape[0], cutout.shape[1])
        self._body = cutout * (1 - soft_mask(shape, animal.erase, 1.2))[..., None]
        self._legs: list[Floats] = []
        for index, leg in enumerate(animal.legs):
            layer = cutout * soft_mask(shape, (leg.outline,), 1.2)[..., None]
            layer[..., :3] *= leg.shade
            foot = float(np.nonzero(layer[..., 3].max(axis=1) > 0.5)[0].max()) + 1
            self._legs.append(in_grass(layer, foot, 10 * animal.obj_id + index))
        self._feet = [float(np.array(leg.outline)[:, 1].max()) for leg in animal.legs]

    def _bent_body(self, t: float) -> Floats:
        height, width = self._body.shape[:2]
        ys, xs = np.mgrid[0:height, 0:width].astype(np.float32)
        from_x, from_y = xs.copy(), ys.copy()
        for bend in self.animal.bends:
            dx, dy = xs - bend.centre[0], ys - bend.centre[1]
            weight = np.exp(-(((dx * dx + dy * dy) / bend.radius**2) ** 2))
            angle = np.deg2rad(bend.degrees(t))
            c, s = np.cos(angle), np.sin(angle)
            shift = bend.shift(t)
            from_x += weight * (c * dx + s * dy - dx - shift[0])
            from_y += weight * (-s * dx + c * dy - dy - shift[1])
        return cast(
            Floats,
            cv2.remap(
                self._body, from_x.astype(np.float32), from_y.astype(np.float32), cv2.INTER_CUBIC
            ),
        )

    def _leg_pose(self, leg: Leg, t: float) -> Matrix:
        turn = 2 * np.pi * (t / self.animal.stride + leg.phase)
        angle = np.deg2rad(self.animal.swing * np.sin(turn))
        length = 1 - self.animal.lift * max(0.0, np.cos(turn))
        c, s = np.cos(angle), np.sin(angle)
        there = np.array([[1, 0, -leg.hip[0]], [0, length, -leg.hip[1] * length], [0, 0, 1]])
        back = np.array(
            [[1, 0, leg.hip[0] + leg.offset[0]], [0, 1, leg.hip[1] + leg.offset[1]], [0, 0, 1]]
        )
        return cast(Matrix, back @ np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]]) @ there)

    def placement(self, t: float, view: Matrix) -> Matrix:
        """Cut-out to screen. The animal stands upright, so the view acts on it as a similarity."""
        animal = self.animal
        x, y, scale = animal.path(t)
        corners = np.array([[[x, y]], [[x + 1, y]]], np.float64)
        foot, beside = cv2.perspectiveTransform(corners, view)[:, 0]
        c, s = scale * (beside - foot)
        pitch = np.deg2rad(0.5 * wave(t, animal.stride / 2, 0.2))
        sway = np.array(
            [[np.cos(pitch), -np.sin(pitch), 0], [np.sin(pitch), np.cos(pitch), 0], [0, 0, 1]]
        )
        flip = -1.0 if animal.mirrored else 1.0
        bob = 0.8 * wave(t, animal.stride / 2)
        home = np.array(
            [[flip, 0, -flip * animal.anchor[0]], [0, 1, bob - animal.anchor[1]], [0, 0, 1]]
        )
        stand = np.array([[c, -s, foot[0]], [s, c, foot[1]], [0, 0, 1]])
        return cast(Matrix, stand @ sway @ home)

    def draw(self, t: float, view: Matrix) -> Floats:
        """The animal alone, premultiplied RGBA on the oversampled screen."""
        place = self.placement(t, view)
        layers = [
            (leg.in_front, picture, place @ self._leg_pose(leg, t))
            for leg, picture in zip(self.animal.legs, self._legs, strict=True)
        ]
        out = np.zeros((HEIGHT * OVERSAMPLING, WIDTH * OVERSAMPLING, 4), np.float32)
        for picture, pose in (
            *((picture, pose) for front, picture, pose in layers if not front),
            (self._bent_body(t), place),
            *((picture, pose) for front, picture, pose in layers if front),
        ):
            blend(out, warp(picture, pose))
        return out

    def shadow(self, t: float, view: Matrix) -> Floats:
        """The dimmed light under the animal and at its feet, 0 to 1: the sky is overcast."""
        size = OVERSAMPLING
        place = self.placement(t, view)
        scale = float(np.hypot(place[0, 0], place[1, 0])) * size
        dark: Floats = np.zeros((HEIGHT * size, WIDTH * size), np.float32)
        xs = [leg.hip[0] + leg.offset[0] for leg in self.animal.legs]
        middle, reach = (min(xs) + max(xs)) / 2, (max(xs) - min(xs)) / 2 + 28
        x, y, _ = place @ np.array([middle, self.animal.anchor[1] - 6, 1]) * size
        wide = ellipse(dark.shape, x, y, reach * scale, 11 * scale, 9 * scale)
        dark = np.maximum(dark, np.float32(0.5) * wide)
        for leg, foot in zip(self.animal.legs, self._feet, strict=True):
            x, y, _ = place @ self._leg_pose(leg, t) @ np.array([leg.hip[0], foot - 3, 1]) * size
            spot = ellipse(dark.shape, x, y, 13 * scale, 4 * scale, 3 * scale)
            dark = np.maximum(dark, np.float32(0.6) * spot)
        return dark


def ellipse(
    shape: tuple[int, ...], x: float, y: float, across: float, down: float, sigma: float
) -> Floats:
    """A soft ellipse, 0 to 1."""
    mask = np.zeros(shape, np.float32)
    centre, axes = (round(x), round(y)), (max(1, round(across)), max(1, round(down)))
    cv2.ellipse(mask, centre, axes, 0, 0, 360, 1.0, -1)
    return cast(Floats, cv2.GaussianBlur(mask, (0, 0), max(0.5, sigma)))


def warp(picture: Floats, to_screen: Matrix) -> Floats:
    """A picture on the oversampled screen."""
    size = OVERSAMPLING
    # Pixel centres, not corners, are what OpenCV's coordinates count.
    enlarge = np.array([[size, 0, (size - 1) / 2], [0, size, (size - 1) / 2], [0, 0, 1]])
    matrix = enlarge @ to_screen
    shape = (WIDTH * size, HEIGHT * size)
    return cast(Floats, cv2.warpPerspective(picture, matrix, shape, flags=cv2.INTER_CUBIC))


def blend(under: Floats, over: Floats) -> None:
    """Lay one premultiplied picture over another, in place."""
    over = np.clip(over, 0, 1)
    under *= 1 - over[..., 3:]
    under += over


def render(puppets: list[Puppet], meadow: Floats, t: int) -> tuple[Floats, Bytes]:
    """One frame, RGB in [0, 1] without noise, and its mask of obj_ids.

    A pixel belongs to the object that covers more than half of it, what hides it taken off.
    """
    picture = np.zeros((HEIGHT, WIDTH, 3), np.float32)
    shares = np.zeros((len(puppets) + 1, HEIGHT, WIDTH), np.float32)
    for moment in SHUTTER:
        now = t + moment
        view = camera(now)
        screen = warp(meadow, view)
        light = np.ones(screen.shape[:2], np.float32)
        for puppet in puppets:
            light *= 1 - puppet.shadow(now, view)
        screen = screen * light[..., None]
        covered: dict[int, Floats] = {}
        for puppet in sorted(puppets, key=lambda p: p.animal.path(now)[1]):
            layer = np.clip(puppet.draw(now, view), 0, 1)
            for other in covered.values():
                other *= 1 - layer[..., 3]
            covered[puppet.animal.obj_id] = layer[..., 3].copy()
            screen = screen * (1 - layer[..., 3:]) + layer[..., :3]
        size = (WIDTH, HEIGHT)
        picture += cv2.resize(screen, size, interpolation=cv2.INTER_AREA) / len(SHUTTER)
        for obj_id, share in covered.items():
            shares[obj_id] += cv2.resize(share, size, interpolation=cv2.INTER_AREA) / len(SHUTTER)
    mask = np.where(shares.max(axis=0) > 0.5, shares.argmax(axis=0), 0).astype(np.uint8)
    return np.clip(picture, 0, 1), mask


def developed(picture: Floats, t: int) -> Bytes:
    """A frame with the sensor's noise, as bytes."""
    noise = np.random.default_rng(1000 + t).normal(0, NOISE, picture.shape)
    return np.clip(np.round(picture * 255 + noise), 0, 255).astype(np.uint8)


def scene() -> tuple[list[Puppet], Floats]:
    """The animals and the meadow."""
    meadow = np.asarray(Image.open(SOURCES / "meadow.jpg").convert("RGB"), np.float32) / 255
    return [Puppet(animal) for animal in ANIMALS], cast(Floats, meadow)


def write_video(path: Path, frames: Iterable[Bytes], sound: Floats) -> None:
    """Encode H.264 and AAC, on one thread, so that the bytes do not depend on the machine."""
    with av.open(str(path), "w", options={"movflags": "+faststart"}) as container:
        video = container.add_stream("libx264", rate=Fraction(FPS))
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        video.options = {"crf": "24", "preset": "veryslow", "threads": "1"}
        audio = container.add_stream("aac", rate=RATE, layout="mono")
        audio.bit_rate = 64_000
        for index, image in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts = index
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        for start in range(0, len(sound), 1024):
            piece = np.ascontiguousarray(sound[None, start : start + 1024])
            chunk = av.AudioFrame.from_ndarray(piece, format="fltp", layout="mono")
            chunk.sample_rate, chunk.pts = RATE, start
            container.mux(audio.encode(chunk))
        container.mux(audio.encode(None))


def write_mask(path: Path, mask: Bytes) -> None:
    """A palette PNG as DAVIS has them: the index is the obj_id, 0 the background."""
    image = Image.fromarray(mask, mode="P")
    image.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0, 128, 128, 0])
    image.save(path, optimize=True, bits=2)


def main() -> None:
    """Write clip.mp4, masks/ and expressions.json."""
    parser = argparse.ArgumentParser(description="Make the example clip with its truth masks.")
    parser.add_argument("--out", type=Path, default=CLIP, help="the folder to write to")
    out: Path = parser.parse_args().out
    masks = out / "masks"
    masks.mkdir(parents=True, exist_ok=True)
    puppets, meadow = scene()

    def frames() -> Iterator[Bytes]:
        for t in range(N_FRAMES):
            picture, mask = render(puppets, meadow, t)
            write_mask(masks / f"{t:05d}.png", mask)
            yield developed(picture, t)

    write_video(out / "clip.mp4", frames(), soundtrack(N_FRAMES / FPS))
    text = json.dumps(EXPRESSIONS, indent=2) + "\n"
    (out / "expressions.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
