"""What is said where the packages are not installed; runs with the usual tests."""

from __future__ import annotations

import dataclasses
from importlib.util import find_spec
from pathlib import Path

import pytest

from alref_agent.config import load_config
from alref_agent.errors import MissingPackageError
from alref_agent.tools.detection import grounding_dino_official
from alref_agent.tools.detection.grounding_dino_official import GroundingDinoOfficial
from alref_agent.tools.segmentation import sam2_official_build
from alref_agent.tools.segmentation.sam2_official import Sam2Official
from alref_agent.weights.original import Taker

TAKERS = [sam2_official_build.TAKER, grounding_dino_official.TAKER]


@pytest.mark.parametrize("taker", TAKERS, ids=lambda taker: taker.name)
def test_a_missing_package_comes_with_the_commands(taker: Taker) -> None:
    lacking = dataclasses.replace(taker, modules=("torch", "no_such_package"))
    with pytest.raises(MissingPackageError) as caught:
        lacking.check_packages()
    said = str(caught.value)
    assert f"{taker.section} {taker.name} needs the package 'no_such_package'" in said
    assert "pip install 'alref-agent[official]'" in said
    assert "pip install --no-build-isolation --no-deps" in said


def test_a_folder_of_that_name_is_no_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where one stands beside a clone."""
    (tmp_path / "only_a_folder").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    lacking = dataclasses.replace(TAKERS[0], modules=("only_a_folder",))
    with pytest.raises(MissingPackageError, match="'only_a_folder'"):
        lacking.check_packages()


@pytest.mark.skipif(find_spec("sam2") is not None, reason="the package sam2 is here")
def test_the_segmenter_without_its_package() -> None:
    config = load_config(settings={"segmenter.name": "sam2-official"}, environment={})
    for made in (Sam2Official.check, Sam2Official.from_config):
        with pytest.raises(MissingPackageError, match="SAM2_BUILD_CUDA=0 pip install --no-build"):
            made(config)


@pytest.mark.skipif(find_spec("groundingdino") is not None, reason="the package is here")
def test_the_detector_without_its_package() -> None:
    config = load_config(settings={"detector.name": "grounding-dino-official"}, environment={})
    for made in (GroundingDinoOfficial.check, GroundingDinoOfficial.from_config):
        with pytest.raises(MissingPackageError, match="groundingdino-py==0.4.0"):
            made(config)
