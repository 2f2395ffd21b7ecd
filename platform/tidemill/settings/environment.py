"""Reads settings from environment variables, and says in plain words which of them cannot be used.

Every class of settings is a `Section`: frozen pydantic-settings whose fields name their variables.
A section that is a field of another one is read from the same environment.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from types import UnionType
from typing import Any, Literal, Self, Union, get_args, get_origin

from pydantic import AliasChoices, SecretBytes, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from tidemill.errors import SettingsError, suggest
from tidemill.settings.marks import DefaultText, Expects, MayHoldPassword

_LONGEST = 80
"""Characters of a value that a message shows."""


class Section(BaseSettings):
    """Some settings; frozen. `read()` takes them from the environment, the constructor does not."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="forbid",
        populate_by_name=True,
        use_attribute_docstrings=True,
        hide_input_in_errors=True,
        validate_default=True,
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - pydantic-settings' signature
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The arguments alone, so that a value made in code is the same on every machine."""
        return (init_settings,)

    @classmethod
    def read(cls, environ: Mapping[str, str] | None = None) -> Self:
        """From `environ`, by default the process's; an empty variable counts as unset.

        Raises SettingsError with every variable that cannot be used.
        """
        values = EnvironmentSource(cls, os.environ if environ is None else environ)()
        try:
            return cls(**values)
        except ValidationError as error:
            raise SettingsError(_problems(cls, error)) from None


class EnvironmentSource(EnvSettingsSource):
    """The values of a section, and of the sections in it, from one mapping of variables."""

    def __init__(self, section: type[BaseSettings], environ: Mapping[str, str]) -> None:
        super().__init__(section, case_sensitive=True, env_ignore_empty=True)
        self._environ = {name: value for name, value in environ.items() if value}
        self.env_vars = self._environ

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """The value of one field, the key it is passed under, and that it is not JSON."""
        inner = section_of(field)
        if inner is not None:
            return self._inner(inner, optional=not field.is_required()), field_name, False
        value, key, _ = super().get_field_value(field, field_name)
        return value, key, False

    def prepare_field_value(
        self,
        field_name: str,  # noqa: ARG002 - pydantic-settings' signature
        field: FieldInfo,  # noqa: ARG002
        value: Any,
        value_is_complex: bool,  # noqa: ARG002
    ) -> Any:
        """The value as it is: none of our variables holds JSON."""
        return value

    def _inner(self, section: type[Section], *, optional: bool) -> dict[str, Any] | None:
        """The values of a section; None for an optional one that lacks a value it needs."""
        values = EnvironmentSource(section, self._environ)()
        lacks = any(
            field.is_required() and not {name, *names_of(field)} & values.keys()
            for name, field in section.model_fields.items()
        )
        return None if optional and lacks else values


def section_of(field: FieldInfo) -> type[Section] | None:
    """The section that a field holds; None for a plain value."""
    for kind in _alternatives(field.annotation):
        if isinstance(kind, type) and issubclass(kind, Section):
            return kind
    return None


def names_of(field: FieldInfo) -> tuple[str, ...]:
    """The variables that a field is read from; the first one that is set wins."""
    alias = field.validation_alias
    if isinstance(alias, AliasChoices):
        return tuple(str(choice) for choice in alias.choices)
    return (alias,) if isinstance(alias, str) else ()


def choices_of(field: FieldInfo) -> tuple[str, ...]:
    """The words that a field accepts; empty where it accepts more than some words."""
    for kind in _alternatives(field.annotation):
        if get_origin(kind) is Literal:
            return get_args(kind)
    return ()


def is_secret(field: FieldInfo) -> bool:
    """True for a value that is never shown."""
    return any(kind in (SecretStr, SecretBytes) for kind in _alternatives(field.annotation))


def may_hold_password(field: FieldInfo) -> bool:
    """True for an address that is shown without its password."""
    return any(isinstance(mark, MayHoldPassword) for mark in field.metadata)


def default_text(field: FieldInfo) -> str:
    """The default of a field in words; empty for none."""
    for mark in field.metadata:
        if isinstance(mark, DefaultText):
            return mark.text
    default = field.default if field.default_factory is None else ""
    return str(default) if isinstance(default, str | int | os.PathLike) and default else ""


def _alternatives(annotation: Any) -> tuple[Any, ...]:
    return get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)


def _problems(section: type[Section], error: ValidationError) -> list[str]:
    # A default that is worked out from a value which cannot be used is no problem of its own.
    details = [
        detail for detail in error.errors() if detail["type"] != "default_factory_not_called"
    ]
    return [_sentence(section, detail) for detail in details]


def _sentence(section: type[Section], detail: ErrorDetails) -> str:
    named = _field_at(section, detail["loc"])
    own = str(detail["ctx"]["error"]) if detail["type"] == "value_error" else ""
    if named is None:
        return own or detail["msg"]
    name, field = named
    hidden = is_secret(field) or may_hold_password(field)
    start = name if hidden else f"{name} is '{_one_line(detail['input'])}'"
    if choices := choices_of(field):
        return f"{start}; {suggest(str(detail['input']), choices)}"
    expected = next((mark.text for mark in field.metadata if isinstance(mark, Expects)), "")
    default = default_text(field)
    way_out = f"correct it, or unset it for {default}" if default else "correct it, or unset it"
    return f"{start}, {own or f'not {expected}' if own or expected else detail['msg']}; {way_out}"


def _one_line(value: object) -> str:
    text = "".join(c if c.isprintable() else " " for c in str(value))
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _field_at(
    section: type[Section], location: tuple[int | str, ...]
) -> tuple[str, FieldInfo] | None:
    """The variable and the field of an error; None for what is wrong with several together."""
    for step in location:
        for name, field in section.model_fields.items():
            if step not in (name, *names_of(field)):
                continue
            inner = section_of(field)
            if inner is None:
                return (str(step) if step in names_of(field) else names_of(field)[0]), field
            section = inner
            break
    return None
