"""The schemas of all types that REST takes and gives, from the Structs that decode and encode."""

import inspect
import re
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
from msgspec import UNSET, Struct
from msgspec import inspect as types

Schema = dict[str, Any]

_SECTION = re.compile(r"\n*^Attributes:\n", re.MULTILINE)
_ATTRIBUTE = re.compile(r"^    (?P<names>\w+(?:, \w+)*): (?P<text>.*(?:\n {8,}.*)*)", re.MULTILINE)


class Schemas:
    """Every schema of the document.

    A Struct that is only given has all of its members, whatever their defaults; one that is taken
    may leave them out.

    Args:
        taken: types that requests bring.
        given: types that answers bring.
    """

    def __init__(self, taken: Iterable[Any], given: Iterable[Any]) -> None:
        taken, given = list(taken), list(given)
        asked = set().union(*map(_structs, taken))
        told = set().union(*map(_structs, given)) - asked
        self._kinds = [*taken, *given, *told, *asked]
        self._schemas, self.components = msgspec.json.schema_components(
            self._kinds, ref_template="#/components/schemas/{name}"
        )
        for schema in self.components.values():
            _describe(schema)
        for kind in told:
            _complete(kind, self.resolved(self.of(kind)))
        for kind in asked:
            _keep_nul_out(self.resolved(self.of(kind)).get("properties", {}))

    def of(self, kind: Any) -> Schema:
        """The schema of a type that was announced; a Struct's is a reference."""
        return dict(self._schemas[self._kinds.index(kind)])

    def resolved(self, schema: Schema) -> Schema:
        """What a reference refers to; any other schema itself."""
        reference = schema.get("$ref")
        if reference is None:
            return schema
        found: Schema = self.components[reference.rpartition("/")[2]]
        return found

    def object_of(self, kind: type[Struct]) -> Schema:
        """The schema of a Struct itself, which may be changed."""
        found = self.resolved(self.of(kind))
        return {**found, "properties": dict(found["properties"])}

    def drop(self, kinds: Iterable[type[Struct]]) -> None:
        """Leave out the components of types to which nothing refers."""
        for kind in kinds:
            self.components.pop(self.of(kind)["$ref"].rpartition("/")[2], None)


def not_null(schema: Schema) -> Schema:
    """A schema without null, which no address can say."""
    schema = {name: value for name, value in schema.items() if name != "default"} | (
        {"default": schema["default"]} if schema.get("default") is not None else {}
    )
    kinds = [each for each in schema.get("anyOf", ()) if each != {"type": "null"}]
    if len(kinds) == 1:
        del schema["anyOf"]
        schema = {**kinds[0], **schema}
    elif kinds:
        schema["anyOf"] = kinds
    return schema


def _structs(kind: Any) -> set[type[Struct]]:
    """All Structs in a type."""
    return {each.cls for each in _walk(types.type_info(kind), set())}


def _walk(info: types.Type, seen: set[type]) -> Iterator[types.StructType]:
    match info:
        case types.Metadata():
            yield from _walk(info.type, seen)
        case types.StructType():
            if info.cls in seen:
                return
            seen.add(info.cls)
            yield info
            for each in info.fields:
                yield from _walk(each.type, seen)
        case types.UnionType():
            for part in info.types:
                yield from _walk(part, seen)
        case types.ListType() | types.VarTupleType() | types.SetType() | types.FrozenSetType():
            yield from _walk(info.item_type, seen)
        case types.TupleType():
            for part in info.item_types:
                yield from _walk(part, seen)
        case types.DictType():
            yield from _walk(info.value_type, seen)
        case _:
            return


def _complete(kind: type[Struct], schema: Schema) -> None:
    """Require what is always given."""
    if kind.__struct_config__.omit_defaults:
        return
    always = [f.encode_name for f in msgspec.structs.fields(kind) if f.default is not UNSET]
    schema["required"] = sorted({*schema["required"], *always})
    for name, property_ in schema["properties"].items():
        if "default" in property_:
            schema["properties"][name] = {k: v for k, v in property_.items() if k != "default"}


def _keep_nul_out(properties: Schema) -> None:
    """Say of texts what `hub.protocol.codec.check_params` asks of them."""
    for name, schema in properties.items():
        properties[name] = _without_nul(schema)


def _without_nul(schema: Schema) -> Schema:
    if "anyOf" in schema:
        return {**schema, "anyOf": [_without_nul(part) for part in schema["anyOf"]]}
    if schema.get("type") == "array" and "items" in schema:
        return {**schema, "items": _without_nul(schema["items"])}
    if schema.get("type") != "string" or not schema.keys().isdisjoint(("pattern", "format")):
        return schema
    return {**schema, "pattern": "^[^\\x00]*$"}


def _describe(schema: Schema) -> None:
    """Put what a docstring says of attributes beside them."""
    text = inspect.cleandoc(schema.get("description", ""))
    general, *attributes = _SECTION.split(text, maxsplit=1)
    if general:
        schema["description"] = general
    else:
        schema.pop("description", None)
    for found in _ATTRIBUTE.finditer(attributes[0] if attributes else ""):
        for name in found["names"].split(", "):
            property_ = schema["properties"].get(name)
            if property_ is not None and "$ref" not in property_:
                words = " ".join(found["text"].split())
                schema["properties"][name] = {"description": words, **property_}
