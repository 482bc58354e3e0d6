"""What the detector `vlm` asks about one frame: picture, prompt, and what reads the reply."""

from __future__ import annotations

from pathlib import Path

from alref_agent.config import Config
from alref_agent.errors import ConfigError, unknown
from alref_agent.media.atomic import whole_file
from alref_agent.prompts.prompt import Prompt
from alref_agent.providers.llm import Llm, Question
from alref_agent.providers.messages import Picture
from alref_agent.tools.detection.vlm_boxes import DetectAnswer, read_boxes
from alref_agent.tools.detection.vlm_conventions import (
    AUTO,
    CONVENTIONS,
    Convention,
    convention_of,
)
from alref_agent.tools.detection.vlm_picture import picture_of
from alref_agent.types import Frame

DETECT = "detect"
"""The step of its prompts."""
SHEETS = Path("record") / "sheets"
"""Where a run folder has the pictures as they were sent."""


class BoxQuestions:
    """Makes questions for boxes; asks nothing."""

    def __init__(self, llm: Llm, config: Config, folder: Path | None = None) -> None:
        """Find the prompt.

        Args:
            llm: Who will be asked.
            config: Reads `detector`, `prompts.detect` and the limits of pictures in `sampling`.
            folder: Where the pictures are kept, as a run folder; None keeps none.

        Raises:
            PromptError: A prompt that the settings name is not there, or broken.
            ConfigError: The LLM does not see, the prompt has no picture, an option is wrong.
        """
        self.prompt: Prompt = llm.library.get(DETECT, config.prompts.detect)
        exchange = llm.exchange(DETECT)
        if not exchange.provider.sees:
            raise ConfigError(
                f"{exchange.asked} does not see pictures, so it cannot be the detector: name "
                "another with detector.model, or another detector with detector.name."
            )
        if self.prompt.pictures == "none":
            raise ConfigError(f"{self.prompt.id} sends no picture, in which boxes could be found.")
        self.convention = convention(config) or convention_of(exchange.provider.model)
        """How boxes are asked for."""
        self._settings = config.detector
        self._sampling = config.sampling
        self._folder = folder

    def question(
        self,
        frame_idx: int,
        frame: Frame,
        expression: str,
        exp_id: str = "",
        asked: Convention | None = None,
        keep: bool = True,
    ) -> Question[DetectAnswer]:
        """What is asked about one frame.

        Args:
            frame_idx: Which frame it is, for the record.
            frame: The frame.
            expression: What to look for.
            exp_id: Of the expression, for the record.
            asked: How boxes are asked for; None: as it was found out.
            keep: Whether it will be sent, so that its picture belongs into the record.
        """
        way = asked or self.convention
        size = (frame.shape[0], frame.shape[1])
        limits = self._sampling
        picture = picture_of(frame, limits.max_side, limits.max_bytes, way.scale is None)
        if keep:
            picture = self._kept(picture)
        rendered = self.prompt.render(
            expression=expression,
            height=picture.size[0],
            width=picture.size[1],
            max_boxes=self._settings.max_boxes,
            box_key=way.key,
            corners=way.corners,
            coordinates=way.words(picture.size),
        )

        def read(reply: str) -> DetectAnswer:
            most, overlap = self._settings.max_boxes, self._settings.nms_threshold
            return read_boxes(reply, way, picture.size, size, most, overlap)

        return Question(rendered, (picture,), read, exp_id, (frame_idx,))

    def _kept(self, picture: Picture) -> Picture:
        if self._folder is None:
            return picture
        # Named by content, as contact sheets are.
        file = SHEETS / f"{picture.digest[:16]}.jpg"
        if not (self._folder / file).is_file():
            with whole_file(self._folder / file) as path:
                path.write_bytes(picture.data)
        return Picture(
            picture.data, picture.mime_type, picture.digest, file.as_posix(), picture.size
        )


def convention(config: Config) -> Convention | None:
    """The convention that the options name; None: the one of the model.

    Raises:
        ConfigError: An option that is not known, or a value that is none.
    """
    options = dict(config.detector.options)
    named = options.pop("coordinates", AUTO)
    for name in options:
        raise ConfigError(unknown("option of the detector vlm", name, ["coordinates"]))
    if named == AUTO:
        return None
    if named not in CONVENTIONS:
        raise ConfigError(unknown("value of coordinates", str(named), [AUTO, *CONVENTIONS]))
    return CONVENTIONS[str(named)]
