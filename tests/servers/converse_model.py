"""Requests and answers of Bedrock held against botocore's service models `bedrock-runtime` and `bedrock`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from botocore.model import ListShape, OperationModel, Shape, StructureShape
from botocore.session import Session
from botocore.validate import ParamValidator


@cache
def _operation(service: str, name: str) -> OperationModel:
    return Session().get_service_model(service).operation_model(name)


def converse_errors(side: str, params: dict[str, Any]) -> str:
    """What is wrong with the `input` or the `output` of a Converse call; empty where nothing is."""
    return errors("bedrock-runtime", "Converse", side, params)


def errors(service: str, operation: str, side: str, params: dict[str, Any]) -> str:
    """What is wrong with the `input` or the `output` of a call; empty where nothing is."""
    called = _operation(service, operation)
    shape = called.input_shape if side == "input" else called.output_shape
    assert shape is not None
    found = ParamValidator().validate(params, shape)
    said = [found.generate_report()] if found.has_errors() else []
    return "\n".join([*said, *_beyond(params, shape, side)])


def _beyond(value: Any, shape: Shape, name: str) -> Iterator[str]:
    """What botocore leaves to the service: upper bounds, enumerations and patterns."""
    if isinstance(shape, StructureShape):
        known = value.items() if isinstance(value, dict) and not shape.is_document_type else ()
        for key, inner in known:
            if key in shape.members:
                yield from _beyond(inner, shape.members[key], f"{name}.{key}")
        return
    if isinstance(shape, ListShape) and isinstance(value, list):
        for at, inner in enumerate(value):
            yield from _beyond(inner, shape.member, f"{name}[{at}]")
    size = len(value) if isinstance(value, str | list) else value
    most = shape.metadata.get("max")
    if most is not None and isinstance(size, int | float) and size > most:
        yield f"1 validation error detected: Value at '{name}' failed to satisfy constraint: at most {most}"
    if isinstance(value, str):
        enum, pattern = getattr(shape, "enum", None), shape.metadata.get("pattern")
        if enum and value not in enum:
            yield f"1 validation error detected: Value '{value}' at '{name}' is none of {', '.join(enum)}"
        if pattern and not re.fullmatch(pattern, value, re.DOTALL):
            yield f"1 validation error detected: Value at '{name}' failed to satisfy the pattern {pattern}"
