"""Models with random weights, small enough to make and run in a moment, laid out as hubs have them.

They read and write bytes: the tokenizer has a token a byte, and those that structure a turn.
"""

from __future__ import annotations

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal

import torch
import transformers as tr
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

Family = Literal["smolvlm", "idefics3", "qwen2_5_vl", "qwen3_vl"]
FAMILIES: tuple[Family, ...] = ("smolvlm", "idefics3", "qwen2_5_vl", "qwen3_vl")

TURNS = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n"
    "{% if m['content'] is string %}{{ m['content'] }}{% else %}{% for c in m['content'] %}"
    "{% if c['type'] == 'image' %}IMAGE{% else %}{{ c['text'] }}{% endif %}"
    "{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
"""A chat template; `IMAGE` is where the family's own placeholder goes."""
PATCH = 16
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def tiny_llm(
    folder: Path, template: str | None = TURNS, *, context: int = 2048, seed: int = 0
) -> Path:
    """A Llama that reads text."""
    tokenizer = _tokenizer([], template)
    torch.manual_seed(seed)
    config = tr.LlamaConfig(**_text(tokenizer, context), pad_token_id=tokenizer.pad_token_id)
    model = tr.LlamaForCausalLM(config)
    _save(folder, model, tokenizer)
    return folder


def tiny_vlm(folder: Path, family: Family, *, seed: int = 0) -> Path:
    """A model of a family that reads pictures and text."""
    torch.manual_seed(seed)
    if family in ("smolvlm", "idefics3"):
        return _smolvlm(folder, family)
    return _qwen(folder, family)


def serve_hub(folder: Path) -> ThreadingHTTPServer:
    """A hub on this machine that has one model, `tiny/model`.

    `tiny/gated` it does not give away, `tiny/files` is no model, and at `tiny/down` it fails.
    Its address is `http://127.0.0.1:{server_port}`.
    """

    class Hub(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self._answer()

        def do_GET(self) -> None:
            self._answer()

        def log_message(self, format: str, *args: object) -> None:
            pass

        def _answer(self) -> None:
            path = self.path.partition("?")[0].removeprefix("/api/models")
            _, owner, name, *rest = path.split("/")
            if name == "gated" and rest[:1] == ["resolve"]:
                return self._refuse(403, "GatedRepo")
            if name == "files" and rest[:1] == ["resolve"]:
                return self._refuse(404, "EntryNotFound")
            if name == "down":
                return self._refuse(500, "")
            if owner != "tiny" or name not in ("model", "gated", "files"):
                return self._refuse(404, "RepoNotFound")
            if rest and rest[0] in ("revision", "resolve", "tree"):
                if rest[1] not in ("main", COMMIT):
                    return self._refuse(404, "RevisionNotFound")
                file = folder / "/".join(rest[2:])
                if rest[0] == "resolve" and file.is_file():
                    return self._send(file.read_bytes())
                if rest[0] != "revision":
                    return self._refuse(404, "EntryNotFound")
            self._send(json.dumps({"id": "tiny/model", "sha": COMMIT}).encode())

        def _refuse(self, status: int, code: str) -> None:
            self.send_response(status)
            self.send_header("X-Error-Code", code)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def _send(self, content: bytes) -> None:
            self.send_response(200)
            self.send_header("X-Repo-Commit", COMMIT)
            self.send_header("ETag", f'"{hashlib.sha1(content).hexdigest()}"')
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(content)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def edit(file: Path, **values: Any) -> None:
    """Change entries of a JSON file; None removes one."""
    content = json.loads(file.read_text("utf-8")) if file.exists() else {}
    content |= values
    kept = {name: value for name, value in content.items() if value is not None}
    file.write_text(json.dumps(kept, indent=1), "utf-8")


def _smolvlm(folder: Path, family: Family) -> Path:
    named = {
        "image_token": "<image>",
        "fake_image_token": "<fake_token_around_image>",
        "global_image_token": "<global-img>",
        "end_of_utterance_token": "<end_of_utterance>",
    }
    rows = [f"<row_{r}_col_{c}>" for r in range(1, 3) for c in range(1, 3)]
    tokenizer = _tokenizer([*named.values(), *rows], None, named)
    text = _text(tokenizer, 2048) | {"pad_token_id": tokenizer.pad_token_id}
    shape: dict[str, Any] = {
        "text_config": text | {"model_type": "llama"},
        "vision_config": {
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "image_size": 64,
            "patch_size": PATCH,
        },
        "scale_factor": 2,
        "image_token_id": tokenizer.convert_tokens_to_ids("<image>"),
        "pad_token_id": tokenizer.pad_token_id,
    }
    model: Any
    if family == "smolvlm":
        model = tr.SmolVLMForConditionalGeneration(tr.SmolVLMConfig(**shape))
        name = "SmolVLM"
    else:
        model = tr.Idefics3ForConditionalGeneration(tr.Idefics3Config(**shape))
        name = "Idefics3"
    _save(folder, model, tokenizer)
    edit(
        folder / "preprocessor_config.json",
        image_processor_type=f"{name}ImageProcessor",
        processor_class=f"{name}Processor",
        do_convert_rgb=True,
        do_image_splitting=True,
        do_normalize=True,
        do_pad=True,
        do_rescale=True,
        do_resize=True,
        image_mean=[0.5, 0.5, 0.5],
        image_std=[0.5, 0.5, 0.5],
        max_image_size={"longest_edge": 64},
        rescale_factor=1 / 255,
        resample=1,
        size={"longest_edge": 128},
    )
    edit(folder / "processor_config.json", image_seq_len=4, processor_class=f"{name}Processor")
    (folder / "chat_template.jinja").write_text(TURNS.replace("IMAGE", "<image>"), "utf-8")
    return folder


def _qwen(folder: Path, family: Family) -> Path:
    image = "<|image_pad|>"
    marks = ["<|vision_start|>", "<|vision_end|>", image, "<|video_pad|>"]
    tokenizer = _tokenizer(marks, None)
    start, end, image_id, video_id = tokenizer.convert_tokens_to_ids(marks)
    rope = {"rope_type": "default", "mrope_section": [4, 2, 2], "rope_theta": 10000.0}
    vision: dict[str, Any] = {
        "depth": 2,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_heads": 2,
        "out_hidden_size": 32,
    }
    ids: dict[str, Any] = {
        "image_token_id": image_id,
        "video_token_id": video_id,
        "vision_start_token_id": start,
        "vision_end_token_id": end,
    }
    text = _text(tokenizer, 2048)
    model: Any
    if family == "qwen3_vl":
        patch, name, fast = 16, "Qwen3VL", "Fast"
        text |= {"head_dim": 16, "rope_parameters": rope | {"mrope_interleaved": True}}
        vision |= {"patch_size": patch, "deepstack_visual_indexes": [0]}
        config3 = tr.Qwen3VLConfig(text_config=text, vision_config=vision, **ids)
        model = tr.Qwen3VLForConditionalGeneration(config3)
    else:
        patch, name, fast = 14, "Qwen2_5_VL", ""
        text |= {"rope_parameters": rope}
        vision |= {"patch_size": patch, "fullatt_block_indexes": [1], "window_size": 56}
        config2 = tr.Qwen2_5_VLConfig(text_config=text, vision_config=vision, **ids)
        model = tr.Qwen2_5_VLForConditionalGeneration(config2)
    _save(folder, model, tokenizer)
    edit(
        folder / "preprocessor_config.json",
        image_processor_type=f"Qwen2VLImageProcessor{fast}",
        processor_class=f"{name}Processor",
        image_mean=[0.5, 0.5, 0.5],
        image_std=[0.5, 0.5, 0.5],
        merge_size=2,
        patch_size=patch,
        size={"shortest_edge": 56 * 56, "longest_edge": 112 * 112},
        temporal_patch_size=2,
    )
    if family == "qwen3_vl":
        edit(
            folder / "video_preprocessor_config.json",
            video_processor_type="Qwen3VLVideoProcessor",
            processor_class="Qwen3VLProcessor",
            patch_size=patch,
        )
    template = TURNS.replace("IMAGE", f"<|vision_start|>{image}<|vision_end|>")
    edit(folder / "chat_template.json", chat_template=template)  # the older way, still on hubs
    return folder


def _tokenizer(
    special: list[str], template: str | None, named: dict[str, str] | None = None
) -> Any:
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    bare = Tokenizer(models.BPE(vocab={c: i for i, c in enumerate(alphabet)}, merges=[]))
    bare.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    bare.decoder = decoders.ByteLevel()
    kind: Any = tr.PreTrainedTokenizerFast
    tokenizer = kind(
        tokenizer_object=bare,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        extra_special_tokens=named or {},
        model_input_names=["input_ids", "attention_mask"],
    )
    tokenizer.add_tokens(["<|im_start|>", *special], special_tokens=True)
    if template is not None:
        tokenizer.chat_template = template
    return tokenizer


def _text(tokenizer: Any, context: int) -> dict[str, Any]:
    return {
        "vocab_size": len(tokenizer),
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "max_position_embeddings": context,
        "bos_token_id": None,
        "eos_token_id": tokenizer.eos_token_id,
    }


def _save(folder: Path, model: Any, tokenizer: Any) -> None:
    with torch.no_grad():
        for name, weight in model.named_parameters():
            # Larger weights than usual, so that what is read changes what is written.
            if weight.dim() > 1:
                weight.normal_(0, 0.3)
            elif name.endswith("bias"):
                weight.zero_()
    # It writes bytes alone, so that replies have the length that was asked for.
    model.generation_config.suppress_tokens = sorted(tokenizer.added_tokens_decoder)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
