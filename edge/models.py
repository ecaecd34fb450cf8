"""Models: known by name, found in folders, never used before their hash has been checked."""

import difflib
import functools
import hashlib
import os
from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import httpx
import msgspec
from msgspec import Meta

from config.document import Document
from shell.refusal import Refusal
from wire.identifiers import Id, Sha256


class Model(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file of weights that Wayside knows by name."""

    name: Id
    file: str
    sha256: Sha256
    size: Annotated[int, Meta(gt=0)]
    """Bytes."""
    licence: str
    about: str
    url: str = ""
    made: str = ""
    """How it is made, if nobody publishes it."""


class _Catalogue(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    models: tuple[Model, ...]


@functools.cache
def catalogue() -> tuple[Model, ...]:
    """Return every model that is known by name."""
    content = files("edge").joinpath("models.yaml").read_bytes()
    return Document(content, "models.yaml").read(_Catalogue).models


def folders() -> tuple[Path, ...]:
    """Return where models are looked for; the first is where they are downloaded to."""
    own = [Path(os.environ["WAYSIDE_MODELS"])] if os.environ.get("WAYSIDE_MODELS") else []
    recorded = [Path(os.environ["WAYSIDE_DATA"], "models")] if os.environ.get("WAYSIDE_DATA") else []
    return (*own, Path("~/.cache/wayside/models").expanduser(), *recorded)


def find(model: Model) -> Path | None:
    """Return the model's file, whole or not, or None if it is in no folder."""
    return next((folder / model.file for folder in folders() if (folder / model.file).is_file()), None)


def known(name: str) -> Model:
    """Return a model by its name; raise Refusal with the nearest name."""
    names = [model.name for model in catalogue()]
    if name in names:
        return catalogue()[names.index(name)]
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.4)
    hint = f"did you mean {close[0]}?" if close else "`wayside model list` shows the names"
    raise Refusal(name, "no model of this name is known", hint)


def resolve(name_or_path: str, sha256: str | None = None) -> Path:
    """Return a model's file, its hash checked if one is known. Raise Refusal."""
    if name_or_path.endswith(".onnx") or "/" in name_or_path:
        path, expected, cure = Path(name_or_path), sha256, "correct `sha256` or replace the file"
        if not path.is_file():
            raise Refusal(name_or_path, "no such file; expected an ONNX model", "or a name from `wayside model list`")
    else:
        model = known(name_or_path)
        cure = f"run `wayside model fetch {model.name}`" if model.url else f"it is made {model.made}"
        found = find(model)
        if found is None:
            places = ", ".join(str(folder) for folder in folders())
            raise Refusal(model.name, f"{model.file} is in none of {places}", cure)
        path, expected = found, sha256 or model.sha256
    if expected is not None and (got := sha256_of(path)) != expected:
        raise Refusal(str(path), f"expected sha256 {expected}, got {got}", cure)
    return path


def sha256_of(path: Path) -> str:
    """Return a file's SHA-256, hex."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise Refusal(str(path), f"cannot be read: {error.strerror}") from error


def fetch(model: Model, progress: Callable[[int], None]) -> Path:
    """Download a model; ``progress`` is told the bytes of each piece. Raise Refusal.

    The file takes its name only when it is whole, on disk and its hash is right.
    """
    if not model.url:
        raise Refusal(model.name, "nobody publishes this file", f"it is made {model.made}")
    folder = folders()[0]
    partial = folder / f".{model.file}.{os.getpid()}.part"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            _write_checked(partial, model, progress)
            return partial.replace(folder / model.file)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise Refusal(str(folder), f"cannot be written: {error.strerror}", "set WAYSIDE_MODELS to a folder") from error


def _write_checked(path: Path, model: Model, progress: Callable[[int], None]) -> None:
    digest = hashlib.sha256()
    with path.open("wb") as file:
        for piece in _download(model):
            file.write(piece)
            digest.update(piece)
            progress(len(piece))
        if digest.hexdigest() != model.sha256:
            raise Refusal(model.url, f"expected sha256 {model.sha256}, got {digest.hexdigest()}", "nothing was kept")
        file.flush()
        os.fsync(file.fileno())


def _download(model: Model) -> Iterator[bytes]:
    """Yield the pieces of a file, never more than its known size and one piece."""
    received = 0
    try:
        with httpx.stream("GET", model.url, follow_redirects=True, timeout=20.0) as answer:
            answer.raise_for_status()
            for piece in answer.iter_bytes(64 * 1024):
                yield piece
                received += len(piece)
                if received > model.size:
                    return
    except httpx.HTTPStatusError as error:
        raise Refusal(model.url, f"the server answers {error.response.status_code}") from error
    except httpx.HTTPError as error:
        problem = f"cannot be downloaded: {error or type(error).__name__}"
        raise Refusal(model.url, problem, f"without a network, put {model.file} into {folders()[0]}") from error
