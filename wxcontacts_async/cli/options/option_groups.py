"""Shares options between commands, as typer reads them from each signature."""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import MISSING, Field, fields, is_dataclass
from functools import wraps
from typing import Any, ClassVar, Protocol, TypeVar

Command = Callable[..., None]


class _Dataclass(Protocol):
    __dataclass_fields__: ClassVar[dict[str, Any]]


GroupT = TypeVar("GroupT", bound=_Dataclass)


def with_option_groups(command: Command) -> Command:
    """Give a command the fields of each parameter that is a dataclass as options of its own."""
    parameters: list[inspect.Parameter] = []
    groups: dict[str, Any] = {}
    for parameter in inspect.signature(command).parameters.values():
        if is_dataclass(parameter.annotation):
            groups[parameter.name] = parameter.annotation
            parameters += map(_option, fields(groups[parameter.name]))
        else:
            parameters.append(parameter)

    @wraps(command)
    def run(**values: Any) -> None:  # noqa: ANN401  # whatever its options are
        for name, group in groups.items():
            options = {field.name: values.pop(field.name) for field in fields(group)}
            values[name] = group(**options)
        command(**values)

    return _seen_as(run, parameters)


def with_options(
    command: Command,
    group: type[GroupT],
    apply: Callable[[GroupT], None],
) -> Command:
    """Give a command the fields of a dataclass as more options, to be applied before it runs."""
    names = [field.name for field in fields(group)]

    @wraps(command)
    def run(**values: Any) -> None:  # noqa: ANN401  # whatever its options are
        apply(group(**{name: values.pop(name) for name in names}))
        command(**values)

    before = inspect.signature(command).parameters.values()
    return _seen_as(run, [*before, *map(_option, fields(group))])


def _option(field: "Field[Any]") -> inspect.Parameter:
    return inspect.Parameter(
        field.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=inspect.Parameter.empty if field.default is MISSING else field.default,
        annotation=field.type,
    )


def _seen_as(command: Command, parameters: Sequence[inspect.Parameter]) -> Command:
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return command
