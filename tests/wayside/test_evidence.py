"""`wayside evidence verify`: it names exactly what is broken, and is fooled by no hostile package."""

import struct
import zipfile
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from shell.refusal import Refusal
from tests.fixtures.package import CONTENTS, Chain, a_draft, listed, unpack, write_package
from wayside.evidence import evidence_app
from wayside.package_files import open_files
from wayside.verifying import Report, verify
from wire.manifest import BLOCK_BYTES, MANIFEST_NAME, SEAL_NAME, Manifest, first_broken, tags_of
from wire.seal import Seal, broken_in_seal, read_seal, write_seal


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Chain:
    return Chain(tmp_path_factory.mktemp("agent"))


@pytest.fixture(scope="module")
def envelope(chain: Chain) -> bytes:
    return chain.seal(a_draft())


def _checked(files: dict[str, bytes], key: str | None = None) -> Report:
    return verify({name: lambda content=content: content for name, content in files.items()}, key)  # type: ignore[misc]


def _zip(path: Path, files: dict[str, bytes], packing: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", packing) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


# Whole


def test_a_whole_package_is_whole_as_folder_and_as_zip(envelope: bytes, chain: Chain, tmp_path: Path) -> None:
    folder = write_package(tmp_path / "package", envelope)
    packed = {path.name: path.read_bytes() for path in folder.iterdir()}
    for number, path in enumerate(
        (folder, _zip(tmp_path / "a.zip", packed), _zip(tmp_path / "b.zip", packed, zipfile.ZIP_DEFLATED))
    ):
        result = CliRunner().invoke(evidence_app, ["verify", str(path), "--key", chain.key.public])
        assert result.exit_code == 0, (number, result.output)
        assert "whole: 3 files, 1 manifests\n" in result.output
    unasked = CliRunner().invoke(evidence_app, ["verify", str(folder)])
    assert "whose key it is was not checked" in unasked.output


def test_a_manifest_comes_back_the_same_and_is_in_its_one_form(envelope: bytes) -> None:
    content = unpack(envelope)[MANIFEST_NAME]
    manifest = msgspec.json.decode(content, type=Manifest)
    assert [each.name for each in manifest.files] == list(CONTENTS)
    assert b": " not in content
    assert list(msgspec.json.decode(content)) == sorted(msgspec.json.decode(content))


def test_a_package_of_the_first_version_can_be_verified_for_ever() -> None:
    folder = Path(__file__).parents[1] / "wire" / "golden" / "package-v1"
    report = verify(open_files(folder), "hurvh78fFMgITG4GOQmESR4IfRgggwboTVgS0TQ2a44=")
    assert (report.faults, report.files, len(report.sealed)) == ([], 2, 1)


# Broken


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(chosen=st.data())
def test_whatever_byte_of_whatever_file_is_flipped_it_is_named(chosen: st.DataObject, envelope: bytes) -> None:
    files = {**CONTENTS, **unpack(envelope)}
    name = chosen.draw(st.sampled_from(sorted(files)))
    offset = chosen.draw(st.integers(0, len(files[name]) - 1))
    flip = chosen.draw(st.integers(1, 255))
    content = bytearray(files[name])
    content[offset] ^= flip
    report = _checked({**files, name: bytes(content)})
    (fault,) = report.faults
    assert fault.broken is not None
    assert (fault.file, fault.broken.first, fault.broken.last) == (name, offset, offset)
    assert fault.broken.was == files[name][offset]
    assert report.files == (2 if name in CONTENTS else 3)


def test_every_byte_of_a_seal_is_under_its_check() -> None:
    text = write_seal(Seal(key="A" * 44, signature="B" * 88, sha256="0" * 64, size=5, tags="CCCCCCCC"))
    assert broken_in_seal(text) is None
    for offset in range(0, len(text), 7):
        broken = bytearray(text)
        broken[offset] ^= 1
        found = broken_in_seal(bytes(broken))
        assert found is not None
        assert (found.first, found.last, found.was) == (offset, offset, text[offset]), offset
    for offset in range(len(text) - 12, len(text)):
        broken = bytearray(text)
        broken[offset] ^= 0x80
        found = broken_in_seal(bytes(broken))
        assert found is not None
        assert (found.first, found.last) == (offset, offset)
    for length in (10, 100, 200, len(text) - 1):
        cut = broken_in_seal(text[:length])
        assert cut is not None
        assert cut.first == length or not cut.is_exact
    longer = broken_in_seal(text + b"x")
    assert longer is not None
    assert longer.first == len(text)


def test_a_long_seal_checks_itself_block_by_block() -> None:
    text = write_seal(Seal(key="A" * 44, signature="B" * 88, sha256="0" * 64, size=5, tags="CDEF" * 700))
    assert read_seal(text).tags == "CDEF" * 700
    for offset in (3, 1500, len(text) - 3, len(text) - 20):
        broken = bytearray(text)
        broken[offset] ^= 2
        found = broken_in_seal(bytes(broken))
        assert found is not None
        assert found.first == found.last == offset


def test_a_cut_and_a_longer_file_are_broken_where_they_end(envelope: bytes) -> None:
    files = {**CONTENTS, **unpack(envelope)}
    for name, size in ((name, len(content)) for name, content in files.items()):
        for content, first in ((files[name][: size // 2], size // 2), (files[name] + b"more", size)):
            report = _checked({**files, name: content})
            fault = report.faults[0]
            assert fault.broken is not None
            assert (fault.file, fault.broken.first) == (name, first)


def test_two_broken_bytes_of_one_block_are_named_by_their_block(envelope: bytes) -> None:
    content = bytearray(CONTENTS["limit.jpg"])
    content[1030] ^= 1
    content[1999] ^= 1
    (fault,) = _checked({**CONTENTS, **unpack(envelope), "limit.jpg": bytes(content)}).faults
    assert str(fault) == "limit.jpg: is broken in more than one byte: in bytes 1024 to 2047"
    content[10] ^= 1
    (fault,) = _checked({**CONTENTS, **unpack(envelope), "limit.jpg": bytes(content)}).faults
    assert str(fault) == "limit.jpg: is broken: byte 10"


def test_missing_and_unlisted_files_and_another_key_are_named(envelope: bytes, chain: Chain, tmp_path: Path) -> None:
    files = {**CONTENTS, **unpack(envelope), "extra.jpg": b"x"}
    del files["clip.mp4"]
    assert [str(each) for each in _checked(files).faults] == [
        "clip.mp4: is missing",
        "extra.jpg: is in no manifest",
    ]
    other = Chain(tmp_path / "other")
    (fault,) = _checked({**CONTENTS, **unpack(envelope)}, other.key.public).faults
    assert str(fault) == f"{SEAL_NAME}: is by another key: {chain.key.public}"
    without_seal = {**CONTENTS, MANIFEST_NAME: unpack(envelope)[MANIFEST_NAME]}
    assert [str(each) for each in _checked(without_seal).faults] == [f"{SEAL_NAME}: is missing"]


def test_a_manifest_that_was_written_anew_without_the_key_is_found(envelope: bytes) -> None:
    manifest = unpack(envelope)[MANIFEST_NAME].replace(b'"zone":"kerb"', b'"zone":"door"')
    seal = read_seal(unpack(envelope)[SEAL_NAME])
    import hashlib  # noqa: PLC0415  # a forger's tool

    forged = msgspec.structs.replace(
        seal, sha256=hashlib.sha256(manifest).hexdigest(), size=len(manifest), tags=tags_of(manifest)
    )
    files = {**CONTENTS, MANIFEST_NAME: manifest, SEAL_NAME: write_seal(forged)}
    assert [str(each) for each in _checked(files).faults] == [f"{SEAL_NAME}: its signature is not by its key"]


def test_a_copy_names_an_original_that_is_there(chain: Chain) -> None:
    draft = a_draft("orphan", {})
    original, copy = b"original", b"copy"
    first = listed(draft.event, "arrival.jpg", original)
    second = listed(draft.event, "arrival.jpg", copy, copy_of=first.sha256)
    files = unpack(chain.seal(draft.with_files(first, second)))
    assert not _checked({**files, "arrival.jpg": original, "arrival-marked.jpg": copy}).faults
    alone = unpack(chain.seal(draft.with_files(second)))
    (fault,) = _checked({**alone, "arrival-marked.jpg": copy}).faults
    assert "original that is not listed" in str(fault)


# The chain


def _linked(chain: Chain, count: int) -> list[dict[str, bytes]]:
    return [unpack(chain.seal(a_draft(f"stay-{number}", {}))) for number in range(count)]


def _in_folders(links: list[dict[str, bytes]]) -> dict[str, bytes]:
    return {f"{number}/{name}": content for number, each in enumerate(links) for name, content in each.items()}


def test_a_chain_says_which_numbers_lack_and_where_it_is_forked(tmp_path: Path) -> None:
    links = _linked(Chain(tmp_path), 6)
    assert not _checked(_in_folders(links)).faults
    assert [each.manifest.number for each in _checked(_in_folders(links)).sealed] == [1, 2, 3, 4, 5, 6]
    (fault,) = _checked(_in_folders([links[0], links[2], links[5]])).faults
    assert fault.problem == "missing numbers: 2, 4-5"
    again = Chain(tmp_path / "again")  # it has forgotten all but its name
    again.key = Chain(tmp_path / "key").key
    forked = _checked(_in_folders([*links, *_linked(again, 2)])).faults
    assert [each.problem for each in forked] == [
        "number 1 is there twice, and not the same",
        "number 2 is there twice, and not the same",
    ]


# Hostile packages


@pytest.mark.parametrize("name", ["../up.jpg", "/etc/x.jpg", "a/../../x.jpg", "a\\b.jpg", "C:x.jpg", "a//b.jpg", "./x"])
def test_a_zip_that_names_a_place_outside_is_refused(name: str, tmp_path: Path) -> None:
    path = tmp_path / "hostile.zip"
    with zipfile.ZipFile(path, "w") as archive:
        info = zipfile.ZipInfo("x")
        info.filename = name
        archive.writestr(info, b"x")
    with pytest.raises(Refusal, match="outside the package"):
        open_files(path)


def test_links_bombs_duplicates_and_garbage_are_refused(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("link.jpg")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "link.zip", "w") as archive:
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(Refusal, match="is a link"):
        open_files(tmp_path / "link.zip")
    _zip(tmp_path / "bomb.zip", {"a.jpg": bytes(10_000_000)}, zipfile.ZIP_DEFLATED)
    with pytest.raises(Refusal, match="this is no package"):
        open_files(tmp_path / "bomb.zip")
    with zipfile.ZipFile(tmp_path / "twice.zip", "w") as archive:
        archive.writestr("a.jpg", b"1")
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("a.jpg", b"2")
    with pytest.raises(Refusal, match="is there twice"):
        open_files(tmp_path / "twice.zip")
    (tmp_path / "garbage.zip").write_bytes(b"PK\x03\x04 no zip at all" * 40)
    with pytest.raises(Refusal, match="cannot be read as a ZIP"):
        open_files(tmp_path / "garbage.zip")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "a.jpg").symlink_to("/etc/passwd")
    with pytest.raises(Refusal, match="is a link"):
        open_files(tmp_path / "folder")


def test_a_zip_entry_that_unpacks_to_more_than_it_says_is_refused(tmp_path: Path) -> None:
    path = _zip(tmp_path / "liar.zip", {"a.jpg": bytes(50_000)}, zipfile.ZIP_DEFLATED)
    content = bytearray(path.read_bytes())
    at = content.rindex(b"PK\x01\x02")
    content[at + 24 : at + 28] = struct.pack("<I", 100)
    path.write_bytes(content)
    with pytest.raises(Refusal, match="more than it says"):
        open_files(path)["a.jpg"]()


def test_a_byte_that_is_broken_within_a_zip_is_named_past_the_zips_own_checksum(
    envelope: bytes, tmp_path: Path
) -> None:
    path = _zip(tmp_path / "package.zip", {**CONTENTS, **unpack(envelope)})
    content = bytearray(path.read_bytes())
    content[content.index(CONTENTS["limit.jpg"]) + 1500] ^= 4
    path.write_bytes(content)
    result = CliRunner().invoke(evidence_app, ["verify", str(path)])
    assert result.exit_code == 1
    assert "BROKEN limit.jpg: is broken: byte 1500" in result.output


def test_what_is_no_package_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="no such file"):
        open_files(tmp_path / "nowhere")
    with pytest.raises(Refusal, match="holds no manifest"):
        verify(open_files(tmp_path), None)


# Blocks


@settings(max_examples=60, deadline=None)
@given(content=st.binary(min_size=1, max_size=3 * BLOCK_BYTES), cut=st.integers(0, 3 * BLOCK_BYTES))
def test_a_file_is_whole_only_at_its_own_length(content: bytes, cut: int) -> None:
    tags = tags_of(content)
    assert first_broken(content, len(content), tags) is None
    if cut < len(content):
        found = first_broken(content[:cut], len(content), tags)
        assert found is not None
        assert found.first == cut
