"""A YAML document read into a typed struct; whatever is wrong is said with file, line, key and a suggestion.

Aliases are refused (a few lines of them can unfold into gigabytes) and so are documents over a mebibyte.
"""

import difflib
import re
from collections.abc import Iterator
from typing import Any, TypeVar

import msgspec
import yaml

T = TypeVar("T")

BYTES_MAX = 1024 * 1024
_AT = re.compile(r" - at `(key in )?\$(?P<path>[^`]*)`$")
_UNKNOWN = re.compile(r"^Object contains unknown field `(?P<name>[^`]*)`")
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class ConfigError(ValueError):
    """Something in a configuration file is not as expected.

    Attributes:
        source: the file, as the user named it.
        line: 1 for the first line; 0 when no line can be named.
        key: path of the key, for example ``zones[0].polygon``; empty for the whole document.
        problem: what is wrong and what was expected.
        suggestion: what to write instead, or an empty string.
    """

    def __init__(self, source: str, line: int, key: str, problem: str, suggestion: str = "") -> None:
        self.source, self.line, self.key, self.problem, self.suggestion = source, line, key, problem, suggestion
        place = f"{source}:{line}" if line else source
        text = f"{place}: {key}: {problem}" if key else f"{place}: {problem}"
        super().__init__(f"{text}; {suggestion}" if suggestion else text)


class Document:
    """One YAML document and the lines of its keys."""

    def __init__(self, content: bytes, source: str) -> None:
        """Parse ``content``; raise ConfigError if it is no YAML, too large, or holds aliases or a key twice."""
        self.source = source
        if len(content) > BYTES_MAX:
            raise ConfigError(source, 0, "", f"expected at most {BYTES_MAX} bytes, got {len(content)}")
        self._lines: dict[str, int] = {"": 1}
        try:
            text = content.decode("utf-8")
            _refuse_aliases(text, source)
            loader = _Loader(text)
            node = loader.get_single_node()
            self._index(node, "")
            self.value: Any = loader.construct_document(node) if node is not None else None
        except UnicodeDecodeError as error:
            raise ConfigError(source, 0, "", f"expected UTF-8 text: {error.reason} at byte {error.start}") from error
        except yaml.MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else 0
            raise ConfigError(source, line, "", f"no valid YAML: {error.problem}") from error
        except yaml.YAMLError as error:
            raise ConfigError(source, 0, "", f"no valid YAML: {error}") from error

    def read(self, kind: type[T]) -> T:
        """Return the document as ``kind``; raise ConfigError naming the first thing that does not fit."""
        try:
            return msgspec.convert(self.value, kind)
        except msgspec.ValidationError as error:
            raise self._explain(str(error), kind) from error

    def error(self, key: str, problem: str, suggestion: str = "") -> ConfigError:
        """Return the error for a key that is well-formed and yet wrong."""
        return ConfigError(self.source, self._line_of(key), key, problem, suggestion)

    def _explain(self, text: str, kind: Any) -> ConfigError:
        at = _AT.search(text)
        path = at["path"].removeprefix(".") if at else ""
        problem = text[: at.start()] if at else text
        unknown = _UNKNOWN.match(problem)
        if unknown is None:
            return self.error(path, problem[:1].lower() + problem[1:])
        name = unknown["name"]
        names = sorted(_field_names(kind))
        close = difflib.get_close_matches(name, names, n=1)
        suggestion = f"did you mean {close[0]!r}?" if close else "known keys: " + ", ".join(names)
        return self.error(f"{path}.{name}".removeprefix("."), "unknown key", suggestion)

    def _line_of(self, key: str) -> int:
        while key and key not in self._lines:
            key = re.sub(r"(\.[^.\[]*|\[[^\]]*\]|^[^.\[]*)$", "", key)
        return self._lines[key]

    def _index(self, node: yaml.Node | None, path: str) -> None:
        """Remember the line of every key, and refuse a key that is there twice."""
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                name = f"{path}.{key.value}".removeprefix(".")
                line = key.start_mark.line + 1
                if name in self._lines:
                    raise ConfigError(self.source, line, name, f"this key is there twice (line {self._lines[name]})")
                self._lines[name] = line
                self._index(value, name)
        elif isinstance(node, yaml.SequenceNode):
            for number, item in enumerate(node.value):
                name = f"{path}[{number}]"
                self._lines[name] = item.start_mark.line + 1
                self._index(item, name)


def _refuse_aliases(text: str, source: str) -> None:
    for token in yaml.scan(text, Loader=_Loader):
        if isinstance(token, yaml.AliasToken | yaml.AnchorToken):
            raise ConfigError(source, token.start_mark.line + 1, "", "expected no anchors or aliases ('&', '*')")


def _field_names(kind: Any) -> set[str]:
    """Return the names of every field that a type knows, however deep."""
    return set(_walk(msgspec.inspect.type_info(kind), seen=set()))


def _walk(info: Any, seen: set[type]) -> Iterator[str]:
    if isinstance(info, msgspec.inspect.StructType):
        if info.cls in seen:
            return
        seen.add(info.cls)
        if isinstance(info.tag_field, str):
            yield info.tag_field
        for field in info.fields:
            yield field.encode_name
            yield from _walk(field.type, seen)
        return
    for name in ("item_type", "value_type"):
        if hasattr(info, name):
            yield from _walk(getattr(info, name), seen)
    for name in ("types", "item_types"):
        for inner in getattr(info, name, ()):
            yield from _walk(inner, seen)
