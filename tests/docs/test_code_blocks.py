"""Every Python block of README.md and docs/ runs, in order, one namespace for each file.

A comment `not run: reason` before a block leaves it out (and shows it as skipped); a comment
`output` before a text block says that the block above it printed exactly that.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]

_BLOCK = re.compile(
    r"^(?:<!-- *(?P<mark>not run|output)(?:: *(?P<reason>.*?))? *-->\n)?"
    r"^```(?P<language>python|text)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block: where its text starts, its language, and the comment before it."""

    page: Path
    line: int
    language: str
    mark: str
    reason: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks(page: Path) -> list[Block]:
    """The Python blocks of a page, and the text blocks that claim to be output."""
    source = page.read_text(encoding="utf-8")
    return [
        Block(
            page,
            source.count("\n", 0, found.start("text")) + 1,
            found["language"],
            found["mark"] or "",
            found["reason"] or "",
            found["text"],
        )
        for found in _BLOCK.finditer(source)
        if found["language"] == "python" or found["mark"] == "output"
    ]


LEFT_OUT = [block for page in PAGES for block in blocks(page) if block.mark == "not run"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_blocks_of_a_page_run(page, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    namespace = {"__name__": "__main__"}
    printed = ""
    for block in blocks(page):
        if block.mark == "output":
            assert printed.strip() == block.text.strip(), f"{block}: the block above prints this"
        elif block.mark != "not run":
            exec(_compiled(block), namespace)
            printed = capsys.readouterr().out


@pytest.mark.parametrize("block", LEFT_OUT, ids=str)
def test_a_block_that_is_left_out_says_why(block):
    assert block.reason, f"{block}: write <!-- not run: reason -->"
    compile(block.text, str(block), "exec")
    pytest.skip(block.reason)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_fence_of_python_is_found(page):
    source = page.read_text(encoding="utf-8")
    python = [block for block in blocks(page) if block.language == "python"]
    assert len(re.findall(r"^\s*(?:```+|~~~+) *\{?(?:python|py|code-block)", source, re.M)) == len(
        python
    ), "fence Python blocks with ```python at the start of the line"


def _compiled(block: Block):
    """Code whose line numbers are those of the page, so that errors point into it."""
    return compile("\n" * (block.line - 1) + block.text, str(block.page), "exec")
