"""A YAML document read into a typed struct; whatever is wrong is said with file, line, key and a suggestion.

Aliases are refused (a few lines of them can unfold into gigabytes), and so are documents over a mebibyte and deep
nesting, which ends the process inside libyaml.
"""

import difflib
import re
from typing import Any, TypeVar

import msgspec
import yaml
from yaml import tokens

from config.shape import example_at, keys_at, words_at

T = TypeVar("T")

BYTES_MAX = 1024 * 1024
DEPTH_MAX = 32
_AT = re.compile(r" - at `(key in )?\$(?P<path>[^`]*)`$")
_UNKNOWN = re.compile(r"^Object contains unknown field `(?P<name>[^`]*)`")
_MISSING = re.compile(r"^Object missing required field `(?P<name>[^`]*)`")
_NOT_TEXT = re.compile(r"^Expected `str`, got `(bool|int|float|date|datetime)`")
_OPENS = (
    tokens.BlockMappingStartToken,
    tokens.BlockSequenceStartToken,
    tokens.FlowMappingStartToken,
    tokens.FlowSequenceStartToken,
)
_CLOSES = (tokens.BlockEndToken, tokens.FlowMappingEndToken, tokens.FlowSequenceEndToken)
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
            text = content.decode("utf-8-sig")
            _refuse_abuse(text, source)
            loader = _Loader(text)
            node = loader.get_single_node()
            self._index(loader, node, "")
            self.value: Any = loader.construct_document(node) if node is not None else None
        except UnicodeDecodeError as error:
            raise ConfigError(source, 0, "", f"expected UTF-8 text: {error.reason} at byte {error.start}") from error
        except yaml.MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else 0
            has_tab = any("\t" in each for each in text.splitlines()[max(line - 2, 0) : line])
            suggestion = "indent with spaces, not tabs" if has_tab else ""
            raise ConfigError(source, line, "", f"no valid YAML: {error.problem}", suggestion) from error
        except yaml.YAMLError as error:
            raise ConfigError(source, 0, "", f"no valid YAML: {str(error).splitlines()[0]}") from error

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
        """Return what msgspec found, with the place in the file and what to write instead."""
        at = _AT.search(text)
        path = at["path"].removeprefix(".") if at else ""
        problem = text[: at.start()] if at else text
        if unknown := _UNKNOWN.match(problem):
            name = unknown["name"]
            suggestion = _closest(name, sorted(keys_at(kind, path, self.value)), otherwise="known keys")
            return self.error(f"{path}.{name}".removeprefix("."), "unknown key", suggestion)
        if missing := _MISSING.match(problem):
            name = missing["name"]
            words = words_at(kind, f"{path}.{name}".removeprefix("."))
            return self.error(
                path, f"the key {name!r} is missing", f"expected one of: {', '.join(words)}" if words else ""
            )
        if self.value is None:
            return self.error("", "the document is empty", f"known keys: {', '.join(sorted(keys_at(kind, '', None)))}")
        problem = problem[:1].lower() + problem[1:]
        if "matching regex" in problem and (example := example_at(kind, path)):
            return self.error(path, f"not written as expected, for example {example!r}")
        if words := words_at(kind, path):
            found = problem.partition("'")[2].rpartition("'")[0]
            return self.error(path, problem, _closest(found, words, otherwise="expected one of"))
        return self.error(path, problem, "put it in quotes" if _NOT_TEXT.match(text) else "")

    def _line_of(self, key: str) -> int:
        while key and key not in self._lines:
            shorter = re.sub(r"(\.[^.\[]*|\[[^\]]*\]|^[^.\[]*)$", "", key)
            key = shorter if shorter != key else ""
        return self._lines[key]

    def _index(self, loader: Any, node: yaml.Node | None, path: str) -> None:
        """Remember the line of every key; refuse a key that is there twice, and a date like 2024-99-99."""
        if isinstance(node, yaml.MappingNode):
            lines: dict[str, int] = {}
            for key, value in node.value:
                name = f"{path}.{key.value}".removeprefix(".")
                line = key.start_mark.line + 1
                if name in lines:
                    raise ConfigError(self.source, line, name, f"this key is there twice (line {lines[name]})")
                self._lines[name] = lines[name] = line
                if isinstance(key, yaml.ScalarNode):
                    self._index(loader, key, name)
                self._index(loader, value, name)
        elif isinstance(node, yaml.SequenceNode):
            for number, item in enumerate(node.value):
                name = f"{path}[{number}]"
                self._lines[name] = item.start_mark.line + 1
                self._index(loader, item, name)
        elif isinstance(node, yaml.ScalarNode):
            try:
                loader.construct_object(node)
            except ValueError as error:
                problem = f"{node.value[:20]!r} looks like a number or a date and is none"
                raise ConfigError(self.source, node.start_mark.line + 1, path, problem, "put it in quotes") from error


def _refuse_abuse(text: str, source: str) -> None:
    """Refuse what a parser should not be given: aliases, and nesting deeper than anybody writes."""
    depth = 0
    for token in yaml.scan(text, Loader=_Loader):
        line = token.start_mark.line + 1
        if isinstance(token, tokens.AliasToken | tokens.AnchorToken):
            raise ConfigError(source, line, "", "expected no anchors or aliases ('&', '*')")
        depth += isinstance(token, _OPENS) - isinstance(token, _CLOSES)
        if depth > DEPTH_MAX:
            raise ConfigError(source, line, "", f"expected at most {DEPTH_MAX} levels of nesting")


def _closest(word: str, words: list[str], *, otherwise: str) -> str:
    close = difflib.get_close_matches(word, words, n=1)
    return f"did you mean {close[0]!r}?" if close else f"{otherwise}: {', '.join(words)}"
