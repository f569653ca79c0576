"""From texts, a student's Markdown or a TA's advice, to HTML that is safe to show."""

from __future__ import annotations

import inspect
import re
from collections.abc import MutableMapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from markupsafe import Markup, escape

from grader.report.wording import visible

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.renderer import RendererProtocol
    from markdown_it.token import Token

_MOST_CHARACTERS = 20_000
_TAGS = {
    *("p", "br", "hr", "em", "strong", "s", "code", "pre", "blockquote", "ul", "ol", "li"),
    *("table", "thead", "tbody", "tr", "th", "td"),
}
_CHINESE = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_WORD = rf"[{_CHINESE}]|(?:(?![{_CHINESE}])[^\W_])+(?:['’.-](?![{_CHINESE}])[^\W_]+)*"


class Length(NamedTuple):
    """How long a text is; a Chinese character counts as a word."""

    words: int
    characters: int  # without white space


def length(text: str) -> Length:
    """How much was written, whatever the language: "transformer 模型" is 3 words."""
    return Length(len(re.findall(_WORD, text)), len("".join(text.split())))


def markdown(text: str) -> Markup:
    """A student's Markdown as HTML without links, pictures, attributes or HTML of their own."""
    import nh3

    text = visible(text)
    cut = len(text) > _MOST_CHARACTERS
    rendered = _renderer().render(text[:_MOST_CHARACTERS])
    cleaned = nh3.clean(rendered, tags=_TAGS, attributes={})
    if cut:
        more = len(text) - _MOST_CHARACTERS
        cleaned += f"<p><em>… and {more} more characters; they are in your notebook.</em></p>"
    return Markup(cleaned)


def advice(text: str) -> Markup:
    """A TA's docstring as paragraphs; what stands in backticks is code."""
    paragraphs = re.split(r"\n\s*\n", inspect.cleandoc(visible(text)))
    return Markup("").join(
        Markup("<p>{}</p>").format(inline(paragraph))
        for paragraph in paragraphs
        if paragraph.strip()
    )


def inline(text: str) -> Markup:
    """A text in a line, in which what stands in backticks is code."""
    text = visible(text)
    if "`" not in text:
        return escape(text)
    pieces = re.split(r"(`+)(.+?)\1", text, flags=re.DOTALL)
    return Markup("").join(
        Markup("<code>{}</code>").format(piece.strip()) if index % 3 == 2 else escape(piece)
        for index, piece in enumerate(pieces)
        if index % 3 != 1
    )


@cache
def _renderer() -> MarkdownIt:
    from markdown_it import MarkdownIt  # which notebooks without texts do not need

    renderer = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
    renderer.add_render_rule("image", _picture)
    for name, written in (("heading_open", "<p><strong>"), ("heading_close", "</strong></p>\n")):
        renderer.add_render_rule(name, _always(written))
    return renderer


def _picture(
    self: RendererProtocol,
    tokens: Sequence[Token],
    index: int,
    options: Any,
    env: MutableMapping[str, Any],
) -> str:
    """A picture is named, not shown: it may be anywhere, and anything."""
    return f"[picture: {escape(tokens[index].content or 'no name')}]"


def _always(written: str) -> Any:
    """The rule that writes the same for every token: a heading must not be one of the page's."""

    def rule(
        self: RendererProtocol,
        tokens: Sequence[Token],
        index: int,
        options: Any,
        env: MutableMapping[str, Any],
    ) -> str:
        return written

    return rule
