"""Tells mkdocstrings how msgspec's structs are made: with which parameters, kinds and defaults."""

import inspect
from importlib import import_module
from typing import Any

import griffe
import msgspec


class StructExtension(griffe.Extension):
    """Gives each struct the `__init__` that msgspec makes for it, which no source shows."""

    def on_package(self, *, pkg: griffe.Module, **_: Any) -> None:  # noqa: ANN401  # griffe's
        """Go through all classes of a package once it is read."""
        _complete(pkg)


def _complete(found: griffe.Module | griffe.Class) -> None:
    for member in list(found.members.values()):
        if isinstance(member, griffe.Module):
            _complete(member)
        elif isinstance(member, griffe.Class) and "Struct" in str(member.bases):
            made = getattr(import_module(member.module.path), member.name)
            if issubclass(made, msgspec.Struct):
                member.set_member("__init__", _initializer(member, made))


def _initializer(struct: griffe.Class, made: type[msgspec.Struct]) -> griffe.Function:
    parameters = [
        _parameter(struct.members[name], parameter.kind)
        for name, parameter in inspect.signature(made).parameters.items()
        if name in struct.members
    ]
    receiver = griffe.Parameter("self", kind=griffe.ParameterKind.positional_or_keyword)
    return griffe.Function(
        "__init__", parameters=griffe.Parameters(receiver, *parameters), parent=struct
    )


def _parameter(field: Any, kind: Any) -> griffe.Parameter:  # noqa: ANN401  # an alias or an attribute
    is_keyword = kind is inspect.Parameter.KEYWORD_ONLY
    return griffe.Parameter(
        field.name,
        annotation=field.annotation,
        kind=griffe.ParameterKind.keyword_only
        if is_keyword
        else griffe.ParameterKind.positional_or_keyword,
        default=field.value,
    )
