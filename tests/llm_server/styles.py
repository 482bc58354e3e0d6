"""How an answer is dressed: as real models dress theirs, well or badly."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from llm_server.schemas import fill, right_type
from llm_server.seen import BAD, Answer, Dressed, Seen

Style: TypeAlias = Callable[[Seen, Answer], Dressed]

APOLOGY = "I'm sorry, but I can't help with that."
INJECTION = (
    "<script>alert(1)</script><img src=x onerror=\"alert('2')\">"
    "</textarea></style><!-- {{ 7 * 7 }} --><a href=\"javascript:alert(3)\">'look'</a>"
)
_ONES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def _names(seen: Seen) -> list[str]:
    return [
        name for name in ("frame", "boxes") if name in (seen.schema or {}).get("properties", ())
    ]


def _form(seen: Seen, answer: Answer, value: Any = ..., words: str | None = None) -> str:
    """The answer in the form that was asked for: brackets, or JSON by the schema.

    Args:
        seen: What was asked.
        answer: What is meant.
        value: Said in place of what is meant.
        words: The reasoning, in place of the answer's.
    """
    words = answer.words if words is None else words
    if seen.schema is not None:
        return json.dumps(_filled(seen, answer, value, words), ensure_ascii=False)
    if answer.kind == "text":
        return words
    return f"{words}\n\n{_brackets(answer, value)}"


def _filled(seen: Seen, answer: Answer, value: Any, words: str) -> dict[str, Any]:
    assert seen.schema is not None
    if answer.kind == "text":
        return fill(seen.schema, {}, words)
    right = {name: right_type(seen.schema, name, answer.numbers) for name in _names(seen)}
    said = right if value is ... else {name: _like(value, right[name]) for name in right}
    return fill(seen.schema, said, words)


def _like(value: Any, right: Any) -> Any:
    return [value] if isinstance(right, list) and not isinstance(value, list) else value


def _brackets(answer: Answer, value: Any = ...) -> str:
    value = list(answer.numbers or (-1,)) if value is ... else value
    return json.dumps(value if isinstance(value, list) else [value], ensure_ascii=False)


def _wrong(answer: Answer) -> int:
    return 2 if 1 in answer.numbers else 1


def _first(answer: Answer) -> int:
    return answer.numbers[0] if answer.numbers else -1


def plain(seen: Seen, answer: Answer) -> Dressed:
    return Dressed(_form(seen, answer))


def bare(seen: Seen, answer: Answer) -> Dressed:
    return Dressed(answer.words if answer.kind == "text" else str(_first(answer)))


def markdown(seen: Seen, answer: Answer) -> Dressed:
    if seen.schema is not None or answer.kind == "text":
        return Dressed(f"## Answer\n\n{_form(seen, answer)}\n\n**I hope this helps!**")
    return Dressed(
        f"### 1. Description\n\n- **Scene:** {answer.words}\n- *Light:* good\n\n"
        f"### 2. Answer\n\n**{_brackets(answer)}**"
    )


def brackets_twice(seen: Seen, answer: Answer) -> Dressed:
    form = _form(seen, answer)
    return Dressed(f"At first sight I would say {_brackets(answer)}. Let me check.\n\n{form}")


def thinking(seen: Seen, answer: Answer) -> Dressed:
    doubt = f"Could it be [{_wrong(answer)}]? {_form(seen, answer, _wrong(answer), 'Hm.')} No."
    return Dressed(f"<think>\n{doubt}\n</think>\n\n{_form(seen, answer)}")


def reasoning_field(seen: Seen, answer: Answer) -> Dressed:
    return Dressed(_form(seen, answer), reasoning=f"Could it be [{_wrong(answer)}]? No.")


def json_fence(seen: Seen, answer: Answer) -> Dressed:
    if seen.schema is not None:
        return Dressed(f"Here you are:\n\n```json\n{_form(seen, answer)}\n```\n")
    numbers = list(answer.numbers)
    said = {"frame": numbers[0] if numbers else None} if answer.kind == "frame" else None
    text = json.dumps(said or {"boxes": numbers}, indent=2)
    return Dressed(f"{answer.words}\n\n```json\n{text}\n```")


def ignores_schema(seen: Seen, answer: Answer) -> Dressed:
    """As servers do that do not know `response_format`."""
    return Dressed(f"{answer.words}\n\n{_brackets(answer)}")


def wrong_type(seen: Seen, answer: Answer) -> Dressed:
    n = _first(answer)
    return Dressed(_form(seen, answer, _ONES[n] if 0 <= n < len(_ONES) else "many"))


def out_of_range(seen: Seen, answer: Answer) -> Dressed:
    return Dressed(_form(seen, answer, 99))


def several_numbers(seen: Seen, answer: Answer) -> Dressed:
    return Dressed(_form(seen, answer, sorted([_wrong(answer), _first(answer)])))


def as_float(seen: Seen, answer: Answer) -> Dressed:
    return Dressed(_form(seen, answer, float(_first(answer))))


def nested(seen: Seen, answer: Answer) -> Dressed:
    return Dressed(_form(seen, answer, [[_first(answer)]]))


def fullwidth(seen: Seen, answer: Answer) -> Dressed:
    digits = "".join(chr(ord(c) + 0xFEE0) for c in str(_first(answer)))
    if seen.schema is not None:
        return Dressed(_form(seen, answer, digits))
    return Dressed(f"{answer.words}\n\n[{digits}]")


def none_word(seen: Seen, answer: Answer) -> Dressed:
    if seen.schema is not None:
        return Dressed(_form(seen, answer, "none"))
    return Dressed(f"{answer.words}\n\n[none]")


def words(seen: Seen, answer: Answer) -> Dressed:
    thing = "Box" if answer.kind == "boxes" else "Frame"
    return Dressed(f"{answer.words} {thing} {_first(answer)} is best.")


def refusal(seen: Seen, answer: Answer) -> Dressed:
    return Dressed("", refusal=APOLOGY)


def content_filter(seen: Seen, answer: Answer) -> Dressed:
    return Dressed("", finish="content_filter")


def empty(seen: Seen, answer: Answer) -> Dressed:
    return Dressed("")


def no_choices(seen: Seen, answer: Answer) -> Dressed:
    return Dressed("", choices=False)


def cut_off(seen: Seen, answer: Answer) -> Dressed:
    form = _form(seen, answer)
    return Dressed(form[: min(len(form), len(answer.words)) * 2 // 3], finish="length")


def not_utf8(seen: Seen, answer: Answer) -> Dressed:
    return Dressed(_form(seen, answer, words=f"caf{BAD} {answer.words}"), spoilt=True)


def html(seen: Seen, answer: Answer) -> Dressed:
    return Dressed("", page="<!doctype html><title>Sign in</title><p>Please sign in [1].</p>")


def echo_key(seen: Seen, answer: Answer) -> Dressed:
    return Dressed(_form(seen, answer, words=f"You sent me {seen.key}. {answer.words}"))


def injected(seen: Seen, answer: Answer) -> Dressed:
    return Dressed(_form(seen, answer, words=f"{INJECTION} {answer.words}"))


def huge(seen: Seen, answer: Answer) -> Dressed:
    long = "It goes on and on, frame after frame. " * 5300
    return Dressed(_form(seen, answer, words=long))


def never(seen: Seen, answer: Answer) -> Dressed:
    return Dressed("It is somewhere in the middle, I would say.")


def repairable(seen: Seen, answer: Answer) -> Dressed:
    return plain(seen, answer) if seen.corrected else never(seen, answer)


STYLES: Mapping[str, Style] = {
    style.__name__.removeprefix("as_"): style
    for style in (
        plain, bare, markdown, brackets_twice, thinking, reasoning_field, json_fence,
        ignores_schema, wrong_type, out_of_range, several_numbers, as_float, nested, fullwidth,
        none_word, words, refusal, content_filter, empty, no_choices, cut_off, not_utf8, html,
        echo_key, injected, huge, never, repairable,
    )
}  # fmt: skip


def style_named(style: str | Style) -> Style:
    """By name; `A/B` dresses the question for frames as A and the one for boxes as B."""
    if not isinstance(style, str):
        return style
    if "/" in style:
        one, two = (style_named(name) for name in style.split("/"))
        return lambda seen, answer: (two if answer.kind == "boxes" else one)(seen, answer)
    if style not in STYLES:
        raise ValueError(f"no style {style!r}; known: {', '.join(STYLES)}")
    return STYLES[style]


def dress(seen: Seen, answer: Answer, style: Style) -> Dressed:
    """What is sent; tool calls have no style."""
    if answer.kind == "calls":
        return Dressed(answer.words, calls=answer.calls)
    return style(seen, answer)
