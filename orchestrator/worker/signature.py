"""A function's signature read as a contract: what it takes from the step's `with`, and what it gives."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, create_model
from pydantic.errors import PydanticInvalidForJsonSchema, PydanticSchemaGenerationError, PydanticUserError
from pydantic_core import PydanticSerializationError

from orchestrator.worker.context import Context
from orchestrator.worker.dependencies import Depends
from orchestrator.worker.failures import NotJson, WrongInput, WrongType
from orchestrator.workflow.suggestions import suggest

_KEYWORDS = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


@dataclass(frozen=True, slots=True)
class Signature:
    """What a worker's function takes and gives.

    Attributes:
        whole: the parameter that gets the whole input, or None when the input's keys are the parameters.
        fields: the parameters that the input's keys name, when `whole` is None.
        context: the parameter that gets the `Context`, or None.
        dependencies: parameters that factories make.
        gives: the return annotation, for messages.
        returns_none: annotated `-> None`.
    """

    whole: str | None
    fields: tuple[str, ...]
    context: str | None
    dependencies: Mapping[str, Depends]
    gives: str
    returns_none: bool
    input_schema: dict[str, Any] | None
    output_schema: dict[str, Any] | None
    _input: TypeAdapter[Any] = field(repr=False)
    _output: TypeAdapter[Any] = field(repr=False)
    _known: frozenset[str] | None = field(repr=False)

    def arguments(self, value: Any, ctx: Context) -> dict[str, Any]:
        """The keyword arguments for one call, dependencies left out.

        Args:
            value: the step's rendered `with`, or for a validator the judged output; also an instance of the
                parameter's own type.
            ctx: the attempt's context.

        Raises:
            WrongInput: the value does not fit; the message names every bad field.
        """
        given = {} if value is None and self.whole is None else value
        self._refuse_unknown(given)
        try:
            parsed = self._input.validate_python(given)
        except ValidationError as error:
            raise WrongInput(f"the input does not fit: {_sentence(error)}") from None
        if self.whole is not None:
            arguments = {self.whole: parsed}
        else:
            arguments = {_alias(parsed, name): item for name, item in parsed}
            arguments |= parsed.model_extra or {}
        if self.context is not None:
            arguments[self.context] = ctx
        return arguments

    def checked(self, result: Any) -> Any:
        """The function's result as its annotation promises it.

        Raises:
            WrongType: naming what was expected and what came.
        """
        try:
            return self._output.validate_python(result, strict=True)
        except ValidationError as error:
            message = f"expected {self.gives}, got {_type_name(type(result))}: {_sentence(error)}"
            raise WrongType(message) from None

    def dump(self, result: Any) -> Any:
        """The checked result as plain JSON.

        Raises:
            NotJson: it holds something that JSON has no form for.
        """
        try:
            plain = self._output.dump_python(result, mode="json", by_alias=True, warnings="error")
            # Pydantic writes NaN as null; we would rather say so than store something else.
            if _not_finite(self._output.dump_python(result, warnings=False)):
                raise NotJson("the output cannot be stored as JSON: it holds NaN or an infinity")
        except (PydanticSerializationError, ValueError, RecursionError) as error:  # ValueError: a circle
            if "UnexpectedValue" in str(error):  # a field was assigned something else after its validation
                raise WrongType(f"expected {self.gives}: {error}") from error
            raise NotJson(f"the output cannot be stored as JSON: {error}") from error
        return plain

    def _refuse_unknown(self, value: Any) -> None:
        if self._known is None or not isinstance(value, Mapping):
            return
        unknown = [str(key) for key in value if key not in self._known]
        if unknown:
            hints = [_nearest(key, self._known) for key in unknown]
            raise WrongInput("the input does not fit: " + "; ".join(hints))


def read_signature(
    function: Callable[..., Any], *, single: bool = False, names: Mapping[str, Any] | None = None
) -> Signature:
    """Read the contract of `function`.

    Args:
        function: the worker's or validator's function.
        single: exactly one parameter takes the whole value (a validator's `output`).
        names: what annotations may name besides the function's globals (the locals of an enclosing function).

    Raises:
        TypeError: the signature cannot be a contract; the message says which parameter and why.
    """
    hints = _hints(function, names or {})
    context: str | None = None
    dependencies: dict[str, Depends] = {}
    plain: dict[str, inspect.Parameter] = {}
    open_ended = False
    for parameter in inspect.signature(function).parameters.values():
        annotation = hints.get(parameter.name, Any)
        if parameter.kind is inspect.Parameter.VAR_KEYWORD and not single:
            open_ended = True
        elif parameter.kind not in _KEYWORDS:
            raise TypeError(f"parameter {parameter} has no name of its own, so no key of `with` can fill it")
        elif annotation is Context or (parameter.name == "ctx" and annotation is Any):
            context = parameter.name
        elif (mark := _mark(annotation)) is not None:
            dependencies[parameter.name] = mark
        else:
            plain[parameter.name] = parameter
    if single and len(plain) != 1:
        raise TypeError(f"a validator takes one output and perhaps ctx, not ({', '.join(plain)})")
    whole = _whole(plain, hints, single=single, open_ended=open_ended)
    taken = hints.get(whole, Any) if whole else _fields_model(function, plain, hints, open_ended=open_ended)
    given = hints.get("return", Any)
    taken_adapter, given_adapter = _adapter(taken, "takes"), _adapter(given, "returns")
    known = None if single else _known_keys(taken)
    return Signature(
        whole=whole,
        fields=() if whole else tuple(plain),
        context=context,
        dependencies=dependencies,
        gives=_type_name(given),
        returns_none=given is type(None),
        input_schema=_schema(taken_adapter, "validation", closed=known is not None),
        output_schema=None if given is Any else _schema(given_adapter, "serialization"),
        _input=taken_adapter,
        _output=given_adapter,
        _known=known,
    )


def _hints(function: Callable[..., Any], names: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return get_type_hints(function, localns=dict(names), include_extras=True)
    except NameError as error:
        message = f"an annotation names {error.name!r}, which does not exist when the module is imported"
        raise TypeError(f"{message} (is its import under `if TYPE_CHECKING:`?)") from error


def _mark(annotation: Any) -> Depends | None:
    if get_origin(annotation) is not Annotated:
        return None
    return next((extra for extra in get_args(annotation)[1:] if isinstance(extra, Depends)), None)


def _whole(
    plain: Mapping[str, inspect.Parameter], hints: Mapping[str, Any], *, single: bool, open_ended: bool
) -> str | None:
    """The parameter that takes the whole input: the only one, if it is a model or is called `input`."""
    if len(plain) != 1 or open_ended:
        return None
    (name,) = plain
    annotation = hints.get(name, Any)
    is_model = isinstance(annotation, type) and issubclass(annotation, BaseModel)
    return name if single or is_model or name == "input" else None


def _fields_model(
    function: Callable[..., Any],
    plain: Mapping[str, inspect.Parameter],
    hints: Mapping[str, Any],
    *,
    open_ended: bool,
) -> type[BaseModel]:
    """A model whose fields are the parameters; aliases keep names like `json` or `_x` out of pydantic's way."""
    fields: dict[str, Any] = {}
    for number, parameter in enumerate(plain.values()):
        default = ... if parameter.default is parameter.empty else parameter.default
        fields[f"field_{number}"] = (hints.get(parameter.name, Any), Field(default, alias=parameter.name))
    config = ConfigDict(extra="allow" if open_ended else "forbid")
    try:
        return create_model(f"{function.__name__}_input", __config__=config, **fields)
    except PydanticSchemaGenerationError as error:
        raise TypeError(_foreign(error, "takes")) from error


def _adapter(annotation: Any, verb: str) -> TypeAdapter[Any]:
    try:
        return TypeAdapter(annotation)
    except PydanticSchemaGenerationError as error:
        raise TypeError(_foreign(error, verb)) from error
    except PydanticUserError as error:
        raise TypeError(f"what it {verb} cannot be read: {error.message}") from error


def _foreign(error: PydanticSchemaGenerationError, verb: str) -> str:
    first = error.message.split(". ")[0].splitlines()[0]
    hint = "; a thing that no `with` can hold is made by Annotated[…, Depends(factory)]" if verb == "takes" else ""
    return f"it {verb} a type that has no JSON form: {first}{hint}"


def _known_keys(annotation: Any) -> frozenset[str] | None:
    """The keys that a model reads, or None where it takes any (or is no model)."""
    if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
        return None
    if annotation.model_config.get("extra") == "allow":
        return None
    keys: set[str] = set()
    by_name = annotation.model_config.get("populate_by_name") or annotation.model_config.get("validate_by_name")
    for name, info in annotation.model_fields.items():
        if info.validation_alias is not None and not isinstance(info.validation_alias, str):
            return None
        keys.add(info.validation_alias or name)
        if by_name:
            keys.add(name)
    return frozenset(keys)


def _schema(adapter: TypeAdapter[Any], mode: Any, *, closed: bool = False) -> dict[str, Any] | None:
    try:
        schema = adapter.json_schema(mode=mode, by_alias=True)
    except PydanticInvalidForJsonSchema:
        return None
    if closed and schema.get("type") == "object":
        schema.setdefault("additionalProperties", False)
    return schema


def _not_finite(value: Any) -> bool:
    if isinstance(value, float):
        return not math.isfinite(value)
    if isinstance(value, Mapping):
        return any(_not_finite(each) for each in value.values())
    return isinstance(value, list | tuple | set) and any(_not_finite(each) for each in value)


def _alias(model: BaseModel, name: str) -> str:
    info = type(model).model_fields.get(name)
    return (info.alias or name) if info is not None else name


def _nearest(key: str, known: frozenset[str]) -> str:
    hint = suggest(key, known) if known else "it takes nothing"
    return f"unknown {key!r}" + (f" ({hint})" if hint else "")


def _sentence(error: ValidationError, most: int = 5) -> str:
    parts = []
    for item in error.errors(include_url=False, include_context=False)[:most]:
        place = ".".join(str(part) for part in item["loc"])
        got = "" if item["type"] == "missing" else f" (got {_type_name(type(item['input']))})"
        parts.append(f"{place + ': ' if place else ''}{item['msg']}{got}")
    more = error.error_count() - len(parts)
    return "; ".join(parts) + (f"; and {more} more" if more > 0 else "")


def _type_name(annotation: Any) -> str:
    if isinstance(annotation, type) and get_origin(annotation) is None:
        return annotation.__name__
    return str(annotation).replace("typing.", "")
