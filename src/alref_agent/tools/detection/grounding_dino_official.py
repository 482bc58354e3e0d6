"""The detector `grounding-dino-official`: the package `groundingdino-py` with its own checkpoints.

For comparison, and for those who have such files. The package and what it needs are installed as
docs/models.md says; they are imported when a model is loaded.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Self

import numpy as np
import torch
from transformers import AutoTokenizer, PreTrainedConfig

from alref_agent.config import Config
from alref_agent.errors import ConfigError, ModelError, unknown
from alref_agent.tools.detection.open_vocabulary import caption, ground, nothing
from alref_agent.tools.detection.selection import Limits
from alref_agent.tools.detection.sentences import Sentence, candidates, read
from alref_agent.types import Detections, Floats, Frame, Grounding
from alref_agent.weights.devices import choose_device, choose_dtype
from alref_agent.weights.loading import find_weights, full_memory_explained, read_part
from alref_agent.weights.original import Original, Taker, explained, fill, find_original
from alref_agent.weights.source import Source

TAKER = Taker(
    name="grounding-dino-official",
    section="detector",
    title="GroundingDINO",
    example="groundingdino_swint_ogc.pth",
    instead="grounding-dino",
    modules=(
        "torch",
        "transformers",
        "addict",
        "matplotlib",
        "yapf",
        "torchvision",
        "timm",
        "groundingdino",
    ),
    commands=(
        "pip install 'alref-agent[official]', torchvision and timm in the build that fits your "
        "torch, then pip install --no-build-isolation --no-deps groundingdino-py==0.4.0"
    ),
)
BERT = "google-bert/bert-base-uncased"
"""Whose tokenizer and shape all published checkpoints have; its weights are in the checkpoints."""
_CONFIGS = {"swint_ogc": "GroundingDINO_SwinT_OGC", "swinb_cogcoor": "GroundingDINO_SwinB_cfg"}
"""In names of checkpoints -> names of the package's configs."""
_OPTIONS = ("config", "tokenizer")
_SPARE = ("label_enc.weight", "bert.embeddings.position_ids")
"""In published checkpoints: for training, and a constant."""


class GroundingDinoOfficial:
    """See the module. Liu et al., "Grounding DINO", 2023.

    Like `GroundingDino`, it looks at a batch of frames once an expression, keeps what the backbone
    sees for the other expressions, and gives boxes the score of their best word. `dtype=auto` is
    float32 on a GPU as well.
    """

    def __init__(
        self,
        network: Any,
        version: str,
        called: str,
        dtype: torch.dtype = torch.float32,
        limits: Limits | None = None,
        text_threshold: float = 0.2,
        batch_size: int = 1,
    ) -> None:
        """Put the parts together.

        Args:
            network: On its device, in evaluation mode; this object may change its parts.
            version: For the record.
            called: The checkpoint, for messages.
            dtype: What multiplications are computed with; weights and boxes are float32.
            limits: Which boxes become candidates.
            text_threshold: The least score of a word that counts to a box's phrase.
            batch_size: How many frames are looked at together.
        """
        from alref_agent.tools.detection.grounding_dino_official_network import Once, prepare

        self.batch_size = batch_size
        self.version = version
        self._network = network
        self._device: torch.device = next(network.parameters()).device
        self._dtype = dtype
        self._called = called
        self._prepare = prepare
        self._seen = Once(network.backbone)
        network.backbone = self._seen
        self._limits = limits or Limits(0.1, 0.8, 20)
        self._text_threshold = text_threshold
        self._sentence = lru_cache(maxsize=64)(self._read)

    @classmethod
    def from_config(cls, config: Config) -> Self:
        """Load the model; reads `detector`, `device` and `dtype`.

        Raises:
            ConfigError: A setting that it cannot use.
            ModelError: The checkpoint or the tokenizer is not there, is none, or is broken.
            MissingPackageError: A package that the model needs is not installed.
        """
        original, settings, source, bert = cls._found(config)
        args = _read_config(settings)
        device, dtype = _device(config)
        with full_memory_explained(original.called, device, "take --set device=cpu"):
            tokenizer = read_part(source, AutoTokenizer.from_pretrained)
            with explained(original, TAKER, settings.name):
                from alref_agent.tools.detection.grounding_dino_official_network import build

                network = build(args, tokenizer, bert)
            fill(network, original, TAKER, settings.name, _SPARE)
            network = network.to(device)
        return cls(
            network,
            _version(original, device, dtype),
            original.called,
            dtype,
            Limits.from_config(config),
            config.detector.text_threshold,
            config.detector.batch_size,
        )

    @classmethod
    def check(cls, config: Config) -> None:
        """Raise what `from_config` would, without reading the weights."""
        _device(config)
        _read_config(cls._found(config)[1])

    @classmethod
    def _found(cls, config: Config) -> tuple[Original, Path, Source, PreTrainedConfig]:
        """The checkpoint, its config, and where BERT's tokenizer and settings are."""
        TAKER.check_packages()
        options = config.detector.options
        for option in options:
            if option not in _OPTIONS:
                what = f"option of the detector {TAKER.name}"
                raise ConfigError(unknown(what, option, _OPTIONS))
        original = find_original(config.detector.model, TAKER)
        settings = _config_file(original, options.get("config"))
        bert = str(options.get("tokenizer") or BERT)
        source, shape = find_weights(bert, ("bert",), "the BERT of GroundingDINO", whole=False)
        return original, settings, source, shape

    def ground(self, expression: str) -> Grounding:
        """The whole expression as one target.

        Raises:
            ConfigError: It is longer than the model reads.
        """
        if caption(expression) and not self._sentence(expression).known:
            return Grounding((), "The model knows none of its words.")
        return ground(expression, "The model reads the whole expression.")

    def detect(
        self,
        frames: Mapping[int, Frame],
        expressions: Sequence[str],
        box_threshold: float | None = None,
    ) -> Sequence[Sequence[Detections]]:
        """The candidates on some frames; see the class."""
        limits = self._limits.over(box_threshold)
        answers: list[list[Detections]] = [[] for _ in frames]
        try:
            with self._computing():
                pictures = self._prepare(frames.values(), self._device)
                for expression in expressions:
                    found = self._find(frames, pictures, expression, limits)
                    for on_frame, answer in zip(answers, found, strict=True):
                        on_frame.append(answer)
        finally:
            self._seen.forget()
        return answers

    def _find(
        self, frames: Mapping[int, Frame], pictures: Any, expression: str, limits: Limits
    ) -> list[Detections]:
        """The candidates for one expression, one a frame."""
        if not self.ground(expression).targets:
            return [nothing(i) for i in frames]
        sentence = self._sentence(expression)
        out = self._network(pictures, captions=[sentence.caption] * len(frames))
        chances = out["pred_logits"][..., : len(sentence.words)].float().sigmoid()
        return [
            candidates(sentence, on_frame, boxes, i, frame, limits, self._text_threshold)
            for (i, frame), on_frame, boxes in zip(
                frames.items(),
                self._numbers(chances),
                self._numbers(out["pred_boxes"]),
                strict=True,
            )
        ]

    def _read(self, expression: str) -> Sentence:
        network = self._network
        most = min(network.max_text_len, network.bert.config.max_position_embeddings)
        return read(expression, network.tokenizer, most, self._called)

    @contextmanager
    def _computing(self) -> Iterator[None]:
        remedy = "look at fewer frames at once (--set detector.batch_size=1), or --set device=cpu"
        mixed = self._dtype != torch.float32
        with (
            full_memory_explained(self._called, self._device, remedy),
            torch.inference_mode(),
            torch.autocast(self._device.type, self._dtype if mixed else None, enabled=mixed),
            # The package warns of names of torch that will go.
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("ignore")
            yield

    def _numbers(self, tensor: torch.Tensor) -> Floats:
        found: Floats = tensor.float().cpu().numpy()
        if not np.isfinite(found).all():
            way = "get it again" if self._dtype == torch.float32 else "--set dtype=float32"
            raise ModelError(f"{self._called} computes what are no numbers: {way}.")
        return found


def _device(config: Config) -> tuple[torch.device, torch.dtype]:
    device = choose_device(config.device)
    exact = config.dtype == "auto"
    return device, torch.float32 if exact else choose_dtype(config.dtype, device)


def _config_file(original: Original, written: Any) -> Path:
    """The package's config of a checkpoint, by its name or as the options say."""
    spec = find_spec("groundingdino")
    assert spec is not None and spec.origin is not None, "see `check_packages`"
    folder = Path(spec.origin).parent / "config"
    if written is None:
        for part, name in _CONFIGS.items():
            if part in original.path.name:
                return folder / f"{name}.py"
    else:
        for path in (folder / f"{written}.py", Path(str(written)).expanduser()):
            if path.is_file():
                return path
    said = "its name does not say which" if written is None else f"there is no config {written}"
    raise ConfigError(
        f"{original.called}: {said}: --set detector.options.config=… "
        f"({', '.join(sorted(_CONFIGS.values()))}, or the path of such a file)."
    )


def _read_config(file: Path) -> SimpleNamespace:
    """The settings of a config, which is a Python file of plain assignments; it is not run."""
    args = {}
    try:
        for line in ast.parse(file.read_text("utf-8")).body:
            match line:
                case ast.Assign(targets=[ast.Name(id=name)], value=value):
                    args[name] = ast.literal_eval(value)
                case _:
                    raise ValueError(f"line {line.lineno} is no plain assignment")
    except (OSError, SyntaxError, ValueError) as error:
        raise ConfigError(f"{file} is no config of GroundingDINO: {error}") from error
    return SimpleNamespace(**args)


def _version(original: Original, device: torch.device, dtype: torch.dtype) -> str:
    try:
        package = version("groundingdino-py")
    except PackageNotFoundError:  # on the path, but not installed
        package = "of unknown version"
    numbers = str(dtype).removeprefix("torch.")
    return f"{original.answers_as} (groundingdino-py {package}, {device.type} {numbers})"
