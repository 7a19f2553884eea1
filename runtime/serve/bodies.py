"""A request's JSON read as one of several models; what does not fit is compared with what it looks like."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import from_json

B = TypeVar("B", bound=BaseModel)
_WORDS = {  # pydantic's kinds of errors, for people who have not written its models
    "missing": "is missing",
    "extra_forbidden": "is not known here",
    "model_type": "is no JSON object",
    "list_type": "is no list",
    "string_type": "is no text",
    "bool_type": "is neither true nor false",
    "float_type": "is no number",
    "int_type": "is no whole number",
    "int_from_float": "is no whole number",
    "finite_number": "is no finite number",
    "too_short": "is too short: {actual_length} of at least {min_length}",
    "too_long": "is too long: {actual_length} of at most {max_length}",
    "greater_than_equal": "is below {ge:g}",
    "greater_than": "is not above {gt:g}",
    "less_than_equal": "is above {le:g}",
    "literal_error": "is none of {expected}",
    "string_too_short": "is empty",
    "string_too_long": "is longer than {max_length} characters",
}


class BodyError(Exception):
    """A body that is none of those taken.

    Attributes:
        status: 400 where it is no JSON, else 422.
        problem: What is wrong, and where.
        expected: The form that it looks like, or all of them.
        fix: One that is taken.
    """

    def __init__(self, status: int, problem: str, expected: str, fix: str) -> None:
        super().__init__(problem)
        self.status, self.problem, self.expected, self.fix = status, problem, expected, fix


@dataclass(frozen=True)
class _Miss:
    """How a body misses a model."""

    model: type[BaseModel]
    where: str
    kind: str
    message: str
    choices: str
    likeness: tuple[int, int]  # fields that are there and right, fields that are there


class Bodies(Generic[B]):
    """The forms that a body may have.

    Args:
        models: One a form; each has a field, or a value of one, that tells it from the others, and an
            example in its schema.
    """

    def __init__(self, *models: type[B]) -> None:
        self._models = models

    def read(self, data: bytes) -> B:
        """The body as one of the models.

        Raises:
            BodyError: it is none.
        """
        misses = []
        for model in self._models:
            try:
                return model.model_validate_json(data)
            except ValidationError as error:
                misses.append((model, error))
        try:
            given = from_json(data)
        except ValueError as error:
            raise self._error(400, f"The body is no JSON: {error}.", self._models) from error
        told = [_miss(model, error, given) for model, error in misses]
        likeness = max(miss.likeness for miss in told)
        like = [miss for miss in told if miss.likeness == likeness]
        raise self._error(422, _problem(like), [miss.model for miss in like])

    @staticmethod
    def _error(status: int, problem: str, models: Sequence[type[BaseModel]]) -> BodyError:
        expected = "; or ".join(map(_form, models))
        return BodyError(status, problem, expected, f"send {_example(models[0])}, say")


def _problem(misses: Sequence[_Miss]) -> str:
    """What is wrong with a body that misses these forms alike."""
    first = misses[0]
    if len(misses) > 1 and all(miss.kind == "missing" for miss in misses):
        return f"The body has none of {', '.join(miss.where for miss in misses)}."
    if first.choices and all(miss.choices and miss.where == first.where for miss in misses):
        return f"{first.where} is none of {', '.join(miss.choices for miss in misses)}."
    own = _own(misses)
    if len(misses) > 1 and all(miss.kind == "extra_forbidden" and miss.where in own for miss in misses):
        return (
            f"{' and '.join(sorted({miss.where for miss in misses}))} do not go together: send one of them."
        )
    found = dict.fromkeys(f"{miss.where or 'the body'}{miss.message}" for miss in misses)
    text = "; ".join(found)
    return f"{text[:1].upper() if not first.where else text[:1]}{text[1:]}."


def _own(misses: Sequence[_Miss]) -> set[str]:
    """Fields that make a form what it is."""
    return {name for miss in misses for name, field in miss.model.model_fields.items() if field.is_required()}


def _miss(model: type[BaseModel], error: ValidationError, given: Any) -> _Miss:
    errors = error.errors(include_url=False, include_input=False)
    first = errors[0]
    there = set(given) & set(model.model_fields) if isinstance(given, dict) else set()
    wrong = {each["loc"][0] for each in errors if each["loc"]}
    where, about = ".".join(str(part) for part in first["loc"]), first.get("ctx", {})
    choices = str(about["expected"]).replace(" or ", ", ") if first["type"] == "literal_error" else ""
    likeness = (len(there - wrong), len(there))
    return _Miss(
        model, where, first["type"], _in_words(first["type"], first["msg"], about), choices, likeness
    )


def _in_words(kind: str, message: str, about: dict[str, Any]) -> str:
    """What is wrong with a field, to be read behind its name."""
    words = _WORDS.get(kind)
    if words is None:
        return f": {message.removeprefix('Value error, ').rstrip('.')}"
    return f" {words.format(**about)}"


def _example(model: type[BaseModel]) -> str:
    examples: Any = model.model_config["json_schema_extra"]
    return json.dumps(examples["examples"][0])


def _form(model: type[BaseModel]) -> str:
    """`a body with box, and with name or frame if you like`."""
    fields = model.model_fields.items()
    needed = " and ".join(_field(name, field.annotation) for name, field in fields if field.is_required())
    free = " or ".join(name for name, field in fields if not field.is_required())
    return f"a body with {needed}" + (f", and with {free} if you like" if free else "")


def _field(name: str, annotation: Any) -> str:
    if get_origin(annotation) is not Literal:
        return name
    return f"{name} ({' or '.join(map(repr, get_args(annotation)))})"
