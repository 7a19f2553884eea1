"""A request's JSON read as one of several models; what does not fit is compared with what it looks like."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import from_json

B = TypeVar("B", bound=BaseModel)


class BodyError(Exception):
    """A body that is none of those taken.

    Attributes:
        status: 400 where it is no JSON, else 422.
        problem: What is wrong, and where.
        expected: The form that it looks like, or all of them.
    """

    def __init__(self, status: int, problem: str, expected: str | None = None) -> None:
        super().__init__(problem)
        self.status, self.problem, self.expected = status, problem, expected


@dataclass(frozen=True)
class _Miss:
    """How a body misses a model."""

    model: type[BaseModel]
    where: str
    message: str
    likeness: tuple[int, int]  # fields that are there and right, fields that are there


class Bodies(Generic[B]):
    """The forms that a body may have.

    Args:
        models: One a form; each has a field, or a value of one, that tells it from the others.
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
                misses.append(_miss(model, error, data))
        best = max(misses, key=lambda miss: miss.likeness)
        like = [miss for miss in misses if miss.likeness == best.likeness]
        expected = "; or ".join(_form(miss.model) for miss in like)
        if len(like) == 1:
            raise BodyError(422, f"{best.where or 'The body'}: {best.message}.", expected)
        found = "; ".join(dict.fromkeys(f"{miss.where or 'the body'}: {miss.message}" for miss in like))
        raise BodyError(422, f"The body has none of the forms taken here ({found}).", expected)


def _miss(model: type[BaseModel], error: ValidationError, data: bytes) -> _Miss:
    errors = error.errors(include_url=False, include_context=False, include_input=False)
    first = errors[0]
    if first["type"] == "json_invalid":
        raise BodyError(400, f"The body: {first['msg']}.") from error
    given = from_json(data)
    there = set(given) & set(model.model_fields) if isinstance(given, dict) else set()
    wrong = {each["loc"][0] for each in errors if each["loc"]}
    where = ".".join(str(part) for part in first["loc"])
    message = first["msg"].removeprefix("Value error, ").rstrip(".")
    return _Miss(model, where, message, (len(there - wrong), len(there)))


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
