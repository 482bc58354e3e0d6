"""Words for colours -> the thirteen names that pixels are told apart by."""

from __future__ import annotations

_WORDS = {
    "red": "red scarlet crimson ruby maroon burgundy cherry reddish vermilion",
    "orange": "orange amber ginger apricot",
    "yellow": "yellow lemon mustard yellowish",
    "golden": "golden gold blond blonde",
    "green": "green lime olive emerald greenish",
    "cyan": "cyan turquoise teal aqua",
    "blue": "blue navy azure indigo bluish cobalt",
    "purple": "purple violet lilac lavender mauve",
    "pink": "pink magenta fuchsia rose",
    "brown": "brown tan chestnut chocolate bronze brownish beige khaki",
    "white": "white cream ivory snowy whitish",
    "gray": "gray grey silver greyish grayish silvery ash",
    "black": "black ebony blackish",
}
COLOURS = {word: name for name, words in _WORDS.items() for word in words.split()}
"""Word -> name."""

SHADES = {"light": "light", "pale": "light", "dark": "dark", "deep": "dark", "darker": "dark"}
SHADES |= {"lighter": "light"}
"""Word -> `light` or `dark`, alone or before a colour."""


def colour_name(word: str, shade: str = "") -> str:
    """`("navy", "dark")` -> `dark blue`; white and black have no shade."""
    name = COLOURS[word]
    return f"{shade} {name}" if shade and name not in ("white", "black") else name
