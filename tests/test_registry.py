from __future__ import annotations

import sys
from pathlib import Path

import pytest

from alref_agent import build, registry
from alref_agent.config import load_config, profiles
from alref_agent.errors import MissingPackageError, UnknownNameError


@pytest.mark.parametrize("kind", sorted(registry.BUILT_IN))
def test_every_built_in_name_is_a_class(kind: str) -> None:
    for name in registry.BUILT_IN[kind]:
        assert registry.origin(kind, name) == "built-in"
        try:
            assert isinstance(registry.load(kind, name), type)
        except MissingPackageError:
            # These packages have an environment of their own: `make test-official`.
            assert registry.EXTRAS[name] == "official"


def test_an_unknown_name_shows_the_nearest() -> None:
    with pytest.raises(UnknownNameError) as error:
        registry.load("segmenter", "flwo")
    assert str(error.value).startswith("Unknown segmenter 'flwo'. Did you mean 'flow'?")


def _built_in(monkeypatch: pytest.MonkeyPatch, folder: Path, name: str, code: str) -> None:
    (folder / f"{name}.py").write_text(code)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setitem(registry.BUILT_IN["detector"], name, f"{name}:Detector")
    monkeypatch.delitem(sys.modules, name, raising=False)


def test_a_missing_package_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    _built_in(monkeypatch, tmp_path, "wants_more", "import not_installed_at_all.part")
    with pytest.raises(MissingPackageError, match="pip install not_installed_at_all"):
        registry.load("detector", "wants_more")
    monkeypatch.setitem(registry.EXTRAS, "wants_more", "extra")
    with pytest.raises(MissingPackageError, match=r"pip install 'alref-agent\[extra\]'"):
        registry.load("detector", "wants_more")


def test_a_broken_import_of_its_own_is_not_hidden(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    _built_in(monkeypatch, tmp_path, "broken_inside", "import broken_inside.nothing")
    with pytest.raises(ModuleNotFoundError):
        registry.load("detector", "broken_inside")


@pytest.mark.parametrize("profile", sorted(profiles()))
def test_what_a_profile_names_is_there(profile: str) -> None:
    config = load_config(profile, environment={})
    for kind in ("detector", "segmenter"):
        registry.check(kind, getattr(config, kind).name)
    registry.check("strategy", build.strategy_name(config))


@pytest.mark.parametrize(
    ("profile", "settings", "strategy"),
    [
        ("paper", [], "gpt-ps"),
        ("paper", ["llm.model=none"], "top-box"),
        ("fast", [], "top-track"),
        ("offline", [], "top-track"),
        ("offline", ["llm.model=gpt-4"], "gpt-ps"),
        ("offline", ["fallback=top-box"], "top-box"),
        ("paper", ["llm.model=none", "strategy=top-track"], "top-track"),
    ],
)
def test_the_strategy_that_settings_mean(profile: str, settings: list[str], strategy: str) -> None:
    assert build.strategy_name(load_config(profile, None, settings, {})) == strategy
