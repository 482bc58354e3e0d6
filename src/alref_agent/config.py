"""The settings of a run: a checked model, profiles, and where each value may come from.

Precedence, weakest first: defaults < profile < file < environment (`ALREF_…`) < `--set`.
"""

from __future__ import annotations

import os
import types
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, BeforeValidator, Field, ValidationError

from alref_agent.errors import ConfigError, unknown
from alref_agent.sections import (
    AgentConfig,
    DetectorConfig,
    GptPsConfig,
    LinkerConfig,
    LlmConfig,
    OutputConfig,
    PromptsConfig,
    SamplingConfig,
    Section,
    SegmenterConfig,
    TopBoxConfig,
)
from alref_agent.strict_yaml import parse_yaml, read_yaml

ENVIRONMENT_PREFIX = "ALREF_"
DEFAULT_PROFILE = "offline"


def _device(value: object) -> object:
    import re

    if isinstance(value, str) and re.fullmatch(r"auto|cpu|mps|cuda(:\d+)?", value):
        return value
    raise ValueError("should be auto, cpu, cuda, cuda:N or mps")


class Config(Section):
    """All settings of a run."""

    profile: str = DEFAULT_PROFILE
    """The profile that the settings started from."""
    strategy: str = "auto"
    """`auto`: `gpt-ps` with an LLM; without one `top-track`, or `top-box` where that is the
    `fallback`."""
    fallback: Literal["none", "top-box"] = "none"
    """What `gpt-ps` does where no pivot survives: keep that as the answer, or take the best box of
    frame 0, as the paper."""
    device: Annotated[str, BeforeValidator(_device)] = "auto"
    """`auto` (a GPU where there is one), `cpu`, `cuda`, `cuda:N` or `mps`."""
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """The numbers that detectors and segmenters compute with; `auto`: bfloat16 on a GPU that has
    it, where the model allows it, else float32."""
    seed: int = Field(0, ge=0, lt=2**31)
    """For backends that draw random numbers; the built-in ones draw none."""
    llm: LlmConfig = LlmConfig()
    sampling: SamplingConfig = SamplingConfig()
    detector: DetectorConfig = DetectorConfig()
    linker: LinkerConfig = LinkerConfig()
    segmenter: SegmenterConfig = SegmenterConfig()
    top_box: TopBoxConfig = TopBoxConfig()
    prompts: PromptsConfig = PromptsConfig()
    gpt_ps: GptPsConfig = GptPsConfig()
    agent: AgentConfig = AgentConfig()
    output: OutputConfig = OutputConfig()


class Explained(NamedTuple):
    """A setting and what it means."""

    name: str
    """As `--set` takes it."""
    value: Any
    meaning: str


def explained(config: Config, prefix: str = "") -> list[Explained]:
    """Every setting, its value and what it means.

    Args:
        config: Where the values are taken from.
        prefix: Only those whose name starts so.

    Raises:
        ConfigError: No setting does.
    """
    every = list(_explained(config, ""))
    found = [key for key in every if key.name.startswith(prefix)]
    if not found:
        raise ConfigError(unknown("setting", prefix, [key.name for key in every]))
    return found


def _explained(section: Section, path: str) -> Iterator[Explained]:
    for name, field in type(section).model_fields.items():
        value = getattr(section, name)
        if isinstance(value, Section):
            yield from _explained(value, f"{path}{name}.")
        else:
            yield Explained(path + name, value, " ".join((field.description or "").split()))


def load_config(
    profile: str | None = None,
    file: Path | None = None,
    settings: Sequence[str] | Mapping[str, Any] = (),
    environment: Mapping[str, str] = os.environ,
) -> Config:
    """The settings of a run, put together by precedence.

    Args:
        profile: Name of a profile; None: what `profile` in the other sources says, else the
            default one.
        file: A YAML file of settings.
        settings: `key=value` lines as from `--set`, or a mapping of dotted keys to values.
        environment: Where `ALREF_…` variables are looked up.

    Raises:
        ConfigError: An unknown profile or key (nearest match shown), a value that is not allowed,
            a file that cannot be read.
    """
    layers: list[tuple[dict[str, Any], str]] = [
        (_flatten(read_yaml(file)) if file is not None else {}, str(file)),
        (_from_environment(environment), "the environment"),
        (_from_lines(settings), "--set"),
    ]
    named = [layer.pop("profile") for layer, _ in layers if "profile" in layer]
    chosen = str(profile or [DEFAULT_PROFILE, *named][-1])
    layers.insert(0, (_flatten(_profile(chosen)), f"profile {chosen}"))
    values: dict[str, tuple[Any, str]] = {}
    for layer, place in layers:
        for key, value in layer.items():
            values[key] = (value, place)
    return _checked({key: v for key, (v, _) in values.items()} | {"profile": chosen}, values)


def profiles() -> dict[str, str]:
    """Name -> one line on what it is, for every profile."""
    texts = {
        path.name.removesuffix(".yaml"): path.read_text(encoding="utf-8")
        for path in resources.files("alref_agent.profiles").iterdir()
        if path.name.endswith(".yaml")
    }
    return {name: text.partition("\n")[0].lstrip("# ") for name, text in sorted(texts.items())}


def keys(model: type[BaseModel] = Config, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every setting as `(dotted key, annotation)`."""
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            yield from keys(field.annotation, f"{prefix}{name}.")
        else:
            yield prefix + name, field.annotation


def _profile(name: str) -> dict[str, Any]:
    if name not in profiles():
        raise ConfigError(unknown("profile", name, profiles()))
    return read_yaml(resources.files("alref_agent.profiles") / f"{name}.yaml")


def _flatten(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    sections = {key.rpartition(".")[0] for key, _ in keys()}
    flat: dict[str, Any] = {}
    for name, value in tree.items():
        key = f"{prefix}{name}"
        if key in sections and isinstance(value, Mapping):
            flat |= _flatten(value, f"{key}.")
        else:
            flat[key] = value
    return flat


def _from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    known = {ENVIRONMENT_PREFIX + key.upper().replace(".", "_"): key for key, _ in keys()}
    found: dict[str, Any] = {}
    for variable, raw in environment.items():
        if not variable.startswith(ENVIRONMENT_PREFIX):
            continue
        if variable not in known:
            raise ConfigError(unknown("environment variable", variable, known))
        found[known[variable]] = _parse(known[variable], raw)
    return found


def _from_lines(settings: Sequence[str] | Mapping[str, Any]) -> dict[str, Any]:
    if isinstance(settings, Mapping):
        return _flatten(settings)
    found: dict[str, Any] = {}
    for line in settings:
        key, equals, raw = line.partition("=")
        if not equals:
            raise ConfigError(f"--set takes key=value, got {line!r}.")
        found[key.strip()] = _parse(key.strip(), raw)
    return found


def _parse(key: str, raw: str) -> Any:
    """A value as typed by a person: YAML, except where the setting is text."""
    annotation = dict(keys()).get(key)
    optional = get_origin(annotation) in (Union, types.UnionType)
    if annotation is str or (optional and str in get_args(annotation)):
        return None if optional and raw in ("", "null", "~") else raw
    try:
        return parse_yaml(raw)
    except (yaml.YAMLError, RecursionError) as error:
        raise ConfigError(f"{key}: cannot read the value {raw!r}.") from error


def _checked(flat: Mapping[str, Any], values: Mapping[str, tuple[Any, str]]) -> Config:
    known = [key for key, _ in keys()]
    tree: dict[str, Any] = {}
    for key, value in flat.items():
        # `detector.options.x` sets one entry of a free-form setting.
        if key not in known and not any(key.startswith(f"{k}.") for k in _free_form()):
            raise ConfigError(unknown("setting", key, known))
        *path, last = key.split(".")
        node = tree
        for part in path:
            node = node.setdefault(part, {})
            if not isinstance(node, dict):
                raise ConfigError(f"{key}: {part} is set to a value already, {node!r}.")
        node[last] = value
    try:
        return Config.model_validate(tree)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        place = next((p for k, (_, p) in values.items() if key.startswith(k)), "")
        message = first["msg"].removeprefix("Value error, ")
        where = f" (from {place})" if place else ""
        raise ConfigError(f"{key}: {message}, got {first['input']!r}{where}.") from error


def _free_form() -> list[str]:
    return [key for key, annotation in keys() if get_origin(annotation) is dict]
