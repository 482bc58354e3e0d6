"""HTML as a strict parser reads it."""

from __future__ import annotations

from html.parser import HTMLParser

VOID = {"meta", "link", "img", "br", "image", "use"}
TAGS = {
    *("html", "head", "meta", "link", "title", "style", "body", "header", "main", "footer"),
    *("section", "h1", "h2", "h3", "h4", "h5", "p", "ul", "li", "div", "span", "bdi", "strong"),
    *("em", "br", "dl", "dt", "dd", "pre", "details", "summary", "figure", "figcaption", "img"),
    *("svg", "symbol", "image", "use", "table", "tr", "th", "td"),
}
"""All that the page is made of: nothing here runs or loads anything by itself."""


class Page(HTMLParser):
    """Tags, attributes and text; refuses what is not closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.open: list[tuple[str, int]] = []
        self.words: list[str] = []
        self.text_of: dict[str, list[str]] = {}
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), (tag, names)
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            texts = self.text_of.setdefault(tag, [])
            self.open.append((tag, len(texts)))
            texts.append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop()[0] == tag

    def handle_data(self, data: str) -> None:
        for tag, n in self.open:
            self.text_of[tag][n] += data
        if self.open[-1:] and self.open[-1][0] != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join("".join(self.words).split())

    def every(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.tags if name == tag]
