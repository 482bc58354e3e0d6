"""The oracle of `benchmarks/pivots.py` chooses by the truth, and that lifts the masks."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alref_agent.agent.gpt_ps import GptPs
from alref_agent.config import load_config
from alref_agent.types import Detections, Expression, Mask
from doubles import N_FRAMES, big_square, picture, small_square, toolbox, workspace

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
SETTINGS = ["sampling.step=2", "sampling.frames_per_sheet=3"]


@pytest.fixture
def pivots(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    yield importlib.import_module("pivots")


def truth(box_on: Callable[[int], tuple[int, int, int, int] | None]) -> list[Mask]:
    masks = []
    for i in range(N_FRAMES):
        mask = np.zeros(picture(i).shape[:2], np.bool_)
        if (box := box_on(i)) is not None:
            x0, y0, x1, y1 = box
            mask[y0:y1, x0:x1] = True
        masks.append(mask)
    return masks


def found(*boxes: tuple[int, int, int, int], frame_idx: int = 6) -> Detections:
    n = len(boxes)
    return Detections(
        frame_idx,
        np.array(boxes, np.float32).reshape(n, 4),
        np.ones(n, np.float32),
        ("square",) * n,
        np.zeros(n, np.int32),
    )


def test_the_oracle_names_the_frame_and_the_box_of_the_truth(pivots: Any) -> None:
    oracle = pivots.Oracle(truth(small_square))
    assert oracle.frame((0, 2)) is None
    assert oracle.frame((0, 2, 4)) == 3
    assert oracle.frame((6, 8, 10)) == 1, "of equals the earliest"
    assert oracle.boxes(found(big_square(6), (29, 33, 39, 43)), False) == [2]
    assert oracle.boxes(found(big_square(6)), False) == []
    assert oracle.boxes(found((30, 34, 38, 42), frame_idx=2), False) == [], "it is not there yet"


def test_several_boxes_cover_what_several_objects_are(pivots: Any) -> None:
    both = [a | b for a, b in zip(truth(big_square), truth(small_square), strict=True)]
    oracle = pivots.Oracle(both)
    boxes = found((30, 34, 38, 42), (0, 0, 4, 4), big_square(6), (23, 11, 37, 25))
    assert oracle.boxes(boxes, True) == [1, 3]
    assert oracle.boxes(boxes, False) == [3], "one box, where one is asked for"


@pytest.mark.parametrize("box_prompt", ["v1", "v2"])
def test_what_the_oracle_says_is_read_and_lifts_the_masks(
    pivots: Any, tmp_path: Path, frames_folder: Path, box_prompt: str
) -> None:
    settings = [*SETTINGS, f"prompts.pivot_box={box_prompt}"]
    config = load_config(settings=settings, environment={})
    truths, text = truth(small_square), "the square that stands"
    reached = {}
    with closing(workspace(tmp_path / "run", frames_folder)) as space:
        for name, mind in (
            ("oracle", pivots.Oracle(truths)),
            *((f"guess {seed}", pivots.Guess(str(seed))) for seed in range(4)),
        ):
            llm = pivots.MindLlm(mind, space, text, config)
            answer = GptPs.from_config(config, toolbox(), llm).run(space, [Expression(text, "0")])
            assert answer.fallbacks == ()
            assert llm.usage().unusable == 0
            j, _ = pivots.score(pivots.unions(space, answer.masks), truths)
            reached[name] = j
            if name == "oracle":
                (record,) = answer.objects
                assert [p.frame_idx for p in record.pivots] == [4, 6]
                assert {p.box for p in record.pivots} == {(30, 34, 38, 42)}
    # The segmenter of the tests draws what is red in a box, also before the square is there.
    assert reached.pop("oracle") > max(reached.values())
