"""The segmenter `sam2-official`: checkpoints of SAM 2's authors, good ones and others."""

from __future__ import annotations

import pickle
import re
from pathlib import Path
from typing import Any

import pytest
import torch

pytest.importorskip("sam2", reason="the package sam2 is not here: make test-official")
pytest.importorskip("groundingdino", reason="the package groundingdino-py is not here")

from alref_agent import registry
from alref_agent.config import Config, load_config
from alref_agent.errors import AlrefError, ConfigError
from alref_agent.tools.segmentation.cues import courses
from alref_agent.tools.segmentation.sam2_official import Sam2Official
from alref_agent.tools.segmentation.sam2_official_build import config_file
from alref_agent.tools.segmentation.sam2_official_state import OfficialNetwork
from alref_agent.tools.segmentation.sweeps import sweep
from alref_agent.weights.original import Original
from test_sam2 import BLUE, RED, H, N, W, box, film
from tiny_originals import save_sam2, tiny_sam2_original

VERSIONS = ("sam2.1", "sam2")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return save_sam2(tiny_sam2_original(), tmp_path_factory.mktemp("original"))


def settings(model: object, config: object = None, **more: Any) -> Config:
    given: dict[str, Any] = {"segmenter.name": "sam2-official", "device": "cpu"}
    if model is not None:
        given["segmenter.model"] = str(model)
    if config is not None:
        given["segmenter.options"] = {"config": str(config)}
    return load_config("paper", settings=given | more, environment={})


@pytest.mark.parametrize("prompt", ["box", "mask"])
def test_a_checkpoint_is_loaded_and_gives_masks(checkpoint: tuple[Path, Path], prompt: str) -> None:
    config = settings(*checkpoint, **{"segmenter.prompt": prompt})
    backend = registry.load("segmenter", "sam2-official")
    backend.check(config)
    loaded = backend.from_config(config)
    assert re.fullmatch(r"tiny\.pt@[0-9a-f]{12} \(sam2 1\..*\)", loaded.version)
    found = list(loaded.segment(film(), [box(1, 3, *RED), box(9, 8, *BLUE)]))
    assert {(mask.obj_id, mask.frame_idx) for mask in found} == {
        (i, t) for i in (1, 9) for t in range(N)
    }
    network = OfficialNetwork(tiny_sam2_original(), as_mask=prompt == "mask")
    ways = courses([box(1, 3, *RED), box(9, 8, *BLUE)])
    for mask, sight in zip(found, sweep(network, film(), ways, 0), strict=True):
        assert (mask.mask == network.mask(sight.outlook, (H, W))).all()


def test_pictures_of_another_size(checkpoint: tuple[Path, Path]) -> None:
    config = settings(*checkpoint, **{"segmenter.image_size": 64})
    found = list(Sam2Official.from_config(config).segment(film(4), [box(1, 1, *RED)]))
    assert len(found) == 4
    assert found[0].mask.shape == (H, W)
    with pytest.raises(ConfigError, match=r"multiples of 32: 96 is near"):
        Sam2Official.check(settings(*checkpoint, **{"segmenter.image_size": 100}))


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("size", "short"), [("tiny", "t"), ("small", "s"), ("base_plus", "b+"), ("large", "l")]
)
def test_names_of_published_checkpoints_say_their_config(
    version: str, size: str, short: str
) -> None:
    name = f"{version}_hiera_{size}.pt"
    found = config_file(settings(None), Original(Path(name), name, name))
    assert found.is_file()
    assert found.name == f"{version}_hiera_{short}.yaml"
    assert found.parent.name == version


def refused(config: Config) -> str:
    with pytest.raises(AlrefError) as caught:
        Sam2Official.from_config(config)
    assert "\n" not in str(caught.value)
    return str(caught.value)


class Harmful:
    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> Any:
        return Path.touch, (self.trace,)


def test_files_that_are_no_checkpoint(checkpoint: tuple[Path, Path], tmp_path: Path) -> None:
    path, config = checkpoint
    file = tmp_path / "mine.pt"
    file.write_bytes(path.read_bytes()[:-1000])
    assert f"{file} cannot be read as a checkpoint of SAM 2 (" in refused(settings(file, config))
    file.write_text("no pickle")
    assert "cannot be read as a checkpoint" in refused(settings(file, config))
    file.write_bytes(b"")
    assert "cannot be read as a checkpoint" in refused(settings(file, config))
    for content in ({"state": 1}, [1], {"model": [1]}, {"model": {"a": 1}}):
        torch.save(content, file)
        assert "it has no weights under 'model'" in refused(settings(file, config))
    weights: dict[str, Any] = torch.load(path, weights_only=True)["model"]
    less = {name: weight for name, weight in weights.items() if name != "no_mem_embed"}
    torch.save({"model": less}, file)
    assert "lacks weights of tiny.yaml (no_mem_embed, …)" in refused(settings(file, config))
    torch.save({"model": weights | {"a": torch.zeros(1)}}, file)
    assert "has weights that tiny.yaml does not know (a, …)" in refused(settings(file, config))
    assert "do not have the shapes of sam2.1_hiera_t.yaml" in refused(
        settings(path, "configs/sam2.1/sam2.1_hiera_t.yaml")
    )


def test_code_in_a_checkpoint_is_not_run(checkpoint: tuple[Path, Path], tmp_path: Path) -> None:
    file, trace = tmp_path / "mine.pt", tmp_path / "harm"
    file.write_bytes(pickle.dumps({"model": Harmful(trace)}, 2))
    assert "holds more than numbers, which is never loaded" in refused(
        settings(file, checkpoint[1])
    )
    torch.save({"model": {"a": Harmful(trace)}}, file)
    assert "holds more than numbers" in refused(settings(file, checkpoint[1]))
    assert not trace.exists()


def test_code_in_a_config_is_not_run(checkpoint: tuple[Path, Path], tmp_path: Path) -> None:
    config = tmp_path / "mine.yaml"
    config.write_text("model: {image_encoder: {_target_: os.getcwd}}")
    assert "os.getcwd is not of the package" in refused(settings(checkpoint[0], config))
    config.write_text("image_encoder: 1")
    assert "cannot build what mine.yaml says" in refused(settings(checkpoint[0], config))


def test_models_that_are_not_there(tmp_path: Path, checkpoint: tuple[Path, Path]) -> None:
    pull = "`alref-agent models pull sam2.1_hiera_large.pt`"
    said = refused(settings(None, **{"segmenter.model": None}))
    assert said.startswith(f"sam2-official needs an original checkpoint of SAM 2: {pull}, then ")
    assert "there is no such file" in refused(settings(tmp_path / "none.pt"))
    assert refused(settings("sam2.1_hiera_tiny.pt")).startswith(
        "sam2.1_hiera_tiny.pt is not on this machine: alref-agent models pull sam2.1_hiera_tiny.pt"
    )
    assert "is a checkpoint for grounding-dino-official" in refused(
        settings("groundingdino_swint_ogc.pth")
    )
    for other in ("facebook/sam2.1-hiera-large", tmp_path):
        assert "--set segmenter.name=sam2; else " + pull in refused(settings(other))
    assert "its name does not say which size" in refused(settings(checkpoint[0]))
    with pytest.raises(ConfigError, match=r"there is no such file; those of the package: configs"):
        Sam2Official.check(settings(checkpoint[0], "configs/none.yaml"))
    with pytest.raises(ConfigError, match="Unknown option of the segmenter sam2-official 'size'"):
        Sam2Official.check(settings(checkpoint[0], **{"segmenter.options": {"size": "l"}}))
