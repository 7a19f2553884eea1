"""Reads a streams file: YAML, passwords from the environment, refused where everybody may read one."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ermu.errors import DependencyError, ErmuError, OptionError
from ermu.redaction import shown_address
from ermu.runtime.config.schema import StreamsFile

_REFERENCE = re.compile(r"\$?\$\{([^}]*)\}")
_USER_ALONE = re.compile(r"://[^:@/]*:?@")
_VARIABLE = re.compile(r"[A-Za-z_]\w*")
_FAULTS = {
    "extra_forbidden": "there is no such field",
    "missing": "it is missing",
    "model_type": "it has no fields",
}
_OTHERS = stat.S_IROTH | stat.S_IWOTH


def read_streams_file(path: Path) -> StreamsFile:
    """A streams file, its variables filled in.

    `${NAME}` stands for a variable of the environment, `$${NAME}` for itself.

    Raises:
        OptionError: it cannot be read or is no streams file, a variable is not set, or it holds a password
            and everybody may read it.
        DependencyError: PyYAML is not installed.
    """
    content = _loaded(path)
    _validated(path, content)
    if _holds_secrets(content):
        _refuse_readers(path)
    return _validated(path, _expanded(content, path))


def _loaded(path: Path) -> Any:
    try:
        import yaml
    except ImportError as error:
        raise DependencyError("pyyaml", "A streams file", "serve") from error
    try:
        text = path.read_text(encoding="utf-8")
        for key, line in _twice(yaml.compose(text, Loader=yaml.SafeLoader)):
            raise _refused(path, f"'{key}' is there twice, again in line {line}")
        return yaml.safe_load(text)
    except OSError as error:
        raise _refused(path, f"it cannot be read ({error.strerror or error})") from error
    except UnicodeDecodeError:
        raise _refused(path, "it is no UTF-8 text") from None
    except yaml.YAMLError as error:  # whose own words may quote a password
        mark = getattr(error, "problem_mark", None)
        place = f" from line {mark.line + 1}, column {mark.column + 1} on" if mark else ""
        raise _refused(path, f"it is no YAML{place}") from None


def _twice(node: Any) -> Iterator[tuple[str, int]]:
    """Keys of mappings that come twice, with their lines: YAML's reader would drop the first."""
    children = node.value if node is not None and isinstance(node.value, list) else []
    seen = set()
    for child in children:
        key, value = child if isinstance(child, tuple) else (None, child)
        if key is not None and isinstance(key.value, str):
            if key.value in seen:
                yield key.value, key.start_mark.line + 1
            seen.add(key.value)
        yield from _twice(value)


def _validated(path: Path, content: Any) -> StreamsFile:
    """A streams file; of what is none, what its fields hold is not told."""
    try:
        return StreamsFile.model_validate(content)
    except ValidationError as error:
        faults = error.errors(include_input=False, include_url=False)
        raise _refused(path, "; ".join(_fault(fault, content) for fault in faults)) from None


def _fault(fault: Mapping[str, Any], content: Any) -> str:
    """Which field is wrong, a stream called by its name, and how."""
    place = [str(part) for part in fault["loc"]]
    if place[:1] == ["streams"] and len(place) > 2 and isinstance(content["streams"][int(place[1])], dict):
        place[1] = str(content["streams"][int(place[1])].get("name", place[1]))
    text = _FAULTS.get(fault["type"]) or fault["msg"].removeprefix("Value error, ")
    hint = "; text that looks like a number needs quotation marks" if "valid string" in text else ""
    return f"{'.'.join(place) or 'the file'}: {text[:1].lower()}{text[1:]}{hint}"


def _holds_secrets(content: Mapping[str, Any]) -> bool:
    """Whether a password is written out in it: one that the environment gives is not."""

    for stream in content["streams"]:
        source = _USER_ALONE.sub("://", _REFERENCE.sub("", stream["source"]))
        if _REFERENCE.sub("", stream.get("password") or "") or shown_address(source) != source:
            return True
    return False


def _refuse_readers(path: Path) -> None:
    mode = path.stat().st_mode
    if os.name == "posix" and mode & _OTHERS:
        raise OptionError(
            f"{path} holds passwords, and everybody on this machine may read or change it (mode "
            f"{stat.S_IMODE(mode):o}).",
            expected="a file for its owner, and perhaps a group",
            fix=f"chmod 600 {path}, or name variables of the environment: password: ${{CAMERA_PASSWORD}}",
        )


def _expanded(value: Any, path: Path) -> Any:
    """With every reference to the environment replaced."""
    if isinstance(value, dict):
        return {key: _expanded(each, path) for key, each in value.items()}
    if isinstance(value, list):
        return [_expanded(each, path) for each in value]
    return _REFERENCE.sub(lambda found: _variable(found, path), value) if isinstance(value, str) else value


def _variable(found: re.Match[str], path: Path) -> str:
    if found[0].startswith("$$"):
        return found[0][1:]
    name = found[1]
    if not _VARIABLE.fullmatch(name) or not os.environ.get(name):
        raise _refused(
            path,
            f"it names the variable '{name}', which the environment lacks",
            f"set {name}, or write $${{{name}}} where these characters are meant",
        )
    return os.environ[name]


def _refused(path: Path, problem: str, fix: str = "see docs/live.md, 'Streams file'") -> ErmuError:
    return OptionError(
        f"The streams file {path} cannot be taken: {problem}.",
        expected="streams: a list of name, source and, where wanted, user, password, rtsp_transport, "
        "stale_after, decode, loop, prompt, session, sinks; docs/fleet.md has the rest",
        fix=fix,
    )
