"""The commands that the pages show, and the extras that they name for them."""

from __future__ import annotations

import re
from pathlib import Path

from tests.support.import_graph import ROOT

README = ROOT / "README.md"
PAGES = [README, ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md")), ROOT / "kernels/README.md"]
# These name options as reasons and rules, and show nobody what to type.
WHY = [ROOT / "docs" / "decisions.md", *(ROOT / "docs" / "spec").glob("*.md"), ROOT / "docs" / "stability.md"]
INSTALL = (ROOT / "docs" / "install.md").read_text("utf-8")
FENCED = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
_PROGRAMS = "auditwheel|curl|debootstrap|docker|ermu|make|pip|pytest|python3?|torchrun"
_COMMAND = re.compile(rf"(?:[A-Z_]+=\S+ )*(?:{_PROGRAMS}) ")


def commands(page: Path) -> list[str]:
    """Every command in a page's blocks and text; comments, and what merely names one option, are left out."""
    text = page.read_text("utf-8")
    blocks = [code for language, code in FENCED.findall(text) if language in ("", "bash")]
    spans = re.findall(r"`([^`]+)`", FENCED.sub("", text)) if page not in WHY else []
    shown = [span for span in spans if _whole(span) or page == README]
    lines = [
        line
        for code in [*blocks, *(re.sub(r"\s+", " ", span) for span in shown)]
        for line in code.replace("\\\n", " ").splitlines()
    ]
    found = (re.sub(r"\s+", " ", re.split(r"\s#", line)[0]).strip() for line in lines)
    return list(dict.fromkeys(line for line in found if _COMMAND.match(line)))


def _whole(span: str) -> bool:
    return span.count(" --") > 1 if span.startswith("ermu ") else " -" in span or "[" in span


def extras(command: str) -> str:
    """Those that the table of docs/install.md names for a command, with those of its options."""
    rows = re.findall(r"^\| (.*`.*) \| (`ermu\[.*) \|$", INSTALL, re.MULTILINE)
    needed: set[str] = set()
    for use, install in rows:
        for said, named in zip(use.split(";"), install.split(";"), strict=True):
            words = re.findall(r"`(?:ermu )?([^`]+)`", said)
            fits = [
                word in command if word.startswith("--") else word == command.split()[1] for word in words
            ]
            needed |= set(re.findall(r"\[(.*)\]", named)[0].split(",")) if any(fits) else set()
    return ",".join(sorted(needed))
