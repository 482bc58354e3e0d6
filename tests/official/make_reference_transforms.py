"""Writes `tests/data/reference_transforms.json`: what the reference transforms make of pictures.

Run in the environment of `make test-official`, from the repository:
`.venv-official/bin/python tests/official/make_reference_transforms.py`.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

TESTS = Path(__file__).parents[1]
sys.path.insert(0, str(TESTS))

from reference_pictures import kept, mask_logits, picture  # noqa: E402

SIZES = ((120, 200), (480, 854))
"""Heights and widths of frames."""
SIDES = (1024, 256)
"""Of the square that SAM 2 sees."""
PACKAGES = ("torch", "torchvision", "transformers", "sam2", "groundingdino-py", "pillow")
MEAN = torch.tensor((0.485, 0.456, 0.406)).view(3, 1, 1)
STD = torch.tensor((0.229, 0.224, 0.225)).view(3, 1, 1)


def sam2() -> Iterator[tuple[str, Any]]:
    """The two ways to resize a frame of a video."""
    from sam2.utils.misc import _load_img_as_tensor
    from transformers import Sam2VideoVideoProcessor

    for height, width in SIZES:
        frame = picture(height, width)
        for side in SIDES:
            name = f"{height}x{width}/{side}"
            size = {"height": side, "width": side}
            made = Sam2VideoVideoProcessor(size=size)([[frame, frame]], return_tensors="pt")
            yield f"sam2/transformers/{name}", made.pixel_values_videos[0, 0]
            with tempfile.TemporaryDirectory() as folder:
                Image.fromarray(frame).save(Path(folder) / "0.png")
                loaded, _, _ = _load_img_as_tensor(str(Path(folder) / "0.png"), side)
            yield f"sam2/sam2/{name}", (loaded.float() - MEAN) / STD


def masks() -> Iterator[tuple[str, Any]]:
    """Logits at a quarter of SAM 2's size, at the size of the video."""
    from transformers import Sam2ImageProcessor

    for height, width in SIZES:
        for side in SIDES:
            low = torch.from_numpy(mask_logits(side // 4))[None, None]
            size = {"height": side, "width": side}
            processor: Any = Sam2ImageProcessor(size=size)
            whole = processor.post_process_masks([low], [(height, width)], binarize=False)
            yield f"masks/transformers/{height}x{width}/{side}", whole[0][0]


def grounding_dino() -> Iterator[tuple[str, Any]]:
    """Its own transform, and transformers' with torchvision."""
    import groundingdino.datasets.transforms as T
    from transformers import GroundingDinoImageProcessor

    own = T.Compose(
        [
            T.RandomResize([800], max_size=1333),
            T.ToTensor(),
            T.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
        ]
    )
    for height, width in SIZES:
        frame = picture(height, width)
        name = f"{height}x{width}"
        yield f"grounding-dino/groundingdino/{name}", own(Image.fromarray(frame), None)[0]
        made = GroundingDinoImageProcessor()(frame, return_tensors="pt")
        yield f"grounding-dino/torchvision/{name}", made.pixel_values[0]


def owlv2() -> Iterator[tuple[str, Any]]:
    """Transformers' with torchvision."""
    from transformers import Owlv2ImageProcessor

    for height, width in SIZES:
        for side in (960, 192):
            processor = Owlv2ImageProcessor(size={"height": side, "width": side})
            made = processor(picture(height, width), return_tensors="pt")
            yield f"owlv2/torchvision/{height}x{width}/{side}", made.pixel_values[0]


def shortened(result: Any) -> dict[str, Any]:
    """A result's shape, the mean of each channel, and some of its values."""
    array: npt.NDArray[np.float64] = np.asarray(result, np.float64)
    flat = array.reshape(-1)
    means = array.reshape(array.shape[0], -1).mean(axis=1)
    return {
        "shape": list(array.shape),
        "means": [round(float(mean), 7) for mean in means],
        "values": [float(f"{value:.7g}") for value in flat[kept(flat.size)]],
    }


def main() -> None:
    """Write the file anew."""
    torch.set_num_threads(1)
    about = "What the transforms of these packages make of the pictures of reference_pictures.py."
    header = {"about": about, "versions": {name: version(name) for name in PACKAGES}}
    rows = [
        f"{json.dumps(name)}: {json.dumps(shortened(result))}"
        for family in (sam2, masks, grounding_dino, owlv2)
        for name, result in family()
    ]
    text = f"{json.dumps(header)[:-1]},\n" + '"results": {\n' + ",\n".join(rows) + "\n}}\n"
    (TESTS / "data").mkdir(exist_ok=True)
    (TESTS / "data" / "reference_transforms.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
