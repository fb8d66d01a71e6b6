"""Reading manifests; every change of the picture or of the manifest is detected."""

import io
import json
import zipfile

import pytest

from gesso.errors import GessoError
from gesso.marking.reading import certificates, manifest_in, read_manifest
from gesso.marking.signing_request import ORA, PSD
from gesso.media.png import chunks
from unit.marking.example_request import example_request, openraster, photoshop, picture, with_checksums


def test_the_report_names_the_key(marker):
    seen = manifest_in(marker.mark(example_request(), picture()).data, folder=marker._folder)
    assert seen.own == marker.status()["fingerprint"] and not seen.retired
    assert "on no trust list" in seen.signer and marker.status()["trusted"] is False
    assert seen.generation is not None and seen.generation["branch"]["nodes"] == ["root", "leaf"]
    assert [(one["title"], one["relationship"]) for one in seen.ingredients] == [("sketch", "componentOf"), ("reference", "inputTo")]


def test_changed_pixels_are_detected(marker):
    data = marker.mark(example_request(), picture()).data
    start = data.index(b"IDAT")
    for place in range(start + 4, len(data) - 20, 97):
        changed = bytearray(data)
        changed[place] ^= 1
        assert manifest_in(with_checksums(bytes(changed))).state == "broken", place


@pytest.mark.parametrize(
    "said", [b"compositeWithTrained", b"colorize", b"sketch", b"root", b"Gesso signer", b"c2pa.created", b"componentOf"]
)
def test_a_changed_manifest_is_detected(marker, said):
    data = marker.mark(example_request(), picture()).data
    assert said in data
    changed = data.replace(said, said[:-1] + bytes([said[-1] ^ 1]))
    assert manifest_in(with_checksums(changed)).state == "broken"


def test_a_manifest_copied_to_another_picture_is_detected(marker):
    data, other = marker.mark(example_request(), picture(1)).data, picture(2)
    manifest = next(bytes(one.whole) for one in chunks(data) if one.kind == b"caBX")
    assert manifest_in(other[:33] + manifest + other[33:]).state == "broken"


def test_a_member_added_to_layers_is_detected(marker):
    held = io.BytesIO(marker.mark(example_request(format=ORA), openraster()).data)
    with zipfile.ZipFile(held, "a") as archive:
        archive.writestr("data/extra.png", picture(3))
    assert manifest_in(held.getvalue()).state == "broken"


def test_a_key_of_another_machine_is_not_this_ones(marker, own):
    """Whose key it was is proved by the certificate's signature: names and numbers can be copied."""
    seen = manifest_in(own.mark(example_request(), picture()).data, folder=marker._folder)
    assert seen.state == "intact" and not seen.own


def test_a_picture_without_a_manifest():
    seen = manifest_in(picture())
    assert seen.state == "absent" and not seen.source_types and not seen.own


def test_a_files_manifest_is_read_with_the_one_beside(marker, tmp_path):
    document = photoshop()
    (tmp_path / "layers.psd").write_bytes(document)
    assert read_manifest(tmp_path / "layers.psd").state == "absent"
    (tmp_path / "layers.c2pa").write_bytes(marker.mark(example_request(format=PSD), document).beside)
    assert read_manifest(tmp_path / "layers.psd").state == "intact"
    (tmp_path / "rot.c2pa").write_bytes(picture()[:50])
    assert read_manifest(tmp_path / "layers.psd", beside=tmp_path / "rot.c2pa").state == "broken"


def test_other_files_are_refused(tmp_path):
    (tmp_path / "x.txt").write_text("hello")
    with pytest.raises(GessoError, match=r"\.png"):
        read_manifest(tmp_path / "x.txt")
    with pytest.raises(GessoError):
        read_manifest(tmp_path / "none.png")
    with pytest.raises(GessoError):
        manifest_in(picture()[:50])


def test_invalid_certificate_files_are_skipped(tmp_path):
    folder = tmp_path / "certificates"
    folder.mkdir()
    (folder / "x.json").write_text("{")
    (folder / "y.json").write_text(json.dumps({"fingerprint": "z", "chain": "-"}))
    assert list(certificates(tmp_path)) == []
