"""The weights of detectors and segmenters: listed, pulled from a hub here, checked, found again."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from alref_agent.errors import OutputError
from alref_agent.weights.catalogue import catalogue, default, kinds, nearest
from alref_agent.weights.chosen import users
from alref_agent.weights.layout import needed, tensors_problem, weights_problem
from alref_agent.weights.manifest import Pull, PulledFile, pull_of, pulls
from model_hub import Files, Hub, served
from tiny_segmenters import save, tiny_sam2

RUN = """
import contextlib, io, json, sys
from alref_agent import cli
for words in json.load(sys.stdin):
    out, err, status = io.StringIO(), io.StringIO(), 0
    sys.argv = ["alref-agent", *words]
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            cli.main()
        except SystemExit as end:
            status = end.code or 0
    print(json.dumps([status, out.getvalue(), err.getvalue()]))
"""
FOUND = """
import json, sys
from alref_agent.errors import AlrefError
from alref_agent.weights.source import WEIGHTS, Source
for name in sys.argv[1:]:
    try:
        print(json.dumps(Source.parse(name, WEIGHTS).found().commit))
    except AlrefError as error:
        print(json.dumps(str(error)))
"""
Answer = tuple[int, str, str]
ID = "tiny/sam2"
TOKEN = "hf_a_secret_that_nobody_may_see"


def offsets(*pairs: tuple[int, int]) -> bytes:
    """A safetensors file whose tensors say that they lie there."""
    header = {
        str(i): {"dtype": "U8", "shape": [1], "data_offsets": pair} for i, pair in enumerate(pairs)
    }
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + bytes(max(end for _, end in pairs))


def tensors(n: int = 4000, value: int = 0) -> bytes:
    """A safetensors file of one tensor of bytes."""
    header = {"__metadata__": {"format": "pt"}}
    header |= {"w": {"dtype": "U8", "shape": [n], "data_offsets": [0, n]}}  # type: ignore[dict-item]
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + bytes([value]) * n


def model(kind: str = "sam2_video", value: int = 0) -> Files:
    """What repositories have: a model, and much that is not needed."""
    return {
        "config.json": json.dumps({"model_type": kind}).encode(),
        "preprocessor_config.json": b"{}",
        "model.safetensors": tensors(value=value),
        "pytorch_model.bin": b"the same weights once more",
        "onnx/model.onnx": b"and again",
        "README.md": b"# A model",
    }


def sharded() -> Files:
    names = [f"model-0000{i}-of-00002.safetensors" for i in (1, 2)]
    index = {"metadata": {}, "weight_map": {"a": names[0], "b": names[1]}}
    files = {name: tensors(value=i) for i, name in enumerate(names)}
    config = json.dumps({"model_type": "sam2_video"}).encode()
    return {
        **files,
        "config.json": config,
        "model.safetensors.index.json": json.dumps(index).encode(),
    }


@pytest.fixture
def hub() -> Iterator[Hub]:
    with served(Hub()) as hub:
        yield hub


@pytest.fixture
def run(hub: Hub, tmp_path: Path) -> Callable[..., list[Answer]]:
    """Commands in another process, since the hub's client reads its settings when it starts."""

    def run(*commands: str, **environment: str) -> list[Answer]:
        words = json.dumps([["models", *command.split()] for command in commands])
        lines = started(["-c", RUN], words, hub, tmp_path, environment)
        return [(line[0], line[1], line[2]) for line in lines]

    return run


def started(
    words: list[str], given: str, hub: Hub, home: Path, environment: dict[str, str]
) -> list[Any]:
    endpoint = {"HF_ENDPOINT": hub.endpoint, "HF_HOME": str(home / "hf")}
    settings = endpoint | {"HF_HUB_DISABLE_XET": "1", "XDG_CACHE_HOME": str(home / "cache")}
    kept = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
    done = subprocess.run(
        [sys.executable, *words],
        input=given,
        env=kept | settings | environment,
        capture_output=True,
        text=True,
        timeout=240,
        check=True,
        cwd=home,
    )
    assert done.stderr == ""
    return [json.loads(line) for line in done.stdout.splitlines()]


def one_line(answer: Answer, status: int = 2) -> str:
    """The error of a command, which says nothing else."""
    assert answer[:2] == (status, "")
    assert answer[2].startswith("error: ") and answer[2].count("\n") == 1
    return answer[2].removeprefix("error: ").rstrip("\n")


def test_the_catalogue_is_whole() -> None:
    models = catalogue()
    for known in models.values():
        assert known.backend in kinds() or known.file
        assert known.quality and known.megabytes and known.source.startswith("https://")
        assert all(len(digest) == 64 for digest in known.sha256.values())
        # A sha256 is of a state of a repository.
        assert known.revision or not known.sha256
    # What profiles name is known, with a commit.
    assert all(models[name].revision for name in users())
    assert users()["facebook/sam2.1-hiera-large"] == ["paper"]


def test_the_catalogue_says_what_the_backends_say() -> None:
    from alref_agent import registry

    for backend, names in kinds().items():
        part = "segmenter" if backend in ("sam2", "edgetam") else "detector"
        made: Any = registry.load(part, backend)
        said = made if part == "segmenter" else made.kind
        assert set(names) == set(said.kinds if part == "segmenter" else said.model_types)
        assert default(backend) == said.default
        assert catalogue()[said.default].backend == backend


def test_what_was_pulled_is_loaded_with_no_hub_by_its_backend(
    hub: Hub, run: Callable[..., list[Answer]], tmp_path: Path
) -> None:
    folder = save(tiny_sam2(), tmp_path / "made")
    files = {file.name: file.read_bytes() for file in folder.iterdir()}
    commit = hub.add(ID, files | {"sam2.pt": b"the original"})
    pulled, checked = run(f"pull {ID}", "check")
    assert pulled[0] == checked[0] == 0
    hub.repositories.clear()
    load = (
        "import json, sys; from alref_agent.config import Config\n"
        "from alref_agent.tools.segmentation.sam2 import Sam2\n"
        "part = {'name': 'sam2', 'model': sys.argv[1]}\n"
        "print(json.dumps(Sam2.from_config(Config(device='cpu', segmenter=part)).version))"
    )
    (version,) = started(["-c", load, ID], "", hub, tmp_path, {"HF_HUB_OFFLINE": "1"})
    assert version.startswith(f"Sam2VideoModel {ID}@{commit} (")


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("facebook/sam2.1-hiera-larg", "facebook/sam2.1-hiera-large"),
        ("sam2.1-hiera-large", "facebook/sam2.1-hiera-large"),
        ("facebook/grounding-dino-tiny", "IDEA-Research/grounding-dino-tiny"),
        ("yonigozlan/edgetam", "yonigozlan/EdgeTAM-hf"),
        ("sam2.1_hiera_large", "sam2.1_hiera_large.pt"),
    ],
)
def test_near_names_are_told(typed: str, meant: str) -> None:
    assert nearest(typed) == f" Did you mean {meant}?"
    assert nearest(meant) == ""
    assert nearest("Qwen/Qwen3-VL-4B-Instruct") == ""


def test_of_several_formats_one_is_taken() -> None:
    assert needed(model()) == ["config.json", "model.safetensors", "preprocessor_config.json"]
    assert needed(sharded()) == sorted(sharded())
    old = [
        "config.json",
        "pytorch_model.bin",
        "tf_model.h5",
        "vocab.txt",
        "flax_model.msgpack",
        "LICENSE",
    ]
    assert needed(old) == ["LICENSE", "config.json", "pytorch_model.bin", "vocab.txt"]
    assert needed(["config.json", "weights.pt"]) == []


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (tensors(), None),
        (b"", "is cut short"),
        (tensors()[:-10], "is cut short: 4,0"),
        (tensors()[:40], "is cut short"),
        (tensors() + b"?", "has 1 bytes too many"),
        (b"\xff" * 100, "is no safetensors file"),
        (struct.pack("<Q", 2) + b"[]", "is no safetensors file"),
        (struct.pack("<Q", 8) + b'{"w": 1}', "is no safetensors file"),
        (b"<html>Please log in</html>", "is no safetensors file"),
        (offsets((0, 9), (3, 3)), None),
        (offsets((0, 9), (4, 3)), "is no safetensors file"),
        (offsets((0, 9), (-1, 3)), "is no safetensors file"),
    ],
)
def test_what_is_wrong_with_a_file_of_tensors(
    content: bytes, said: str | None, tmp_path: Path
) -> None:
    file = tmp_path / "model.safetensors"
    file.write_bytes(content)
    found = tensors_problem(file)
    assert found == said if said is None else (found or "").startswith(said)


def test_what_is_wrong_with_weights_that_torch_wrote(tmp_path: Path) -> None:
    file = tmp_path / "model.pt"
    for old in (False, True):
        torch.save({"a": torch.zeros(999)}, file, _use_new_zipfile_serialization=not old)
        assert weights_problem(file) is None
    torch.save({"a": torch.zeros(999)}, file)
    content = file.read_bytes()
    for wrong, said in (
        (content[:-100], "is cut short or damaged"),
        (content[:100], "is cut short or damaged"),
        (b"", "is no file of weights"),
        (b"junk", "is no file of weights"),
        (b"<html>Please log in</html>", "is no file of weights"),
    ):
        file.write_bytes(wrong)
        assert weights_problem(file) == said
    file.unlink()
    assert weights_problem(file) == "cannot be read: No such file or directory"


def test_a_model_is_pulled_checked_and_found_without_the_hub(
    hub: Hub, run: Callable[..., list[Answer]], tmp_path: Path
) -> None:
    first = hub.add(ID, model(value=1), v1="")
    second = hub.add(ID, model(value=2))
    pulled, tag = run(f"pull {ID}", f"pull {ID}@v1")
    assert pulled[0] == tag[0] == 0 and pulled[2] == tag[2] == ""
    assert pulled[1].startswith(f"{ID}@{second[:7]}: 3 files, 0.0 MB, sha256 as announced: ")
    assert f"{ID}@{first[:7]}: 3 files" in tag[1]
    assert not hub.got("pytorch_model.bin") and not hub.got("model.onnx")
    hub.repositories.clear()
    hub.requests.clear()
    offline = {"HF_HUB_OFFLINE": "1"}
    checked, *paths = run(
        "check", *(f"path {ID}{at}" for at in ("", "@v1", "@main", f"@{first}")), **offline
    )
    assert checked[0] == 0 and checked[1].count("good") == 2
    assert "3 files, 0.0 MB, sha256 as the hub announced" in checked[1]
    folders = [Path(path[1].strip()) for path in paths]
    assert [folder.name for folder in folders] == [second, first, second, first]
    assert (folders[0] / "model.safetensors").read_bytes() == tensors(value=2)
    # What backends load it by says the same, and asks nobody where the pull says it all.
    names = [ID, f"{ID}@v1", f"{ID}@{first}", f"{ID}@{first[:7]}"]
    found = started(["-c", FOUND, *names], "", hub, tmp_path, offline)
    assert found == [second, first, first, first]
    assert not hub.requests
    assert started(["-c", FOUND, ID], "", hub, tmp_path, {}) == [second]
    assert not hub.requests


def test_the_known_commit_is_pulled_unless_another_one_is_asked_for(
    hub: Hub, run: Callable[..., list[Answer]], tmp_path: Path
) -> None:
    known = catalogue()["facebook/sam2.1-hiera-base-plus"]
    assert known.revision and not known.sha256
    old = hub.add(known.id, model(value=1), known.revision)
    new = hub.add(known.id, model(value=2))
    answers = run(
        f"pull {known.id}", f"path {known.id}", f"pull {known.id} --revision main",
        f"path {known.id}", f"path {known.id}@main", "list", "list --json",
    )  # fmt: skip
    assert [answer[0] for answer in answers] == [0] * 7
    folders = [Path(answers[i][1].strip()).name for i in (1, 3, 4)]
    assert folders == [old, old, new]
    (row,) = [line for line in answers[5][1].splitlines() if line.startswith(known.id)]
    assert row.split() == [known.id, "sam2", "324", "Apache-2.0", "pulled", old[:7], "-"]
    facts = {fact["id"]: fact for fact in json.loads(answers[6][1])}
    assert facts[known.id]["commit"] == old and facts[known.id]["path"].endswith(old)
    assert facts["facebook/sam2.1-hiera-large"]["profiles"] == ["paper"]
    assert facts["facebook/sam2.1-hiera-large"]["path"] is None
    # Without a pull: the same commit; the newest is what was had before by other means.
    shutil.rmtree(tmp_path / "cache")
    assert started(["-c", FOUND, known.id], "", hub, tmp_path, {}) == [old]
    offline = {"HF_HUB_OFFLINE": "1"}
    assert started(["-c", FOUND, known.id], "", hub, tmp_path, offline) == [old]
    shutil.rmtree(next((tmp_path / "hf").rglob(old)))
    assert started(["-c", FOUND, known.id], "", hub, tmp_path, offline) == [new]


def test_a_file_that_is_not_the_known_one_is_refused(
    hub: Hub, run: Callable[..., list[Answer]]
) -> None:
    name = "sam2.1_hiera_tiny.pt"
    known = catalogue()[name]
    # The hub tells the truth about it, and yet it is not the one that everybody has.
    hub.add(known.place, {name: b"another", "config.json": b"{}"}, known.revision)
    refused, other, path, gone = run(
        f"pull {name}", f"pull {name}@main", f"path {name}@main", f"path {name}"
    )
    digest = hashlib.sha256(b"another").hexdigest()
    assert one_line(refused).startswith(
        f"{name}: {name} is not what it should be (sha256 {digest[:12]}…, but known is "
        "7402e0d864fa…) and was removed"
    )
    # Whoever names a state takes it as it is.
    assert other[0] == 0 and "1 file, 0.0 MB" in other[1]
    assert Path(path[1].strip()).read_bytes() == b"another"
    assert gone[0] == 0


def test_a_download_that_breaks_off_goes_on_where_it_was(
    hub: Hub, run: Callable[..., list[Answer]]
) -> None:
    # The client writes down 10 MiB at a time.
    hub.add(ID, model() | {"model.safetensors": tensors(22 << 20)})
    hub.broken_off["model.safetensors"] = 1
    (pulled,) = run(f"pull {ID}")
    assert pulled[0] == 0
    assert hub.got("model.safetensors") == [None, f"bytes={10 << 20}-"]


def test_a_pull_that_was_stopped_fetches_only_what_is_missing(
    hub: Hub, run: Callable[..., list[Answer]]
) -> None:
    hub.add(ID, sharded())
    first, second = (f"model-0000{i}-of-00002.safetensors" for i in (1, 2))
    hub.refused = {second}
    refused, path, check = run(f"pull {ID}", f"path {ID}", f"check {ID}")
    assert one_line(refused).startswith(f"{ID}: the hub refused: ")
    assert path[0] == 0 or "only in part" in path[2]
    assert check[0] == 1 and f": alref-agent models pull {ID}" in check[1]
    hub.refused = set()
    hub.requests.clear()
    again, whole = run(f"pull {ID}", f"check {ID}")
    assert again[0] == whole[0] == 0
    assert not hub.got(first) and hub.got(second) == [None]


def test_other_bytes_than_announced_are_refused_and_removed(
    hub: Hub, run: Callable[..., list[Answer]], tmp_path: Path
) -> None:
    hub.add(ID, model())
    hub.served["model.safetensors"] = tensors(value=7)  # as long as the true one
    (refused,) = run(f"pull {ID}")
    assert one_line(refused).startswith(
        f"{ID}: model.safetensors is not what it should be (sha256 "
    )
    assert not list((tmp_path / "hf").rglob("model.safetensors"))
    assert not list((tmp_path / "cache").rglob("*.json"))
    hub.served.clear()
    assert run(f"pull {ID}")[0][0] == 0


def test_what_is_wrong_on_this_machine_is_found_and_mended(
    hub: Hub, run: Callable[..., list[Answer]]
) -> None:
    hub.add(ID, sharded())
    folder = Path(run(f"pull {ID}", f"path {ID}")[1][1].strip())
    first, second = sorted(folder.glob("*.safetensors"))

    def bad() -> str:
        checked, again, after = run("check", f"pull {ID}", f"check {ID}")
        assert checked[0] == 1 and checked[1].startswith("BAD ")
        assert (
            checked[1].rstrip().endswith(f": alref-agent models pull {ID} --revision {folder.name}")
        )
        assert again[0] == 0, again
        assert after[0] == 0 and after[1].startswith("good")
        return checked[1]

    content = first.read_bytes()
    first.resolve().write_bytes(content[:-1] + b"?")
    assert f"{first.name} was changed: its sha256 is not the one that was pulled" in bad()
    first.resolve().write_bytes(content[:-100])
    assert f"{first.name} has 4,008 bytes instead of 4,108" in bad()
    second.unlink()
    assert f"{second.name} is missing" in bad()
    shutil.rmtree(folder)
    assert "it is gone from " in bad()


def test_what_pulling_again_does_not_mend_says_so(
    hub: Hub, run: Callable[..., list[Answer]], tmp_path: Path
) -> None:
    hub.add("tiny/llama", model("llama"))
    hub.add(ID, model() | {"model.safetensors": tensors()[:-9]})
    hub.add("tiny/dino", model("grounding-dino") | {"vocab.txt": b"dog"})
    llama, cut, dino, checked, listed, facts = run(
        "pull tiny/llama", f"pull {ID}", "pull tiny/dino", "check", "list", "list --json"
    )
    assert llama[0] == cut[0] == dino[0] == 0
    assert "announced; it is of the kind 'llama', which no backend takes: " in llama[1]
    assert "no backend" not in cut[1] + dino[1]
    assert checked[0] == 1
    of = dict(line.removeprefix("BAD ").strip().split("@", 1) for line in checked[1].splitlines())
    assert ", which no backend takes (edgetam, " in of["tiny/llama"]
    assert of["tiny/llama"].endswith(": take another model; see `models list`")
    assert ", as it came from the hub: take another revision (--revision) or another" in of[ID]
    assert of["good  tiny/dino"]
    # What the catalogue does not have is listed as well.
    rows = {row.split()[0]: row.split()[1:] for row in listed[1].splitlines()}
    commit = rows["tiny/dino"][-2]
    unknown = ["not", "known", "here", "pulled", commit, "-"]
    assert rows["tiny/dino"] == ["grounding-dino", "-", *unknown]
    assert rows["tiny/llama"][:2] == ["-", "-"]
    (fact,) = [fact for fact in json.loads(facts[1]) if fact["id"] == "tiny/dino"]
    assert fact["known"] is False and fact["commit"].startswith(commit)
    assert set(fact) == set(json.loads(facts[1])[0])


def test_without_a_command_the_help_is_shown(run: Callable[..., list[Answer]]) -> None:
    ((status, out, said),) = run("")
    assert (status, out) == (2, "")
    assert said.startswith("Usage: ") and "\n  check  Are models on this machine whole" in said


def test_folders_are_checked(run: Callable[..., list[Answer]], tmp_path: Path) -> None:
    def folder(name: str, files: Files) -> None:
        (tmp_path / name).mkdir()
        for file, content in files.items():
            if "/" not in file:
                (tmp_path / name / file).write_bytes(content)

    folder("good", sharded())
    folder("text", model("grounding-dino"))
    words = {"tokenizer.json": b"{}", "vocab.txt": b"dog"}
    folder("seen", model("grounding-dino") | words)
    folder("pictures", model("owlv2") | words)
    (tmp_path / "pictures" / "preprocessor_config.json").unlink()
    folder("newer", model("owlv2") | words | {"processor_config.json": b"{}"})
    (tmp_path / "newer" / "preprocessor_config.json").unlink()
    folder("words", model("mm-grounding-dino") | words | {"tokenizer.json": b"{"})
    folder("settled", model("owlv2") | {"vocab.json": b"{}", "preprocessor_config.json": b"["})
    folder("pickled", {"config.json": b'{"model_type": "sam2"}', "pytorch_model.bin": b"junk"})
    (tmp_path / "junk.pt").write_bytes(b"junk")
    folder("other", model("llama"))
    folder("empty", {})
    folder("settings", {"config.json": b'{"model_type": "sam2_video"}'})
    folder("broken", model() | {"config.json": b"{"})
    folder("half", sharded())
    (tmp_path / "half" / "model-00001-of-00002.safetensors").unlink()
    folder("cut", model() | {"model.safetensors": tensors()[:500]})
    good = ["good", "seen", "newer"]
    bad = ["text", "other", "empty", "settings", "broken", "half", "cut", "pictures", "words"]
    names = [*good, *bad, "settled", "pickled", "junk.pt"]
    answers = run(*(f"check ./{name}" for name in names), "check ./nothing", "path ./good",
                  "path ./settings")  # fmt: skip
    said = dict(zip(names, answers, strict=False))
    assert [said[name][0] for name in good] == [0] * len(good)
    assert said["good"][1].startswith("good  ./good: 4 files, 0.0 MB, not pulled by this program")
    assert all(said[name][0] == 1 for name in names[len(good) :])
    assert "it has no tokenizer" in said["text"][1]
    assert "preprocessor_config.json is missing: get it again" in said["pictures"][1]
    assert "tokenizer.json is broken: get it again" in said["words"][1]
    assert "preprocessor_config.json is broken: get it again" in said["settled"][1]
    assert "pytorch_model.bin is no file of weights: get it again" in said["pickled"][1]
    assert "./junk.pt: it is no file of weights: get it again" in said["junk.pt"][1]
    assert "of the kind 'llama', which no backend takes (edgetam, " in said["other"][1]
    assert said["other"][1].endswith("take another model; see `models list`\n")
    assert "config.json is missing: get it again" in said["empty"][1]
    assert "it has no weights (model.safetensors)" in said["settings"][1]
    assert "config.json is broken" in said["broken"][1]
    assert "model-00001-of-00002.safetensors is missing" in said["half"][1]
    assert "model.safetensors is cut short: 500 of 4," in said["cut"][1]
    assert "there is no such file or folder" in one_line(answers[-3])
    assert answers[-2][1] == f"{tmp_path / 'good'}\n"
    assert "only in part: model.safetensors is missing: get it again" in one_line(answers[-1])


def test_what_settings_name_is_pulled_and_checked(
    hub: Hub, run: Callable[..., list[Answer]]
) -> None:
    hub.add(ID, model())
    hub.add("tiny/dino", model("grounding-dino") | {"vocab.txt": b"dog"})
    named = f"--set segmenter.model={ID} --set detector.model=tiny/dino"
    before, pulled, after, offline, twice = run(
        f"check {named}", f"pull {named}", f"check {named}", "pull --profile offline", f"pull {ID}"
    )
    assert before[0] == 1
    assert before[1].count("is not on this machine: alref-agent models pull tiny/") == 2
    assert pulled[0] == 0 and pulled[1].count("sha256 as announced") == 2
    assert after[0] == 0 and after[1].count("good") == 2
    assert offline[:2] == (0, "These settings name no model that is pulled.\n")
    assert twice[0] == 0 and len(hub.got("/model.safetensors")) == 2


def test_errors_are_one_line(hub: Hub, run: Callable[..., list[Answer]], tmp_path: Path) -> None:
    hub.add(ID, model())
    hub.add("tiny/gated", model())
    hub.repositories["tiny/gated"].gated = True
    hub.add("facebook/sam2-hiera-small", {"config.json": b"{}", "sam2_hiera_small.pt": b""})
    hub.add("ShilongLiu/GroundingDINO", {"groundingdino_swint_ogc.pth": b"1"})
    (tmp_path / "here").mkdir()
    commands = {
        "pull facebook/sam2.1-hiera-larg": "the hub has no model 'facebook/sam2.1-hiera-larg'; ",
        f"pull {ID}@v9": f"{ID}@v9: {ID} has no revision 'v9'; see {hub.endpoint}/{ID}.",
        "pull tiny/gated": f"is gated: accept its conditions at {hub.endpoint}/tiny/gated, then",
        "pull facebook/sam2-hiera-small": "is no model in transformers' format: ",
        "pull groundingdino_swint_ogc.pth": "has no revision '84311ae61139581d0e62eca0bad610ad",
        "pull a b": "the hub has no model 'a'",
        "pull org/name/file": "give a hub id (facebook/sam2.1-hiera-large, with @REVISION if you",
        f"pull {ID}@": "a revision should follow the @",
        f"pull {ID}@v1 --revision v2": "--revision v2 says another revision",
        "pull a/b c/d --revision v2": "--revision goes with one ID",
        "pull": "Name what to pull: an ID of `models list`, or --profile paper.",
        "pull ./here": "is on this machine: `alref-agent models check ./here`",
        "path facebook/sam2.1-hiera-tinny": "Did you mean facebook/sam2.1-hiera-tiny?",
        f"path {ID}@/bin/ls": f"{ID}@/bin/ls: '/bin/ls' is no revision: give a branch, tag or",
        f"check {ID}@../../../x": "'../../../x' is no revision: give a branch, tag or commit.",
        f"pull {ID} --revision a/../b": "'a/../b' is no revision: give a branch, tag or commit.",
        "check ~no-such-user/x": "~no-such-user/x cannot be read: ",
        "path ~no-such-user/x": "~no-such-user/x cannot be read: ",
        "pull ~no-such-user/x": "~no-such-user/x cannot be read: ",
        f"path {ID}@v1": f"is not on this machine: alref-agent models pull {ID} --revision v1.",
    }
    answers = run(*commands)
    for answer, (command, said) in zip(answers, commands.items(), strict=True):
        assert said in one_line(answer), command
    assert one_line(answers[0]).endswith("Did you mean facebook/sam2.1-hiera-large?")
    (offline,) = run(f"pull {ID}", HF_HUB_OFFLINE="1")
    assert one_line(offline) == f"{ID}: HF_HUB_OFFLINE is set: unset it to pull."
    (nobody,) = run(f"pull {ID}", HF_ENDPOINT="http://127.0.0.1:9")
    assert one_line(nobody).startswith(f"{ID}: http://127.0.0.1:9 does not answer, or broke off (")


def test_the_token_is_never_shown(hub: Hub, run: Callable[..., list[Answer]]) -> None:
    hub.says_token = True
    (answer,) = run(f"pull {ID}", HF_TOKEN=TOKEN)
    assert "you are Bearer …" in one_line(answer)
    assert TOKEN not in "".join(map(str, answer))


def test_a_disk_without_room_is_told_before_anything_comes(hub: Hub, tmp_path: Path) -> None:
    hub.add(ID, model())
    script = (
        "import json\nfrom alref_agent.errors import AlrefError\n"
        "from alref_agent.weights.pull import pull\ntry:\n"
        f"    pull({ID!r}, free=lambda folder: 1_000_000)\n"
        "except AlrefError as error:\n    print(json.dumps(str(error)))"
    )
    (said,) = started(["-c", script], "", hub, tmp_path, {})
    assert said.startswith(f"{ID}: 0 MB are to come and 1 MB are free in {tmp_path}: make room")
    assert not hub.got("model.safetensors")


def test_doctor_says_which_models_are_here(hub: Hub, tmp_path: Path) -> None:
    known = catalogue()["yonigozlan/EdgeTAM-hf"]
    script = "import json; from alref_agent.doctor import models; print(json.dumps(models()))"
    named = f"{known.id} (fast)"
    (before,) = started(["-c", script], "", hub, tmp_path, {"HF_HUB_OFFLINE": "1"})
    assert before[named] == f"get it with `alref-agent models pull {known.id}`"
    folder = tmp_path / "hf" / "hub" / "models--yonigozlan--EdgeTAM-hf" / "snapshots"
    (folder / str(known.revision)).mkdir(parents=True)
    for file, content in model("edgetam_video").items():
        if "/" not in file:
            (folder / str(known.revision) / file).write_bytes(content)
    (after,) = started(["-c", script], "", hub, tmp_path, {"HF_HUB_OFFLINE": "1"})
    assert after[named] == "on this machine"


def test_without_the_hubs_client_the_list_is_there_and_the_extra_is_named(
    hub: Hub, tmp_path: Path
) -> None:
    hide = "import sys; sys.modules['huggingface_hub'] = None\n"
    given = json.dumps([["models", "list"], ["models", "pull", ID]])
    listed, pulled = started(["-c", hide + RUN], given, hub, tmp_path, {})
    assert listed[0] == 0 and "facebook/sam2.1-hiera-large" in listed[1]
    assert one_line(tuple(pulled)).endswith("pip install 'alref-agent[models]'")


def test_records_are_whole_or_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    file = PulledFile(size=1, sha256="0" * 64, announced=True)
    names: dict[str, Any] = {"id": ID, "repository": ID, "asked": None, "files": {"a": file}}
    old = Pull(commit="a" * 40, pulled="2026-01-01T00:00:00+00:00", **names)
    new = Pull(commit="b" * 40, pulled="2026-02-01T00:00:00+00:00", **names)
    named = Pull(**dict(new) | {"commit": "c" * 40, "pulled": "2026-03-01", "asked": "v1"})
    for pull in (new, old, named):
        pull.write()
    assert [pull.commit[0] for pull in pulls()] == ["a", "b", "c"]
    # The newest of those for which no revision was named.
    assert pull_of(ID, None) == new
    assert pull_of(ID, "aaaaaaa") == old and pull_of(ID, "aaa") is None
    folder = tmp_path / "alref-agent" / "models"
    records = sorted(folder.glob("*/*.json"))
    assert len(records) == 3 and not list(folder.glob("*/.*"))
    records[1].write_text(records[1].read_text()[:-20])
    assert pull_of(ID, None) == old
    shutil.rmtree(folder)
    folder.write_text("a file is in the way")
    with pytest.raises(OutputError, match="cannot be written"):
        new.write()
    assert pulls() == []
