from __future__ import annotations

from pathlib import Path

import pytest

from alref_agent.config import Config, explained, keys, load_config, profiles
from alref_agent.errors import ConfigError


def test_each_source_is_stronger_than_the_one_before(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text("sampling:\n  step: 7\n  frames_per_sheet: 3\nseed: 1\n")
    environment = {"ALREF_SAMPLING_FRAMES_PER_SHEET": "4", "ALREF_SEED": "2"}

    config = load_config("offline", file, ["seed=3"], environment)

    assert Config().sampling.layout == config.sampling.layout == "vertical"  # default
    assert load_config("fast", environment={}).strategy == "top-track"  # profile
    assert config.sampling.step == 7  # file over profile
    assert config.sampling.frames_per_sheet == 4  # environment over file
    assert config.seed == 3  # --set over environment


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (["sampling.stpe=3"], "Unknown setting 'sampling.stpe'. Did you mean 'sampling.step'?"),
        (["detector=ssd"], "Unknown setting 'detector'. Did you mean 'detector.name'?"),
        (["sampling.step=0"], "sampling.step: Input should be greater than or equal to 1, got 0"),
        (["sampling.step=many"], "sampling.step: Input should be a valid integer"),
        (["top_box.pivot=last"], "top_box.pivot: Input should be 'first' or 'best', got 'last'"),
        (["device=gpu"], "device: should be auto, cpu, cuda, cuda:N or mps, got 'gpu'"),
        (["seed"], "--set takes key=value, got 'seed'"),
        (["detector.options=[1]"], "detector.options: Input should be a valid dictionary"),
        (["detector.options=a", "detector.options.x=1"], "options is set to a value already"),
        (["seed={"], "seed: cannot read the value '{'"),
        (["sampling.step=2024-99-99"], "sampling.step: cannot read the value '2024-99-99'"),
        (["sampling.step=!!int ''"], "sampling.step: cannot read the value"),
    ],
)
def test_a_wrong_setting_says_what_is_allowed(settings: list[str], said: str) -> None:
    with pytest.raises(ConfigError) as error:
        load_config(settings=settings, environment={})
    assert said in str(error.value)


def test_the_message_says_where_the_value_came_from() -> None:
    with pytest.raises(ConfigError, match="from the environment"):
        load_config(environment={"ALREF_SAMPLING_STEP": "-1"})


def test_an_unknown_profile_and_variable_show_the_nearest() -> None:
    with pytest.raises(ConfigError, match="'ofline'. Did you mean 'offline'"):
        load_config("ofline")
    with pytest.raises(ConfigError, match="Did you mean 'ALREF_SEED'"):
        load_config(environment={"ALREF_SEDE": "1"})


def test_a_file_may_choose_the_profile_and_is_refused_where_it_is_broken(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text("profile: offline\n")
    assert load_config(file=file, environment={}).profile == "offline"
    file.write_text("profile: nothing\n")
    with pytest.raises(ConfigError, match="Unknown profile 'nothing'"):
        load_config(file=file)
    file.write_text("a: [")
    with pytest.raises(ConfigError, match="is not YAML as settings have it"):
        load_config(file=file)
    file.write_text("- a\n")
    with pytest.raises(ConfigError, match="should hold `key: value` lines"):
        load_config(file=file)
    with pytest.raises(ConfigError, match="Cannot read"):
        load_config(file=tmp_path / "none.yaml")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("seed: 1\nseed: 2\n", "'seed' is there twice"),
        ("detector:\n  options: {a: &x [1], b: *x}\n", "aliases are not taken"),
        ("detector:\n  options: {a: " + "[" * 3000 + "]" * 3000 + "}\n", "not YAML as settings"),
    ],
)
def test_yaml_that_no_settings_need_is_refused(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=said):
        load_config(file=file, environment={})


def test_the_profile_may_come_from_every_source(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text("profile: fast\n")
    environment = {"ALREF_PROFILE": "paper"}
    assert load_config(file=file, environment={}).profile == "fast"
    assert load_config(file=file, environment=environment).profile == "paper"
    chosen = load_config(None, file, ["profile=offline"], environment)
    assert (chosen.profile, chosen.segmenter.name) == ("offline", "flow")
    assert load_config("fast", None, ["profile=offline"], {}).profile == "fast"


def test_text_is_not_read_as_yaml() -> None:
    config = load_config(settings=["detector.model=1e3", "segmenter.model=null"], environment={})
    assert config.detector.model == "1e3"
    assert config.segmenter.model is None


def test_free_form_options_take_any_key() -> None:
    config = load_config(settings=["detector.options.tiles=3"], environment={})
    assert config.detector.options == {"tiles": 3}


def test_what_is_dumped_loads_again() -> None:
    config = load_config(settings=["sampling.step=9", "detector.options.a=b"], environment={})
    again = load_config(settings=config.model_dump(mode="json"), environment={})
    assert again == config


def test_every_profile_is_valid_and_says_what_it_is() -> None:
    for name, summary in profiles().items():
        assert load_config(name, environment={}).profile == name
        assert len(summary) > 20


def test_every_setting_is_explained() -> None:
    config = load_config(settings=["gpt_ps.max_candidates=3"], environment={})
    every = explained(config)
    assert {key.name for key in every} == {key for key, _ in keys()}
    assert [key.name for key in every if len(key.meaning) < 15] == []
    (most,) = explained(config, "gpt_ps.max")
    assert (most.name, most.value) == ("gpt_ps.max_candidates", 3)
    with pytest.raises(ConfigError, match="Unknown setting 'gpt_psx'. Did you mean"):
        explained(config, "gpt_psx")


def test_every_setting_can_come_from_the_environment() -> None:
    names = ["ALREF_" + key.upper().replace(".", "_") for key, _ in keys()]
    assert len(names) == len(set(names)) > 15
