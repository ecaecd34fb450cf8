"""Seal: the small text beside a manifest that holds its signature, and checks itself to the byte.

```
wayside-seal 1 00000412        format, and the size of this text
key <Base64, 32 bytes>
signature <Base64, 64 bytes>   Ed25519 (RFC 8032) over the bytes of the manifest
sha256 <hexadecimal>           of the manifest
size <decimal>                 of the manifest, bytes
tags <Base64>                  of the manifest's blocks
check <Base64>                 of the blocks of all that stands above
```
"""

import base64
import re

import msgspec

from wire.manifest import BLOCK_BYTES, TAG_BYTES, Broken, find_byte, tag_of, tags_of

_CHECK = b"check "
_TEXT = re.compile(
    rb"wayside-seal 1 (\d{8})\nkey ([A-Za-z0-9+/=]{44})\nsignature ([A-Za-z0-9+/=]{88})\n"
    rb"sha256 ([0-9a-f]{64})\nsize (\d{1,15})\ntags ([A-Za-z0-9+/]+)\ncheck ([A-Za-z0-9+/]+)\n\Z"
)


class Seal(msgspec.Struct, frozen=True, kw_only=True):
    """What a seal says."""

    key: str
    signature: str
    sha256: str
    size: int
    tags: str


def write_seal(seal: Seal) -> bytes:
    """Return the text of a seal."""
    lines = f"key {seal.key}\nsignature {seal.signature}\nsha256 {seal.sha256}\nsize {seal.size}\ntags {seal.tags}\n"
    body_bytes = len("wayside-seal 1 00000000\n") + len(lines)
    total = body_bytes + len(_CHECK) + 8 * -(-body_bytes // BLOCK_BYTES) + 1
    body = f"wayside-seal 1 {total:08}\n{lines}".encode()
    return body + _CHECK + tags_of(body).encode() + b"\n"


def read_seal(content: bytes) -> Seal:
    """Return what a seal says; raise ValueError if it is none."""
    found = _TEXT.match(content)
    if found is None:
        raise ValueError("this is no seal")
    _, key, signature, sha256, size, tags, _ = (each.decode() for each in found.groups())
    return Seal(key=key, signature=signature, sha256=sha256, size=int(size), tags=tags)


def broken_in_seal(content: bytes) -> Broken | None:
    """Return where the first broken byte of a seal's text is; None if it is whole."""
    found = _broken(content)
    if found is None or found.is_exact:
        return found
    said = content[15:23]
    size = int(said) if said.isdigit() else len(content)
    if len(content) < size:
        return Broken(len(content), len(content))
    if len(content) > size and _broken(content[:size]) is None:
        return Broken(size, size)
    return found


def _broken(content: bytes) -> Broken | None:
    """Check a text that is taken to have its right length."""
    body_bytes = _body_bytes(len(content))
    if body_bytes is None:
        return Broken(0, max(0, len(content) - 1))
    body, check = content[:body_bytes], content[body_bytes + len(_CHECK) : -1]
    known = tags_of(body).encode()
    for number, start in enumerate(range(0, body_bytes, BLOCK_BYTES)):
        said = check[8 * number : 8 * number + 8]
        if said == known[8 * number : 8 * number + 8]:
            continue
        at = body_bytes + len(_CHECK) + 8 * number
        return _in_block(body[start : start + BLOCK_BYTES], start, said, at)
    for offset, value in ((body_bytes + place, each) for place, each in enumerate(_CHECK)):
        if content[offset] != value:
            return Broken(offset, offset, value)
    end = len(content) - 1
    return None if content[end] == ord("\n") else Broken(end, end, ord("\n"))


def _in_block(block: bytes, start: int, said: bytes, at: int) -> Broken:
    """Return what is broken: a byte of the block, or a letter of the check, which lies at ``at``."""
    known = base64.b64encode(tag_of(block))
    wrong = [place for place in range(8) if said[place] != known[place]]
    if len(wrong) == 1:
        return Broken(at + wrong[0], at + wrong[0], known[wrong[0]])
    try:
        tag = base64.b64decode(said, validate=True)
    except ValueError:
        tag = b""
    found = find_byte(block, tag, start) if len(tag) == TAG_BYTES else None
    return found or Broken(start, start + len(block) - 1)


def _body_bytes(total: int) -> int | None:
    """Return how long the part above the check is in a text of ``total`` bytes."""
    for blocks in range(1, total // BLOCK_BYTES + 2):
        body = total - len(_CHECK) - 8 * blocks - 1
        if body > 0 and -(-body // BLOCK_BYTES) == blocks:
            return body
    return None
