"""The example plug-in, installed as a stranger would, adds a detector, a tool and a strategy."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from doubles import big_square, write_frames

PLUGIN = Path(__file__).parent / "example_plugin"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("hatchling", reason="what builds the plug-in is not installed")
    folder = tmp_path_factory.mktemp("site")
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    pip = [sys.executable, "-m", "pip", "install", *options, "--target", str(folder), str(PLUGIN)]
    subprocess.run(pip, check=True)
    return folder


def command(site: Path | None, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | ({"PYTHONPATH": str(site)} if site else {})
    words = [sys.executable, "-m", "alref_agent", *map(str, arguments)]
    return subprocess.run(words, capture_output=True, text=True, env=environment)


def test_its_detector_and_strategy_do_a_run(installed: Path, tmp_path: Path) -> None:
    frames = write_frames(tmp_path / "frames")
    arguments: list[str | Path] = [
        "segment",
        frames,
        "--text",
        "the red things",
        "--text",
        "a dog",
        "--json",
    ]
    arguments += ["--set", "detector.name=red-blob", "--set", "strategy=all-boxes"]
    arguments += ["--out", tmp_path / "run"]
    done = command(installed, *arguments)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert [record["status"] for record in result["objects"]] == ["found", "no-target"]
    detect = next(call for call in result["calls"] if call["tool"] == "detect_objects")
    assert (detect["backend"], detect["version"]) == ("red-blob", "1")
    lines = (tmp_path / "run" / "record" / "calls.jsonl").read_text().splitlines()
    prompts = json.loads(lines[-1])["arguments"]["objects"][0]["prompts"]
    assert prompts[0]["box"] == pytest.approx(big_square(0))

    tool: list[str | Path] = ["tools", "run", "mask_areas", "--workspace", tmp_path / "run"]
    tool += ["--args", '{"masks": "masks-1"}']
    measured = command(installed, *tool, "--set", "detector.name=red-blob")
    assert measured.returncode == 0, measured.stderr
    share = json.loads(measured.stdout)["shares"]["1"]
    assert 0.02 < share < 0.3


def test_without_it_the_names_are_unknown(tmp_path: Path) -> None:
    frames = write_frames(tmp_path / "frames")
    done = command(None, "segment", frames, "--text", "x", "--set", "detector.name=red-blob")
    assert done.returncode == 2
    assert "Unknown detector 'red-blob'" in done.stderr


def test_doctor_and_the_list_of_tools_show_it(installed: Path) -> None:
    assert "plug-in: detector red-blob from alref-example" in command(installed, "doctor").stdout
    assert "mask_areas: Say how much" in command(installed, "tools", "list").stdout


def test_a_plug_in_that_is_broken_is_named_and_breaks_nothing_else(
    installed: Path, tmp_path: Path
) -> None:
    frames = write_frames(tmp_path / "frames")
    code = installed / "alref_example" / "red_blob.py"
    points = next(installed.glob("*.dist-info")) / "entry_points.txt"
    before = {file: file.read_text() for file in (code, points)}
    arguments: list[str | Path] = [
        "segment",
        frames,
        "--text",
        "the red thing",
        "--out",
        tmp_path / "run",
    ]
    try:
        code.write_text(before[code].replace("return Det", "1 / 0\n        return Det"))
        failed = command(installed, *arguments, "--set", "detector.name=red-blob")
        points.write_text(before[points].replace("mask_areas:Mask", "gone:Mask"))
        other = command(installed, *arguments, "--set", "detector.name=red-blob", "--overwrite")
        told = command(installed, "doctor").stdout
    finally:
        for file, text in before.items():
            file.write_text(text)
    assert failed.returncode == other.returncode == 1
    assert failed.stderr.count("\n") == 1
    assert "'red-blob' of the package 'alref-example' failed: ZeroDivisionError" in failed.stderr
    assert "red_blob.py:" in failed.stderr
    assert "ZeroDivisionError" in other.stderr
    assert "mask_areas from alref-example, which does not work: " in told
    assert command(None, *arguments, "--overwrite").returncode == 0


def test_a_name_that_is_taken_is_not_taken_over(installed: Path, tmp_path: Path) -> None:
    info = next(installed.glob("*.dist-info")) / "entry_points.txt"
    text = info.read_text()
    try:
        info.write_text(text.replace("red-blob =", "ssd ="))
        frames = write_frames(tmp_path / "frames")
        done = command(installed, "segment", frames, "--text", "x", "--out", tmp_path / "run")
    finally:
        info.write_text(text)
    assert done.returncode == 2
    assert "Several packages offer the detector 'ssd'" in done.stderr
