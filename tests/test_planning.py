"""What a run would send, before it is sent; and which profiles work."""

from __future__ import annotations

from pathlib import Path

import pytest

from alref_agent.config import Config, load_config
from alref_agent.doctor import examine
from alref_agent.errors import ConfigError, PromptError
from alref_agent.planning import TYPICAL_REPLY, plan, preview, write_preview
from alref_agent.prompts.library import PromptLibrary
from alref_agent.providers.messages import Message, Picture, Request, Sampling
from alref_agent.providers.names import aliases, resolve
from alref_agent.providers.prices import Price, Prices, count_tokens, picture_tokens


def config(*more: str, llm: str = "gpt-4") -> Config:
    lines = [f"llm.model={llm}", "sampling.step=2", "sampling.frames_per_sheet=3", *more]
    return load_config(settings=lines, environment={})


def test_a_plan_needs_no_key_and_writes_nothing(
    frames_folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    planned = plan(frames_folder, ["the dog", "the cow"], config())
    assert planned.calls == 2 * 2 * 2, "two windows, two expressions, two steps"
    assert planned.asked == "openai:gpt-4.1"
    assert planned.output_tokens == planned.calls * TYPICAL_REPLY
    assert planned.cost == pytest.approx(
        (planned.input_tokens * 2 + planned.output_tokens * 8) / 1e6, abs=1e-4
    )
    assert sorted(tmp_path.rglob("*")) == before


def test_a_plan_in_words_costs_less_than_one_with_pictures(frames_folder: Path) -> None:
    words = ["prompts.pivot_frame=text-v1", "prompts.pivot_box=text-v1"]
    seen = plan(frames_folder, "the dog", config())
    read = plan(frames_folder, "the dog", config(*words))
    assert read.input_tokens < seen.input_tokens


def test_what_cannot_be_planned_says_so(frames_folder: Path) -> None:
    with pytest.raises(ConfigError, match="--max-calls or --max-cost"):
        plan(frames_folder, "the dog", config("strategy=agent"))
    with pytest.raises(ConfigError, match="ask none"):
        plan(frames_folder, "the dog", config(llm="none"))
    unpriced = plan(frames_folder, "the dog", config(llm="openai:mine"))
    assert unpriced.cost is None


def test_a_preview_is_what_a_run_would_send(frames_folder: Path, tmp_path: Path) -> None:
    library = PromptLibrary()
    shown = preview(library.get("pivot-frame", "v1"), frames_folder, "the dog", config(llm="none"))
    assert '"the dog"' in shown.text
    assert len(shown.pictures) == 1
    files = write_preview(shown, tmp_path / "looks")
    assert [file.name for file in files] == ["prompt.txt", "picture-1.jpg"]
    assert files[1].read_bytes() == shown.pictures[0].data
    with pytest.raises(ConfigError, match=r"no window 9: the video has 2"):
        preview(library.get("pivot-frame", "v1"), frames_folder, "the dog", config(llm="none"), 9)
    with pytest.raises((ConfigError, PromptError)):
        preview(library.get("agent", "v1"), frames_folder, "the dog", config(llm="none"))


def test_names_of_llms_are_dated() -> None:
    from datetime import date

    now = resolve("gpt-4", date(2026, 11, 25))
    assert (str(now), now.note) == (
        "openai:gpt-4.1",
        "gpt-4 was retired on 2026-10-23: gpt-4.1 is asked instead (llm.model).",
    )
    later = resolve("gpt-4", date(2027, 1, 14))
    assert str(later) == "openai:gpt-6.1-sol"
    own = resolve("gpt-4.1", date(2026, 11, 25))
    assert (str(own), own.note) == ("openai:gpt-4.1", "")
    assert "gpt-4.1 was retired" in resolve("gpt-4.1", date(2027, 2, 1)).note
    assert str(resolve("openai:gpt-4", date(2027, 2, 1))) == "openai:gpt-4", "asked for exactly"
    assert str(resolve("ollama:a/b:7b")) == "ollama:a/b:7b"
    assert aliases(date(2026, 11, 25))["gpt-4"] == ("openai:gpt-4.1", date(2027, 1, 14))


def test_prices_are_of_models_and_their_snapshots(tmp_path: Path) -> None:
    prices = Prices.load()
    assert prices.of("gpt-4.1") == prices.of("gpt-4.1-2025-04-14") == Price(2, 8)
    assert prices.of("somebody-else") is None
    own = tmp_path / "prices.yaml"
    own.write_text("models:\n  gpt-4.1: {input: 1, output: 2}\n  mine: {input: 0, output: 0}\n")
    assert Prices.load(own).of("gpt-4.1") == Price(1, 2)
    assert Prices.load(own).of("gpt-4o") == prices.of("gpt-4o")
    for text in ("models: 3", "models: {a: {input: -1, output: 1}}", "models: {a: 3}", "x: 1"):
        own.write_text(text)
        with pytest.raises(ConfigError, match="US dollars per million tokens"):
            Prices.load(own)


def test_tokens_of_pictures_are_counted_as_openai_does() -> None:
    def tokens(height: int, width: int, detail: str = "high") -> int:
        return picture_tokens(Picture(b"", "image/png", "0", size=(height, width)), detail)

    # The examples of OpenAI's guide on images: 1024 x 1024, and 2048 x 4096.
    assert tokens(1024, 1024) == 765
    assert tokens(4096, 2048) == 1105
    assert tokens(4096, 2048, "low") == 85
    request = Request((Message("user", ("word " * 300,)),), Sampling())
    assert 300 <= count_tokens(request) <= 800


def test_the_profile_of_a_first_run_works() -> None:
    report = examine()
    assert report.profiles["offline"] is None
    said = report.profiles["fast"] or ""
    assert said.startswith("IDEA-Research/grounding-dino-tiny is not on this machine")
    assert "alref-agent models pull IDEA-Research/grounding-dino-tiny" in said
