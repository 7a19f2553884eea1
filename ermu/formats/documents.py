"""JSON annotation files: read once, checked against a description, written in one go."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ermu.errors import AnnotationError
from ermu.formats.clip import image_size
from ermu.runtime.files import shown

Model = TypeVar("Model", bound=BaseModel)
CategoryNames = Mapping[int | None, str]


class Part(BaseModel):
    """A part of an annotation file; what else it holds does not matter."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class Category(Part):
    """What objects are called."""

    id: int
    name: str


class CategoryList(Part):
    """The part of a file that names categories."""

    categories: tuple[Category, ...] = Field(default=())

    def names(self) -> CategoryNames:
        """Names of categories by id; what has no category has no name."""
        return {category.id: category.name for category in self.categories}


class Sized(Part):
    """Something with a size in pixels."""

    width: Any
    height: Any

    def hw(self, what: str) -> tuple[int, int]:
        """Height and width; raises `AnnotationError` where they are none."""
        return image_size(self.height, self.width, what)


def keys_of(path: Path) -> dict[str, Any]:
    """A JSON file's object; empty where it is no JSON, or no object."""
    try:
        content = _content(path, path.stat().st_mtime_ns) if path.is_file() else {}
    except (ValueError, OSError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def read_document(path: Path, kind: type[Model], what: str) -> Model:
    """A JSON file as its description says.

    Args:
        path: Of the file.
        kind: The description.
        what: Its format, for messages.

    Raises:
        AnnotationError: it cannot be read, is no JSON, or not as described.
    """
    try:
        content = _content(path, path.stat().st_mtime_ns)
    except (ValueError, RecursionError) as error:
        raise AnnotationError(f"{shown(path)} is no JSON: {error}.", expected=what) from error
    except OSError as error:
        raise AnnotationError(f"{shown(path)} cannot be read: {error.strerror or error}.") from error
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise AnnotationError(
            f"{shown(path)}, {where or 'the whole'}: {first['msg']}.", expected=what
        ) from error


def write_document(path: Path, content: dict[str, Any]) -> None:
    """Writes JSON on one line, with the parts that readers take for granted."""
    whole = {"info": {"description": "", "version": "1.0"}, "licenses": [], **content}
    path.write_text(json.dumps(whole, ensure_ascii=False, separators=(",", ":")) + "\n", "utf-8")


@lru_cache(maxsize=1)
def _content(path: Path, changed: int) -> Any:
    """A file is looked at by several formats, and read by one."""
    return json.loads(path.read_bytes())
