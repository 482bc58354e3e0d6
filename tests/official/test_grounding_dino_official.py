"""GroundingDINO of its authors gives what transformers gives, through our code on both sides."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

pytest.importorskip("sam2", reason="the package sam2 is not here: make test-official")
pytest.importorskip("groundingdino", reason="the package groundingdino-py is not here")

from transformers import BertConfig
from transformers.models.grounding_dino.image_processing_pil_grounding_dino import (
    GroundingDinoImageProcessorPil,
)

from alref_agent import registry
from alref_agent.config import Config, load_config
from alref_agent.errors import AlrefError, ConfigError
from alref_agent.tools.detection.grounding_dino import GroundingDino
from alref_agent.tools.detection.grounding_dino_official import GroundingDinoOfficial
from alref_agent.tools.detection.grounding_dino_official_network import build, prepare
from alref_agent.tools.detection.selection import Limits
from alref_agent.types import Detections
from reference_pictures import picture
from tiny_originals import (
    BERT,
    GROUNDING_DINO,
    converted_grounding_dino,
    save_bert,
    tiny_grounding_dino_original,
    tiny_tokenizer,
)

FRAMES = {t: picture(24, 200, seed) for seed, t in enumerate((2, 7, 9))}
"""Flat ones: their long side becomes 1333 pixels."""
TEXTS = ["the red dog", "a cat on the left of the car", "two dogs, a zebra"]
EVERY = Limits(0.0, 1.0, 1000)


def official(limits: Limits = EVERY, **more: Any) -> GroundingDinoOfficial:
    network = tiny_grounding_dino_original()
    return GroundingDinoOfficial(network, "tiny", "tiny", limits=limits, **more)


def through_transformers(folder: Path, **more: Any) -> GroundingDino:
    """The same weights, loaded by the detector `grounding-dino`."""
    converted_grounding_dino(tiny_grounding_dino_original()).save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    processor: Any = GroundingDinoImageProcessorPil()
    processor.save_pretrained(folder)
    given = {"model": str(folder), "box_threshold": 0.0, "nms_threshold": 1.0, "max_boxes": 1000}
    named = {f"detector.{key}": value for key, value in (given | more).items()}
    return GroundingDino.from_config(
        load_config(settings=named | {"device": "cpu"}, environment={})
    )


def test_logits_and_boxes_are_those_of_transformers() -> None:
    network = tiny_grounding_dino_original()
    theirs = converted_grounding_dino(network)
    for height, width in ((96, 128), (90, 130), (120, 200)):
        pixels = torch.from_numpy(picture(height, width)).permute(2, 0, 1)[None].float() / 64 - 2
        for text in TEXTS:
            tokens = tiny_tokenizer()([f"{text}."], return_tensors="pt")
            with torch.inference_mode():
                own = network(pixels, captions=[f"{text}."])
                other = theirs(pixel_values=pixels, **tokens)
            n = tokens["input_ids"].shape[1]
            assert own["pred_logits"][0, :, :n].std() > 1
            torch.testing.assert_close(
                own["pred_logits"][..., :n], other.logits[..., :n], rtol=0, atol=1e-4
            )
            torch.testing.assert_close(own["pred_boxes"], other.pred_boxes, rtol=0, atol=1e-5)


def same(one: Detections, other: Detections) -> None:
    assert one.frame_idx == other.frame_idx and len(one.scores) == len(other.scores) > 0
    np.testing.assert_allclose(one.scores, other.scores, atol=1e-4)
    np.testing.assert_allclose(one.boxes, other.boxes, atol=2e-3)
    assert one.phrases == other.phrases


def between() -> float:
    """A threshold that no score of a word is near, with many on both sides."""
    network = tiny_grounding_dino_original()
    pictures, scores = prepare(list(FRAMES.values()), torch.device("cpu")), []
    with torch.inference_mode():
        for text in TEXTS:
            chances = network(pictures, captions=[f"{text}."] * 3)["pred_logits"].sigmoid()
            scores.append(chances[chances > 0].flatten())
    ordered = torch.cat(scores).sort().values
    inner = ordered[(ordered > 0.2) & (ordered < 0.8)]
    widest = int(inner.diff().argmax())
    assert inner[widest + 1] - inner[widest] > 1e-4
    return float(inner[widest] + inner[widest + 1]) / 2


def test_candidates_and_phrases_are_those_of_transformers(tmp_path: Path) -> None:
    middle = between()
    for limits in (EVERY, Limits(middle, 0.5, 10)):
        mine = official(limits, text_threshold=middle, batch_size=3)
        theirs = through_transformers(
            tmp_path,
            text_threshold=middle,
            box_threshold=limits.box_threshold,
            nms_threshold=limits.nms_threshold,
            max_boxes=limits.max_boxes,
        )
        found, expected = mine.detect(FRAMES, TEXTS), theirs.detect(FRAMES, TEXTS)
        phrases: set[str] = set()
        for on_frame, on_other in zip(found, expected, strict=True):
            for one, other in zip(on_frame, on_other, strict=True):
                same(one, other)
                phrases.update(one.phrases)
        assert len(phrases) > 3


def test_frames_and_expressions_do_not_depend_on_their_company() -> None:
    together, alone = official(batch_size=3), official()
    many = together.detect(FRAMES, [TEXTS[0], "12", TEXTS[1]])
    for (i, frame), answers in zip(FRAMES.items(), many, strict=True):
        assert len(answers[1].scores) == 0
        for text, answer in zip(TEXTS, answers[::2], strict=False):
            same(answer, alone.detect({i: frame}, [text])[0][0])


def test_pictures_are_seen_once_whatever_the_number_of_expressions() -> None:
    network = tiny_grounding_dino_original()
    calls: list[int] = []
    network.backbone.register_forward_hook(lambda *_: calls.append(1))
    detector = GroundingDinoOfficial(network, "tiny", "tiny")
    detector.detect({0: FRAMES[2]}, TEXTS)
    assert len(calls) == 1
    detector.detect({0: FRAMES[7]}, TEXTS)
    assert len(calls) == 2


def test_expressions_without_words_and_too_long_ones() -> None:
    detector = official()
    assert detector.ground("狗").reason == "The model knows none of its words."
    assert detector.ground("42").reason == "It has no words."
    with pytest.raises(ConfigError, match=r"is too long: it has 257 tokens, and tiny reads 256"):
        detector.ground("dog " * 254)


# The backend -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """A checkpoint with a Swin of the real size, as the package has no smaller one."""
    folder = tmp_path_factory.mktemp("original")
    config = folder / "tiny.py"
    config.write_text("".join(f"{key} = {value!r}\n" for key, value in GROUNDING_DINO.items()))
    torch.manual_seed(0)
    network = build(SimpleNamespace(**GROUNDING_DINO), tiny_tokenizer(), BertConfig(**BERT))
    weights = {f"module.{name}": weight for name, weight in network.state_dict().items()}
    # As the published ones have: for training.
    weights["module.label_enc.weight"] = torch.zeros(3, 256)
    checkpoint = folder / "tiny.pth"
    torch.save({"model": weights}, checkpoint)
    bert = save_bert(folder / "bert")
    return SimpleNamespace(model=checkpoint, config=config, bert=bert, network=network)


def settings(model: object, config: object = None, bert: object = None, **more: Any) -> Config:
    options = {"config": config and str(config), "tokenizer": bert and str(bert)}
    given: dict[str, Any] = {
        "detector.name": "grounding-dino-official",
        "detector.model": model and str(model),
        "detector.options": {key: value for key, value in options.items() if value},
        "detector.box_threshold": 0.0,
        "device": "cpu",
    }
    return load_config("paper", settings=given | more, environment={})


def test_a_checkpoint_is_loaded_and_gives_boxes(made: SimpleNamespace) -> None:
    config = settings(made.model, made.config, made.bert)
    backend = registry.load("detector", "grounding-dino-official")
    backend.check(config)
    loaded = backend.from_config(config)
    assert re.fullmatch(
        r"tiny\.pth@[0-9a-f]{12} \(groundingdino-py 0\.4\..*, cpu float32\)", loaded.version
    )
    ((found,),) = loaded.detect({0: FRAMES[2]}, ["the red dog"])
    limits = Limits.from_config(config)
    plain = GroundingDinoOfficial(made.network, "tiny", "tiny", limits=limits)
    same(found, plain.detect({0: FRAMES[2]}, ["the red dog"])[0][0])


def refused(config: Config) -> str:
    with pytest.raises(AlrefError) as caught:
        GroundingDinoOfficial.from_config(config)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_what_cannot_be_used(made: SimpleNamespace, tmp_path: Path) -> None:
    said = refused(settings(None))
    pull = "`alref-agent models pull groundingdino_swint_ogc.pth`"
    assert said.startswith(
        f"grounding-dino-official needs an original checkpoint of GroundingDINO: {pull}"
    )
    assert "its name does not say which" in refused(settings(made.model, None, made.bert))
    assert "there is no config none" in refused(settings(made.model, "none", made.bert))
    assert "google-bert/bert-base-uncased is not on this machine" in refused(
        settings(made.model, made.config)
    )
    assert "is no original checkpoint" in refused(settings("IDEA-Research/grounding-dino-tiny"))
    said = refused(settings(made.model, "GroundingDINO_SwinT_OGC", made.bert))
    assert "GroundingDINO_SwinT_OGC.py" in said
    (tmp_path / "code.py").write_text("import os\nos.getcwd()\n")
    assert "line 1 is no plain assignment" in refused(
        settings(made.model, tmp_path / "code.py", made.bert)
    )
    (tmp_path / "half.py").write_text("hidden_dim = 256\n")
    assert "cannot build what half.py says: AttributeError" in refused(
        settings(made.model, tmp_path / "half.py", made.bert)
    )
    with pytest.raises(ConfigError, match="Unknown option of the detector grounding-dino-official"):
        GroundingDinoOfficial.check(settings(made.model, **{"detector.options": {"size": "l"}}))
    broken = tmp_path / "groundingdino_swint_ogc.pth"
    broken.write_bytes(made.model.read_bytes()[:-100])
    assert "cannot be read as a checkpoint of GroundingDINO" in refused(
        settings(broken, made.config, made.bert)
    )
    GroundingDinoOfficial.check(settings(broken, None, made.bert))
