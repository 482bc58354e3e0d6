"""The detector `ssd`: COCO's 80 classes, found offline; words are matched to the classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol, Self, cast, get_args

import numpy as np
import numpy.typing as npt

from alref_agent.config import Config
from alref_agent.errors import ConfigError, unknown
from alref_agent.tools.detection import coco
from alref_agent.tools.detection.candidates import SEEN, candidates
from alref_agent.tools.detection.grounding import TEXT_THRESHOLD, Meaning, Reader
from alref_agent.tools.detection.packaged import MINILM, package_folder
from alref_agent.tools.detection.ssd_network import SsdNetwork, check_files
from alref_agent.tools.detection.tiles import Found, Layout, Tile, cut, fuse, tiles
from alref_agent.types import Detections, Floats, Frame, Grounding

CUT_PENALTY = 0.5
"""Factor on the score of a box that ends where its tile ends: it shows part of an object."""
LAYOUT: Layout = "squares"
"""Twice the time of `centre`, but it finds small objects at the sides (98 against 77 of 100)."""


class Network(Protocol):
    """What sees objects in a part of a frame: `SsdNetwork`, or a scripted one in tests."""

    def look(self, frame: Frame, tile: Tile) -> Found: ...


class Ssd:
    """SSD MobileNet v2 on the whole frame and on squares of it; runs on the CPU only."""

    version = "ssd_mobilenet_v2_coco_2018_03_29/1"
    cpu_only = True
    batch_size = 1

    def __init__(
        self,
        network: Network,
        reader: Reader,
        box_threshold: float = 0.1,
        max_boxes: int = 20,
        layout: Layout = LAYOUT,
    ) -> None:
        """Put the parts together.

        Args:
            network: The loaded network.
            reader: What understands expressions.
            box_threshold: The least score of a box by the network, before words change it.
            max_boxes: At most this many boxes a frame and target.
            layout: How the frame is cut in tiles.
        """
        self._network = network
        self._reader = reader
        self._box_threshold = box_threshold
        self._max_boxes = max_boxes
        self._layout = layout

    @classmethod
    def from_config(cls, config: Config) -> Self:
        """Load the network.

        `config.detector.model` may name a folder that holds the network's two files; the options
        are `text_threshold` (least similarity of an embedded noun) and `tiles` (`whole`,
        `centre`, `squares`, `fine`).

        Raises:
            MissingPackageError: The package that carries the network is not installed.
            ConfigError: The files are not the ones that this code was made for; a bad option.
        """
        layout, text_threshold = _options(config)
        settings = config.detector
        return cls(
            SsdNetwork(_folder(config)),
            Reader(_similarities, text_threshold),
            settings.box_threshold,
            settings.max_boxes,
            layout,
        )

    @classmethod
    def check(cls, config: Config) -> None:
        """Raise what `from_config` would, without loading the network."""
        _options(config)
        check_files(_folder(config))
        # Only words that the tables do not know pay for these, in the middle of a run.
        for package in (MINILM, "torch", "transformers"):
            package_folder(package)

    def ground(self, expression: str) -> Grounding:
        """What the expression is taken for, without looking at the video."""
        return self._reader.read(expression).grounding

    def detect(
        self,
        frames: Mapping[int, Frame],
        expressions: Sequence[str],
        box_threshold: float | None = None,
    ) -> Sequence[Sequence[Detections]]:
        """The candidates, for all expressions from one look at each frame."""
        least = self._box_threshold if box_threshold is None else box_threshold
        meanings = [self._reader.read(text) for text in expressions]
        if not any(meaning.asks for meaning in meanings):
            return [[_empty(i) for _ in meanings] for i in frames]
        answers = []
        for i, frame in frames.items():
            found = self.look(frame, least)
            answers.append([self._select(i, frame, found, meaning, least) for meaning in meanings])
        return answers

    def look(self, frame: Frame, box_threshold: float | None = None) -> Found:
        """All that the network sees in a frame, of every class, tiles merged.

        Args:
            frame: RGB uint8 `(H, W, 3)`.
            box_threshold: The least score of a box; None: as in the settings.
        """
        least = self._box_threshold if box_threshold is None else box_threshold
        height, width = frame.shape[:2]
        boxes: list[Floats] = []
        scores: list[Floats] = []
        classes: list[npt.NDArray[np.int32]] = []
        for tile in tiles(height, width, self._layout):
            part = self._network.look(frame, tile)
            short = cut(part.boxes, tile, height, width)
            lower = np.where(short, part.scores * np.float32(CUT_PENALTY), part.scores)
            # No weight exceeds 1, so what is weaker here is never a candidate.
            keep = lower >= min(least, SEEN)
            boxes.append(part.boxes[keep])
            scores.append(lower[keep])
            classes.append(part.classes[keep])
        return fuse(Found(np.concatenate(boxes), np.concatenate(scores), np.concatenate(classes)))

    def _select(
        self, frame_idx: int, frame: Frame, found: Found, meaning: Meaning, box_threshold: float
    ) -> Detections:
        if not meaning.asks:
            return _empty(frame_idx)
        parts = [
            candidates(frame, found, ask, box_threshold, self._max_boxes) for ask in meaning.asks
        ]
        scores = np.concatenate([part.scores for part in parts])
        order = np.argsort(-scores, kind="stable")
        boxes = np.concatenate([part.boxes for part in parts])[order]
        classes = np.concatenate([part.classes for part in parts])[order]
        targets = np.concatenate(
            [np.full(len(part.scores), number, np.int32) for number, part in enumerate(parts)]
        )[order]
        phrases = tuple(coco.CLASSES[int(number)] for number in classes)
        return Detections(frame_idx, boxes, scores[order], phrases, targets)


_OPTIONS = ("text_threshold", "tiles")


def _folder(config: Config) -> Path | None:
    return Path(config.detector.model) if config.detector.model else None


def _options(config: Config) -> tuple[Layout, float]:
    options = dict(config.detector.options)
    threshold = options.pop("text_threshold", TEXT_THRESHOLD)
    layout = options.pop("tiles", LAYOUT)
    for name in options:
        raise ConfigError(unknown("option of the detector ssd", name, _OPTIONS))
    if not isinstance(threshold, int | float) or not 0 <= threshold <= 1:
        raise ConfigError(
            f"detector.options.text_threshold should be from 0 to 1, got {threshold!r}."
        )
    if layout not in get_args(Layout):
        raise ConfigError(unknown("detector.options.tiles", str(layout), get_args(Layout)))
    return cast(Layout, layout), float(threshold)


def _empty(frame_idx: int) -> Detections:
    none = np.zeros(0, np.float32)
    return Detections(frame_idx, none.reshape(0, 4), none, (), none.astype(np.int32))


def _similarities(noun: str, known: Sequence[str]) -> Sequence[float]:
    # Only expressions with a noun that no table knows pay for torch.
    from alref_agent.tools.detection.embedding import similarities

    return similarities(noun, known)
