"""What is well-formed in a layout and yet wrong, found when a profile is read and not when a device sends."""

from config.document import Document
from devices.layout import Bits, Field, Item, Layouts, Tables, When, words_of
from devices.template import is_template, names_in
from devices.value import check_value

_KINDS = "`format`, `bytes`, `skip`, `fields`, `items`, `layout`, `value`, `text`"
_WHOLE = ("uint", "int")
_NUMBERS = (*_WHOLE, "bcd", "hex_digits")
_SIZED = {"text", "hex", "dotted", "dotted_hex", "digest", "bcd", "hex_digits"}
ROWS_MAX = 4_096


class LayoutCheck:
    """Looks through the layouts of one profile; raises ConfigError for the first thing that is wrong."""

    def __init__(self, document: Document, layouts: Layouts, tables: Tables) -> None:
        self._document, self._layouts, self._tables = document, layouts, tables

    def tables(self) -> None:
        """Look at the tables."""
        for name, rows in self._tables.items():
            for number, row in enumerate(rows):
                count = ((row.first if row.last is None else row.last) - row.first) // row.step + 1
                if not 1 <= count <= ROWS_MAX:
                    raise self._document.error(
                        f"tables.{name}[{number}]", f"expected 1 to {ROWS_MAX} numbers from `first` to `last`"
                    )
            if len(words_of(rows)) != sum(len(words_of((row,))) for row in rows):
                raise self._document.error(f"tables.{name}", "a number is there twice")

    def fields(self, fields: tuple[Field, ...], key: str, names: set[str], inside: tuple[str, ...] = ()) -> None:
        """Look at fields; ``names`` are those of the numbers before them, and come to hold theirs."""
        is_fixed = True
        for number, field in enumerate(fields):
            at = f"{key}[{number}]"
            self._field(field, at, names, inside)
            if field.at is not None and not is_fixed:
                raise self._document.error(f"{at}.at", "cannot be told behind something whose size varies")
            is_fixed = is_fixed and not self._varies(field)

    def _varies(self, field: Field) -> bool:
        """Return whether the size of a field depends on the message."""
        if field.layout:
            return any(self._varies(inner) for inner in self._layouts[field.layout])
        return bool(field.fields or field.items or field.when or isinstance(field.size, str))

    def _field(self, field: Field, key: str, names: set[str], inside: tuple[str, ...]) -> None:
        check_value(field, key, self._document)
        self._kind(field, key)
        self._when(field.when, key, names)
        self._table(field, key)
        self._template(field.feature, f"{key}.feature", names | {"n"})
        self._template(field.text, f"{key}.text", names)
        for bits_number, bits in enumerate(field.bits):
            self._bits(bits, f"{key}.bits[{bits_number}]", names)
        for name, of in ((field.size, "size"), (field.repeat, "repeat")):
            if isinstance(name, str) and name != "end" and name not in names:
                raise self._document.error(f"{key}.{of}", f"no number before it has the name {name!r}")
        if field.name and (field.format or "").startswith(_NUMBERS):
            names.add(field.name)
        if field.layout:
            if field.layout not in self._layouts:
                raise self._document.error(f"{key}.layout", f"there is no layout {field.layout!r}")
            if field.layout in inside:
                raise self._document.error(f"{key}.layout", f"the layout {field.layout!r} is inside itself")
            path = f"layouts.{field.layout}"
            self.fields(self._layouts[field.layout], path, names, (*inside, field.layout))
        self.fields(field.fields, f"{key}.fields", names, inside)
        self._items(field.items, f"{key}.items", names, inside)

    def _kind(self, field: Field, key: str) -> None:
        """Look whether a field is one thing, and has what that needs."""
        kinds = [
            field.format, field.bytes, field.skip or None, field.fields or None, field.items or None,
            field.layout or None, field.value, field.text or None,
        ]  # fmt: skip
        found = len([kind for kind in kinds if kind is not None])
        if found != 1:
            raise self._document.error(key, f"expected one of: {_KINDS}; got {found or 'none'} of them")
        if field.format in _SIZED and field.size is None:
            raise self._document.error(f"{key}.size", f"{field.format} needs a `size`")
        if field.format in {"bcd", "hex_digits"} and not isinstance(field.size, int):
            raise self._document.error(f"{key}.size", "expected a number of bytes")
        if field.format and field.format not in _SIZED and field.size is not None:
            raise self._document.error(f"{key}.size", f"{field.format} has its own size")
        if field.bits and not (field.format or "").startswith(_WHOLE):
            raise self._document.error(f"{key}.bits", "only an integer has bits")
        if field.repeat is not None and not field.fields:
            raise self._document.error(f"{key}.repeat", "only `fields` can be repeated; `items` are until their end")
        if (field.value is not None or field.text) and field.property is None:
            raise self._document.error(f"{key}", "a constant needs a `property`")
        if field.sets and not (field.format or "").startswith(_NUMBERS):
            raise self._document.error(f"{key}.sets", "only an integer can set it")
        if field.sets == "feature" and not (field.table or field.words):
            raise self._document.error(f"{key}.sets", "a feature needs a `table` or `words`")

    def _bits(self, bits: Bits, key: str, names: set[str]) -> None:
        check_value(bits, key, self._document)
        self._when(bits.when, key, names)
        self._table(bits, key)
        self._template(bits.feature, f"{key}.feature", names | {"n"})
        if (bits.bit is None) == (bits.bits is None):
            raise self._document.error(key, "expected either `bit` or `bits`")
        if bits.bits is not None and bits.bits[0] < bits.bits[1]:
            raise self._document.error(f"{key}.bits", "expected the highest bit before the lowest")
        if bits.name:
            names.add(bits.name)

    def _items(self, items: tuple[Item, ...], key: str, names: set[str], inside: tuple[str, ...]) -> None:
        seen: set[str] = set()
        for number, item in enumerate(items):
            if item.tag in seen:
                raise self._document.error(f"{key}[{number}].tag", f"the tag {item.tag} is there twice")
            if len(item.tag) != len(items[0].tag):
                raise self._document.error(f"{key}[{number}].tag", "expected as many bytes as the others have")
            seen.add(item.tag)
            self.fields(item.fields, f"{key}[{number}].fields", set(names), inside)

    def _when(self, conditions: tuple[When, ...], key: str, names: set[str]) -> None:
        for number, when in enumerate(conditions):
            at = f"{key}.when[{number}]"
            if when.name not in names:
                raise self._document.error(f"{at}.name", f"no number before it has the name {when.name!r}")
            kinds = [when.bit is not None, bool(when.among), when.min is not None or when.max is not None]
            if sum(kinds) != 1:
                raise self._document.error(at, "expected `bit`, `among`, or `min` and `max`")

    def _table(self, field: Field | Bits, key: str) -> None:
        if field.table and field.table not in self._tables:
            raise self._document.error(f"{key}.table", f"there is no table {field.table!r}")

    def _template(self, template: str, key: str, names: set[str]) -> None:
        if not is_template(template):
            raise self._document.error(key, "expected names in braces, as {lamp} or {month:02}")
        for name in names_in(template):
            if name not in names:
                raise self._document.error(key, f"no number before it has the name {name!r}")
