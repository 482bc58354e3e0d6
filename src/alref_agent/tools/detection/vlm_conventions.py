"""How LLMs write boxes: which order, which key, and what the numbers are.

Kinds of models were trained on different forms, and answer in theirs whatever they are asked, so
each is asked in its own. Where that is documented:

- `pixels`, Qwen2.5-VL: pixels of the picture after its processor resized it, said by its makers in
  https://github.com/QwenLM/Qwen3-VL/issues/866 and https://github.com/QwenLM/Qwen3-VL/issues/931;
  see `vlm_picture` for the resizing.
- `thousand`: Qwen2-VL (issue 866) and Qwen3-VL
  (https://github.com/QwenLM/Qwen3-VL/issues/1623, https://github.com/QwenLM/Qwen3-VL/issues/1741);
  InternVL (https://internvl.readthedocs.io/en/latest/get_started/chat_data_format.html); GLM-V
  (https://www.skills.sh/zai-org/glm-skills/glmv-grounding).
- `gemini`: rows before columns, 0 to 1000, key `box_2d`
  (https://cloud.google.com/vertex-ai/generative-ai/docs/bounding-box-detection).
- `paligemma`: 1,024 tokens, `<loc0000>` to `<loc1023>`, rows before columns
  (https://github.com/google-research/big_vision/blob/main/big_vision/configs/proj/paligemma/README.md).
- `unit`, Kimi-VL: 0 to 1 (https://github.com/MoonshotAI/Kimi-VL/issues/56).

OpenAI's models were trained on no form that is known; they are asked for 0 to 1, because their
servers resize pictures. Every other model is asked for `thousand`, which is the most usual.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

AUTO = "auto"
"""The value of the option `coordinates` that goes by the model's name."""


@dataclass(frozen=True)
class Convention:
    """A way to write boxes."""

    name: str
    key: str
    """Of a box in the reply."""
    y_first: bool
    """Whether a box begins with its top rather than its left edge."""
    scale: float | None
    """What the right and the bottom edge of the picture are; None: its size in pixels."""

    @property
    def corners(self) -> str:
        """The order of the numbers, for a prompt."""
        return "[y0, x0, y1, x1]" if self.y_first else "[x0, y0, x1, y1]"

    def words(self, size: tuple[int, int]) -> str:
        """What the numbers are, for a prompt.

        Args:
            size: `(height, width)` of the picture as it is sent.
        """
        edges = "top, left, bottom and right" if self.y_first else "left, top, right and bottom"
        if self.scale is None:
            height, width = size
            return f"its {edges} edge in pixels of the picture, {width} wide and {height} high"
        whole = "whole numbers" if self.scale > 1 else "decimal numbers"
        return (
            f"its {edges} edge as {whole} from 0 (the left or the top edge of the picture) to "
            f"{self.scale:g} (its right or bottom edge)"
        )


CONVENTIONS: Mapping[str, Convention] = {
    each.name: each
    for each in (
        Convention("pixels", "bbox_2d", y_first=False, scale=None),
        Convention("thousand", "bbox_2d", y_first=False, scale=1000),
        Convention("unit", "bbox_2d", y_first=False, scale=1),
        Convention("gemini", "box_2d", y_first=True, scale=1000),
        Convention("paligemma", "box_2d", y_first=True, scale=1024),
    )
}
"""Name -> convention; the values of the option `coordinates`, besides `auto`."""

DEFAULT = "thousand"
FAMILIES: tuple[tuple[str, str], ...] = (
    (r"qwen-?2[._-]?5-?_?vl", "pixels"),
    (r"qwen-?2-?_?vl", "thousand"),
    (r"qwen-?3", "thousand"),
    (r"paligemma", "paligemma"),
    (r"gemini", "gemini"),
    (r"internvl", "thousand"),
    (r"glm-?[45](\.\d)?v", "thousand"),
    (r"kimi-?vl", "unit"),
    (r"\b(chat)?gpt-|\bo[1-9]\b", "unit"),
)
"""Pattern in the last part of a model's name -> its convention; the first that fits counts."""

KEYS: Mapping[str, bool | None] = {
    "bbox_2d": False,
    "box_2d": True,
    "bbox": None,
    "box": None,
    "bounding_box": None,
    "coordinates": None,
}
"""Key of a box in a reply -> whether its boxes begin with the top edge; None: as was asked."""


def convention_of(model: str) -> Convention:
    """The convention that a model was trained on, by its name.

    Args:
        model: As it is asked for: `qwen2.5vl:7b`, `Qwen/Qwen3-VL-8B-Instruct`, `gpt-4.1`, a folder.
    """
    # Only the last part: folders have names of all kinds.
    last = model.replace("\\", "/").rstrip("/").rpartition("/")[2].lower()
    names = (name for pattern, name in FAMILIES if re.search(pattern, last))
    return CONVENTIONS[next(names, DEFAULT)]
