"""Package files: the files of a folder or a ZIP, by name, as their very bytes; whatever is hostile is refused.

A ZIP is read by its central directory, but its bytes without the library's own checks: of a file whose checksum is
wrong we must still say which byte.
"""

import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

from shell.refusal import Refusal

FILES_MAX = 1_000
FILE_BYTES_MAX = 2 * 1024**3
BYTES_MAX = 8 * 1024**3
RATIO_MAX = 200
"""What packs better than this is no picture, but a bomb."""
_LOCAL = struct.Struct("<4sHHHHHIIIHH")
_LOCAL_MAGIC = b"PK\x03\x04"

Files = dict[str, Callable[[], bytes]]
"""By name, with ``/`` between folders: what reads the file; it may raise Refusal."""


def open_files(path: Path) -> Files:
    """Return the files of a package; raise Refusal if it cannot be read, or should not be."""
    try:
        if path.is_dir():
            return _folder(path)
        if not path.exists():
            raise Refusal(str(path), "no such file or folder", "expected a package: a folder or a ZIP")
        return _zip(path)
    except OSError as error:
        raise Refusal(str(path), f"cannot be read: {error.strerror or error}") from error


def _folder(root: Path) -> Files:
    found: Files = {}
    for folder, folders, names in os.walk(root):
        for name in sorted([*folders, *names]):
            path = Path(folder, name)
            if path.is_symlink():
                raise Refusal(str(path), "is a link; a package holds files only")
            if name in names and not stat.S_ISREG(path.stat().st_mode):
                raise Refusal(str(path), "is no plain file; a package holds files only")
            if name in names:
                found[path.relative_to(root).as_posix()] = _reader(path)
    if len(found) > FILES_MAX:
        raise Refusal(str(root), f"holds more than {FILES_MAX} files; this is no package")
    return found


def _reader(path: Path) -> Callable[[], bytes]:
    def read() -> bytes:
        try:
            if path.stat().st_size > FILE_BYTES_MAX:
                raise Refusal(str(path), f"is larger than {FILE_BYTES_MAX} bytes")
            return path.read_bytes()
        except OSError as error:
            raise Refusal(str(path), f"cannot be read: {error.strerror}") from error

    return read


def _zip(path: Path) -> Files:
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, RuntimeError, UnicodeDecodeError, ValueError) as error:
        raise Refusal(str(path), f"cannot be read as a ZIP: {error}", "copy it again from where it came") from error
    if len(entries) > FILES_MAX or sum(each.file_size for each in entries) > BYTES_MAX:
        raise Refusal(str(path), f"holds more than {FILES_MAX} files or {BYTES_MAX} bytes; this is no package")
    found: Files = {}
    for entry in entries:
        _refuse_hostile(path, entry)
        if entry.is_dir():
            continue
        if entry.filename in found:
            raise Refusal(f"{path}: {entry.filename}", "is there twice")
        found[entry.filename] = _unpacker(path, entry)
    return found


def _refuse_hostile(path: Path, entry: zipfile.ZipInfo) -> None:
    subject, name = f"{path}: {entry.filename!r}", entry.orig_filename
    parts = name.removesuffix("/").split("/")
    mode = entry.external_attr >> 16
    is_plain = not any(each in ("", ".", "..") for each in parts) and name.isprintable()
    if not is_plain or "\\" in name or ":" in name:
        raise Refusal(subject, "names a place outside the package")
    if mode and not (stat.S_ISREG(mode) or stat.S_ISDIR(mode) or stat.S_IFMT(mode) == 0):
        raise Refusal(subject, "is a link or a device; a package holds files only")
    if entry.flag_bits & 1:
        raise Refusal(subject, "is encrypted", "unpack it first")
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise Refusal(subject, "is packed in an unusual way", "unpack it, and give the folder")
    if entry.file_size > FILE_BYTES_MAX or entry.file_size > RATIO_MAX * max(entry.compress_size, 1024):
        raise Refusal(subject, f"says that it unpacks to {entry.file_size} bytes; this is no package")


def _unpacker(path: Path, entry: zipfile.ZipInfo) -> Callable[[], bytes]:
    def read() -> bytes:
        subject = f"{path}: {entry.filename}"
        try:
            packed = _packed(path, entry, subject)
        except (OSError, struct.error) as error:
            raise Refusal(subject, f"cannot be read: {error}") from error
        if entry.compress_type == zipfile.ZIP_STORED:
            return packed
        unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
        try:
            content = unpacker.decompress(packed, entry.file_size + 1)
        except zlib.error as error:
            raise Refusal(subject, f"cannot be unpacked: {error}", "it is broken; copy it again") from error
        if len(content) > entry.file_size:
            raise Refusal(subject, "unpacks to more than it says; this is no package")
        return content

    return read


def _packed(path: Path, entry: zipfile.ZipInfo, subject: str) -> bytes:
    """Return an entry's bytes as they lie in the file."""
    with path.open("rb") as file:
        file.seek(entry.header_offset)
        magic, *_, name_bytes, extra_bytes = _LOCAL.unpack(file.read(_LOCAL.size))
        name = file.read(name_bytes)
        if magic != _LOCAL_MAGIC or name.decode("utf-8", "replace") != entry.orig_filename:
            raise Refusal(subject, "has two names, or none, in this ZIP; it is broken")
        file.seek(extra_bytes, os.SEEK_CUR)
        return file.read(entry.compress_size)
