"""The network of the `sam2` package: which config, built without its global state.

The package's builder composes configs through Hydra's global one, and downloads; here the same
settings are read from the package's own file, merged and instantiated.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from alref_agent.config import Config
from alref_agent.errors import ConfigError, unknown
from alref_agent.weights.original import Original, Taker, explained, fill

TAKER = Taker(
    name="sam2-official",
    section="segmenter",
    title="SAM 2",
    example="sam2.1_hiera_large.pt",
    instead="sam2",
    modules=("torch", "hydra", "omegaconf", "tqdm", "sam2"),
    commands=(
        "pip install 'alref-agent[official]', then "
        "SAM2_BUILD_CUDA=0 pip install --no-build-isolation --no-deps sam2"
    ),
)
_SIZES = {
    "tiny": "t",
    "small": "s",
    "base_plus": "b+",
    "large": "l",
    "t": "t",
    "s": "s",
    "b+": "b+",
    "l": "l",
}
"""In names of checkpoints -> in names of configs."""
_NAME = re.compile(r"sam2(\.1)?_hiera_(tiny|small|base_plus|large|t|s|b\+|l)(?![a-z])")
_STRIDE = 32
"""Sides of pictures are multiples of what the image encoder shrinks them by."""

POSTPROCESSING = {
    "_target_": "sam2.sam2_video_predictor.SAM2VideoPredictor",
    "sam_mask_decoder_extra_args": {
        "dynamic_multimask_via_stability": True,
        "dynamic_multimask_stability_delta": 0.05,
        "dynamic_multimask_stability_thresh": 0.98,
    },
    "binarize_mask_from_pts_for_mem_enc": True,
    # Filling of holes needs the package's CUDA extension, and would differ between machines.
    "fill_hole_area": 0,
}
"""What `build_sam2_video_predictor` adds to the file's settings, but for the holes."""


def config_file(config: Config, original: Original) -> Path:
    """The file of settings that fits a checkpoint, by its name or as the options say.

    Raises:
        ConfigError: An unknown option; no config is known for that name.
    """
    options = config.segmenter.options
    for option in options:
        if option != "config":
            raise ConfigError(unknown("option of the segmenter sam2-official", option, ["config"]))
    package = _folder()
    written = options.get("config")
    if written is not None:
        for path in (package / str(written), Path(str(written)).expanduser()):
            if path.is_file():
                return path
        raise ConfigError(
            f"segmenter.options.config={written}: there is no such file; those of the package: "
            f"{', '.join(_known(package))}."
        )
    name = _NAME.match(original.path.name)
    if name is None:
        raise ConfigError(
            f"{original.called}: its name does not say which size of SAM 2 it is: --set "
            f"segmenter.options.config=… ({', '.join(_known(package))})."
        )
    version = f"sam2{name[1] or ''}"
    return package / "configs" / version / f"{version}_hiera_{_SIZES[name[2]]}.yaml"


def check_side(side: int | None) -> None:
    """Refuse a size of pictures that the image encoder cannot halve as often as it does.

    Raises:
        ConfigError: It is one.
    """
    if side is not None and side % _STRIDE:
        near = max(_STRIDE, round(side / _STRIDE) * _STRIDE)
        raise ConfigError(
            f"segmenter.image_size={side}: SAM 2 takes multiples of {_STRIDE}: {near} is near."
        )


def build(original: Original, settings: Path, side: int | None) -> Any:
    """The package's video predictor with the weights of a checkpoint, on the CPU.

    Args:
        original: The checkpoint.
        settings: The file that says how the network is built.
        side: Of the square that frames are resized to, in pixels; None: the network's own.

    Raises:
        ModelError: The file's settings are none, or the checkpoint is not of this network.
    """
    from hydra.utils import instantiate
    from omegaconf import OmegaConf

    with explained(original, TAKER, settings.name):
        merged = OmegaConf.merge(OmegaConf.load(settings).model, POSTPROCESSING)
        if side is not None:
            merged.image_size = side
        for target in _targets(OmegaConf.to_container(merged, resolve=True)):
            # Instantiating calls whatever a file names.
            if not target.startswith("sam2."):
                raise ValueError(f"{target} is not of the package")
        model: Any = instantiate(merged).eval()
    fill(model, original, TAKER, settings.name)
    return model


def _folder() -> Path:
    """Of the package; it is not imported, which takes seconds."""
    spec = find_spec("sam2")
    assert spec is not None and spec.origin is not None, "see `check_packages`"
    return Path(spec.origin).parent


def _known(package: Path) -> list[str]:
    found = (package / "configs").glob("sam2*/sam2*_hiera_*.yaml")
    return sorted(str(path.relative_to(package)) for path in found if "_training" not in str(path))


def _targets(node: Any) -> Iterator[str]:
    if isinstance(node, Mapping):
        for key, value in node.items():
            if key == "_target_":
                yield str(value)
            else:
                yield from _targets(value)
    elif isinstance(node, list):
        for value in node:
            yield from _targets(value)
