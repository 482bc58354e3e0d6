"""Each of these ends in one clear line and exit status 2, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from conftest import CLIP
from doubles import write_frames


def command(*arguments: str | Path, cwd: Path | None = None) -> tuple[int, str, str]:
    words = [sys.executable, "-m", "alref_agent", *map(str, arguments)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=100, cwd=cwd)
    return done.returncode, done.stdout, done.stderr


def refused(*arguments: str | Path, says: str, cwd: Path | None = None) -> None:
    status, output, error = command(*arguments, cwd=cwd)
    assert status == 2, (output, error)
    assert output == ""
    assert error.count("\n") == 1
    assert error.startswith("error: ")
    assert says in error


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def _video(path: Path, n_frames: int = 8, audio_only: bool = False) -> Path:
    with av.open(str(path), "w") as container:
        if audio_only:
            sound = container.add_stream("aac", rate=16000)
            samples = np.zeros((1, 16000), np.float32)
            frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
            frame.rate = 16000
            for packet in [*sound.encode(frame), *sound.encode()]:
                container.mux(packet)
            return path
        stream = container.add_stream("libx264", rate=10, options={"g": "4", "bf": "0"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        noise = np.random.default_rng(0)
        for _ in range(n_frames):
            pixels = noise.integers(0, 255, (48, 64, 3), np.uint8)
            for packet in stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    return path


def _bad_videos(tmp_path: Path) -> dict[str, tuple[Path, str]]:
    empty, text, cut = (tmp_path / name for name in ("empty.mp4", "text.mp4", "cut.mp4"))
    empty.touch()
    text.write_text("this is not a video\n" * 50)
    whole = (CLIP / "clip.mp4").read_bytes()
    # Behind the header the index says what the file should hold; without it nothing can be read.
    cut.write_bytes(_video(tmp_path / "whole.mp4").read_bytes()[:600])
    (tmp_path / "short.mp4").write_bytes(whole[:200])
    mixed, none = tmp_path / "mixed", tmp_path / "none"
    none.mkdir()
    write_frames(mixed)
    Image.new("RGB", (10, 10)).save(mixed / "00099.png")
    return {
        "missing": (tmp_path / "gone.mp4", "gone.mp4"),
        "empty": (empty, "empty.mp4"),
        "text": (text, "text.mp4"),
        "truncated": (cut, "cut.mp4"),
        "only the header": (tmp_path / "short.mp4", "short.mp4"),
        "no video stream": (_video(tmp_path / "sound.mp4", audio_only=True), "no video"),
        "one frame": (_video(tmp_path / "one.mp4", n_frames=1), "has one frame"),
        "mixed sizes": (mixed, "00099.png"),
        "no images": (none, "none"),
    }


@pytest.mark.parametrize(
    "which",
    [
        "missing", "empty", "text", "truncated", "only the header", "no video stream",
        "one frame", "mixed sizes", "no images",
    ],
)  # fmt: skip
def test_a_video_that_cannot_be_used(tmp_path: Path, out: Path, which: str) -> None:
    path, says = _bad_videos(tmp_path)[which]
    refused("segment", path, "--text", "the dog", "--out", out, says=says)
    assert not out.exists()


NOBODY = ["--llm-base-url", "http://127.0.0.1:9"]
"""A port at which nobody listens."""
SCRIPT = ["--llm", f"scripted:{Path(__file__).parent / 'no_replies.yaml'}"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "Say what to segment"),
        (["--text", ""], "An expression is empty"),
        (["--text", "   "], "An expression is empty"),
        (["--text", "dog " * 2500], "has 10000 characters; at most 500"),
        (["--text", "🐕🐕"], "has no words"),
        (["--text", "the\ndog"], "control characters"),
        (["--text", "caf\udce9"], "control characters"),
        (["--text", "a", "--profile", "ofline"], "Did you mean 'offline'"),
        (
            ["--text", "a", "--profile", "paper", "--llm", "none"],
            "get it with `alref-agent models pull IDEA-Research/grounding-dino-base`",
        ),
        (["--text", "a", "--set", "strategy=top-trak"], "Did you mean 'top-track'"),
        (["--text", "a", "--set", "detector.name=sdd"], "Did you mean 'ssd'"),
        (["--text", "a", "--set", "segmenter.name=fow"], "Did you mean 'flow'"),
        (["--text", "a", "--set", "smapling.step=2"], "Did you mean 'sampling.step'"),
        (["--text", "a", "--set", "sampling.step=none"], "sampling.step: Input should be"),
        (["--text", "a", "--llm", "gpt-4"], "OPENAI_API_KEY is not set"),
        (["--text", "a", "--llm", "gtp-4"], "Unknown LLM 'gtp-4'. Did you mean 'gpt-4'?"),
        (["--text", "a", "--llm", "openai"], "say which model, as in openai:MODEL"),
        (["--text", "a", "--llm", "openai:"], "Unknown LLM 'openai:'"),
        (["--text", "a", "--llm", "nobody:x"], "Unknown LLM 'nobody:x'"),
        (["--text", "a", "--llm", "anthropic:x"], "pip install langchain-anthropic"),
        (["--text", "a", "--llm", "replay:nowhere"], "holds no replies"),
        (["--text", "a", "--llm", "scripted:gone.yaml"], "gone.yaml"),
        (["--text", "a", "--llm", "ollama:x", *NOBODY], "No Ollama server answers at http://127.0"),
        (["--text", "a", "--llm", "openai:x", *NOBODY], "cannot be reached"),
        (["--text", "a", "--llm", "openai:x", "--llm-base-url", "host:1"], "no address of a serv"),
        (["--text", "a", "--llm", "openai:x", "--llm-base-url", "http://a:b@c/v1"], "password"),
        (["--text", "a", "--set", "strategy=gpt-ps"], "asks an LLM: name one, as --llm gpt-4"),
        (["--text", "a", *SCRIPT, "--set", "prompts.pivot_box=v9"], "v9"),
        (["--text", "a", *SCRIPT, "--set", "prompts.paths=[gone]"], "gone"),
        (["--text", "a", *SCRIPT, "--max-calls", "x"], "llm.max_calls: Input should be"),
        (["--text", "a", *SCRIPT, "--max-cost", "1"], "no price is known for scripted:"),
        (["--text", "a", *SCRIPT, "--set", "llm.prices=gone.yaml"], "gone.yaml"),
        (["--text", "a", *SCRIPT], "The script has 0 replies"),
        (["--text", "a", "--dry-run"], "these settings ask none"),
        (["--text", "a", "--device", "tpu"], "should be auto, cpu, cuda, cuda:N or mps"),
        (["--text", "a", "--every", "0"], "every"),
        (["--text", "a", "--every", "x"], "'--every'"),
        (["--text", "a", "--start", "1000"], "72 frames"),
        (["--text", "a", "--start", "9", "--end", "3"], "start"),
        (["--text", "a", "--start", "3", "--end", "4"], "has one frame"),
        (["--text", "a", "--config", "gone.yaml"], "gone.yaml"),
        (["--text", "a", "--resume", "--overwrite"], "give one of them"),
        (["--text", "a", "--bogus"], "--bogus"),
    ],
)
def test_options_that_cannot_be_used(out: Path, arguments: list[str], says: str) -> None:
    refused("segment", CLIP / "clip.mp4", "--out", out, *arguments, says=says)
    assert not out.exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["tools", "show", "sample_frame"], "Did you mean 'sample_frames'"),
        (["tools", "run", "sample_frames", "--workspace", "w"], "say which video with --video"),
        (["tools", "run", "nothing", "--workspace", "w"], "Unknown tool 'nothing'"),
        (["tools", "run", "sample_frames", "--workspace", "w", "--args", "{"], "is not JSON"),
        (["tools", "run", "sample_frames", "--workspace", "w", "--args", "[]"], "JSON object"),
        (
            ["tools", "run", "sample_frames", "--workspace", "w", "--args", '{"stop": 0}'],
            "sample_frames: stop:",
        ),
        (["replay", "gone.json", "--out", "w"], "gone.json"),
        (["config", "show", "--set", "x=1"], "Unknown setting 'x'"),
        (["sgment"], "sgment"),
    ],
)
def test_other_commands(tmp_path: Path, arguments: list[str], says: str) -> None:
    refused(*arguments, says=says, cwd=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_output_folder_that_is_there_or_cannot_be(tmp_path: Path) -> None:
    arguments: list[str | Path] = ["segment", CLIP / "clip.mp4", "--text", "the dog", "--out"]
    there, file = tmp_path / "there", tmp_path / "file"
    there.mkdir()
    file.touch()
    refused(*arguments, there, says="exists: --overwrite uses it, it is empty")
    refused(*arguments, file, says="is a file")
    refused(*arguments, file / "below", says="is a file")
    refused(*arguments, "/proc/nothing/here", says="/proc")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "there"]
    assert list(there.iterdir()) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_an_output_folder_that_may_not_be_written(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    refused(
        "segment", CLIP / "clip.mp4", "--text", "a", "--out", tmp_path / "out", says="not writable"
    )


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 300 kB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=300k", "none", str(folder)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("mounting a small file system takes root")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("left", [8_000, 40_000, 60_000, 110_000])
def test_a_full_disk_keeps_what_was_done(tmp_path: Path, small_disk: Path, left: int) -> None:
    frames = write_frames(tmp_path / "frames")
    ballast = small_disk / "ballast"
    code = DETECTS_SQUARES.format(tests=str(Path(__file__).parent))
    out = small_disk / "run"
    arguments = [sys.executable, "-c", code, "segment", str(frames), "--text", "the big square"]
    arguments += ["--out", str(out)]
    ballast.write_bytes(bytes(300_000 - left))

    full = subprocess.run(arguments, capture_output=True, text=True)

    assert full.returncode == 2, full.stderr
    assert full.stderr.count("\n") == 1
    assert "No space left" in full.stderr or "full" in full.stderr
    assert not (out / "result.json").exists()
    for folder in out.glob("**/masks"):  # whole or not at all
        assert len(list(folder.iterdir())) == 12
    assert not list(out.glob("**/.*"))
    ballast.unlink()
    again = subprocess.run([*arguments, "--resume"], capture_output=True, text=True)
    assert again.returncode == 0, again.stderr
    assert len(list((out / "masks").iterdir())) == 12


DETECTS_SQUARES = """
import sys
sys.path.insert(0, {tests!r})
from alref_agent import registry
registry.BUILT_IN["detector"]["squares"] = "doubles:SquareDetector"
registry.BUILT_IN["segmenter"]["boxes"] = "doubles:NearestBoxSegmenter"
sys.argv = [*sys.argv, "--set", "detector.name=squares", "--set", "segmenter.name=boxes"]
from alref_agent.cli import main
main()
"""


def test_names_that_no_path_can_have_or_no_text_can_hold(tmp_path: Path) -> None:
    refused("segment", "a" * 300, "--text", "the cow", says="cannot be read: File name too long")
    latin = os.fsencode(tmp_path) + b"/caf\xe9.mp4"
    Path(os.fsdecode(latin)).write_bytes((CLIP / "clip.mp4").read_bytes())
    refused("segment", os.fsdecode(latin), "--text", "the cow", says="rename it", cwd=tmp_path)
    os.mkfifo(tmp_path / "pipe.mp4")
    refused("segment", tmp_path / "pipe.mp4", "--text", "the cow", says="no regular file")
    assert not (tmp_path / "runs").exists()


def test_ordinary_writing_is_not_refused() -> None:
    from alref_agent.pipeline import expressions

    texts = ["the\u00a0cow", "می\u200cخواهم", "  a  dog ", "the dog 🐕"]
    assert [e.text for e in expressions(texts)][::2] == ["the cow", "a dog"]


def test_results_that_cannot_be_written_out(tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as full:
        words = [sys.executable, "-m", "alref_agent", "config", "show"]
        done = subprocess.run(words, stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 2
    assert done.stderr == "error: the output cannot be used: No space left on device.\n"


def test_a_terminal_that_knows_fewer_letters(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "alref_agent", "segment", str(CLIP / "clip.mp4")]
    words += ["--text", "牛 zzz", "--every", "36", "--out", str(tmp_path / "run")]
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    for more in ([], ["--json", "--resume"]):
        done = subprocess.run([*words, *more], capture_output=True, env=environment)
        assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["references"][0]["text"] == "牛 zzz"


def test_corrupt_frames_in_the_middle_are_named_and_the_others_kept(out: Path) -> None:
    content = bytearray((CLIP / "clip.mp4").read_bytes())
    middle = content.find(b"mdat") + 90_000
    for i in range(middle, middle + 3_000):
        content[i] ^= 0x5A
    video = out.with_name("corrupt.mp4")
    video.write_bytes(content)
    arguments: list[str | Path] = [
        "--text",
        "the parking meter",
        "--every",
        "3",
        "--out",
        out,
        "--json",
    ]
    status, output, error = command("segment", video, *arguments)
    assert (status, error) == (0, "")
    (warning,) = json.loads(output)["warnings"]
    assert re.match(r"frames 1\d.* could not be decoded; a good frame", warning)
    assert len(list((out / "masks").iterdir())) == 24
