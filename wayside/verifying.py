"""Verifying: whether a package is what the agent sealed, and where its first broken byte is if not; offline."""

import base64
import hashlib
from collections.abc import Iterable, Iterator

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from shell.refusal import Refusal
from wayside.package_files import Files
from wire.manifest import (
    MANIFEST_NAME,
    SEAL_NAME,
    Broken,
    Manifest,
    ManifestFile,
    canonical,
    first_broken,
    has_tags_for,
)
from wire.seal import Seal, broken_in_seal, read_seal


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """Something that is not as it was sealed."""

    file: str
    problem: str
    broken: Broken | None = None

    def __str__(self) -> str:
        if self.broken is None:
            return f"{self.file}: {self.problem}"
        if not self.broken.is_exact:
            return f"{self.file}: {self.problem}: in bytes {self.broken.first} to {self.broken.last}"
        return f"{self.file}: {self.problem}: byte {self.broken.first}"


class Sealed(msgspec.Struct, frozen=True, kw_only=True):
    """One manifest that could be read."""

    folder: str
    """Before the names of its files; empty or ending in ``/``."""
    manifest: Manifest
    sha256: str


class Report(msgspec.Struct, kw_only=True):
    """What was found."""

    sealed: list[Sealed] = []
    faults: list[Fault] = []
    files: int = 0
    """Files whose every byte is as sealed."""


def verify(files: Files, key: str | None) -> Report:
    """Check everything; ``key`` is the public key that must have sealed it, None to take each manifest's own.

    Raises Refusal if there is no manifest, or something cannot be read.
    """
    seals = sorted(name for name in files if name.rpartition("/")[2] in (MANIFEST_NAME, SEAL_NAME))
    folders = sorted({name.rpartition("/")[0] for name in seals})
    if not folders:
        raise Refusal("package", f"holds no {MANIFEST_NAME}", "expected a package as the console gives it")
    report = Report()
    listed: set[str] = set()
    for folder in folders:
        prefix = f"{folder}/" if folder else ""
        listed |= {prefix + MANIFEST_NAME, prefix + SEAL_NAME}
        sealed = _read_manifest(files, prefix, key, report)
        if sealed is not None:
            report.sealed.append(sealed)
            listed |= {prefix + each.name for each in sealed.manifest.files}
            _check_files(files, sealed, report)
        else:
            listed |= {name for name in files if name.startswith(prefix)}  # nobody knows what they should be
    report.faults += [Fault(file=name, problem="is in no manifest") for name in sorted(files.keys() - listed)]
    report.faults += _chain_faults(report.sealed)
    return report


def _read_manifest(files: Files, prefix: str, key: str | None, report: Report) -> Sealed | None:
    """Return a manifest whose seal is whole, or was made whole again by the one byte that is broken."""
    missing = [prefix + name for name in (MANIFEST_NAME, SEAL_NAME) if prefix + name not in files]
    if missing:
        report.faults += [Fault(file=name, problem="is missing") for name in missing]
        return None
    text = _mended(files[prefix + SEAL_NAME](), prefix + SEAL_NAME, report)
    try:
        seal = read_seal(text or b"")
    except ValueError:
        if text is not None:
            report.faults.append(Fault(file=prefix + SEAL_NAME, problem="is no seal"))
        return None
    content = _whole_manifest(files[prefix + MANIFEST_NAME](), seal, prefix, report)
    if content is None or not _is_signed(content, seal, key, prefix, report):
        return None
    try:
        manifest = msgspec.json.decode(content, type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Refusal(prefix + MANIFEST_NAME, f"is of another form: {error}", "a later version may read it") from error
    if manifest.key != seal.key or canonical(msgspec.json.decode(content)) != content:
        report.faults.append(Fault(file=prefix + MANIFEST_NAME, problem="is not in the form that was signed"))
        return None
    return Sealed(folder=prefix, manifest=manifest, sha256=seal.sha256)


def _mended(text: bytes, name: str, report: Report) -> bytes | None:
    """Return a seal's text, with its one broken byte as it was; None if more is broken."""
    broken = broken_in_seal(text)
    if broken is None:
        return text
    report.faults.append(Fault(file=name, problem=_words(broken, len(text), None), broken=broken))
    return _with_byte(text, broken)


def _whole_manifest(content: bytes, seal: Seal, prefix: str, report: Report) -> bytes | None:
    name = prefix + MANIFEST_NAME
    if not has_tags_for(seal.tags, seal.size):
        report.faults.append(Fault(file=prefix + SEAL_NAME, problem="has not the tags for its size"))
        return None
    broken = first_broken(content, seal.size, seal.tags)
    if broken is not None:
        report.faults.append(Fault(file=name, problem=_words(broken, len(content), seal.size), broken=broken))
        content = _with_byte(content, broken) or b""
    if hashlib.sha256(content).hexdigest() == seal.sha256:
        return content
    if broken is None:
        report.faults.append(Fault(file=name, problem="has not the hash that its seal says"))
    return None


def _with_byte(content: bytes, broken: Broken) -> bytes | None:
    if broken.was is None:
        return None
    return content[: broken.first] + bytes((broken.was,)) + content[broken.first + 1 :]


def _is_signed(content: bytes, seal: Seal, key: str | None, prefix: str, report: Report) -> bool:
    if key is not None and key != seal.key:
        report.faults.append(Fault(file=prefix + SEAL_NAME, problem=f"is by another key: {seal.key}"))
        return False
    try:
        public = Ed25519PublicKey.from_public_bytes(base64.b64decode(seal.key))
        public.verify(base64.b64decode(seal.signature), content)
    except (InvalidSignature, ValueError):
        report.faults.append(Fault(file=prefix + SEAL_NAME, problem="its signature is not by its key"))
        return False
    return True


def _check_files(files: Files, sealed: Sealed, report: Report) -> None:
    hashes = {each.sha256 for each in sealed.manifest.files}
    if len({each.name for each in sealed.manifest.files}) < len(sealed.manifest.files):
        report.faults.append(Fault(file=sealed.folder + MANIFEST_NAME, problem="names a file twice"))
    for each in sealed.manifest.files:
        name = sealed.folder + each.name
        if each.copy_of is not None and each.copy_of not in hashes:
            report.faults.append(Fault(file=name, problem="is a copy of an original that is not listed"))
        fault = Fault(file=name, problem="is missing") if name not in files else _file_fault(files[name](), each, name)
        if fault is None:
            report.files += 1
        else:
            report.faults.append(fault)


def _file_fault(content: bytes, listed: ManifestFile, name: str) -> Fault | None:
    if len(content) == listed.size and hashlib.sha256(content).hexdigest() == listed.sha256:
        return None
    if not has_tags_for(listed.tags, listed.size):
        return Fault(file=name, problem="is broken, and its manifest has not the tags to say where")
    broken = first_broken(content, listed.size, listed.tags)
    if broken is None:
        return Fault(file=name, problem="has not the hash that its manifest says")
    return Fault(file=name, problem=_words(broken, len(content), listed.size), broken=broken)


def _words(broken: Broken, length: int, size: int | None) -> str:
    if broken.first >= length:
        return "is cut short" + (f" ({length} of {size} bytes)" if size is not None else "")
    if size is not None and broken.first >= size:
        return f"is too long ({length} of {size} bytes)"
    return "is broken" if broken.is_exact else "is broken in more than one byte"


def _chain_faults(sealed: Iterable[Sealed]) -> Iterator[Fault]:
    """Yield what does not fit where several manifests are given: forks, breaks, and the numbers between that lack."""
    chains: dict[tuple[str, str], dict[int, list[Sealed]]] = {}
    for each in sealed:
        manifest = each.manifest
        chains.setdefault((manifest.agent, manifest.chain), {}).setdefault(manifest.number, []).append(each)
    for (agent, chain), links in sorted(chains.items()):
        name = f"chain {chain} of {agent}"
        for number in sorted(links):
            if len({each.sha256 for each in links[number]}) > 1:
                yield Fault(file=name, problem=f"number {number} is there twice, and not the same")
            link, before = links[number][0], links.get(number - 1)
            if (link.manifest.previous is None) != (number == 1):
                yield Fault(file=name, problem=f"number {number} names a wrong place in the chain")
            elif before is not None and before[0].sha256 != link.manifest.previous:
                yield Fault(file=name, problem=f"number {number} does not follow on number {number - 1}")
        lacking = _runs(sorted(set(range(min(links), max(links))) - links.keys())) if _is_short(links) else ["too many"]
        if lacking:
            yield Fault(file=name, problem=f"missing numbers: {', '.join(lacking)}")


def _is_short(links: dict[int, list[Sealed]]) -> bool:
    return max(links) - min(links) < 1_000_000


def _runs(numbers: list[int]) -> list[str]:
    """Return numbers as text, with those in a row as one.

    >>> _runs([3, 5, 6, 7])
    ['3', '5-7']
    """
    runs: list[list[int]] = []
    for number in numbers:
        if runs and runs[-1][1] + 1 == number:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return [str(first) if first == last else f"{first}-{last}" for first, last in runs]
