"""What `gesso inspect` says of a file, and that a signed picture is replayed like any other."""

import json

import numpy as np
import pytest

pytest.importorskip("c2pa", reason="the extra gesso[studio] is not installed: nothing is signed")

from gesso.cli import main
from gesso.errors import GessoError
from gesso.marking.marker import Marker
from gesso.marking.reading import ManifestReading
from gesso.media.picture import encode_png, read_picture
from gesso.storage.home import SIGNING
from gesso.verbs.inspect import Inspection, inspect
from gesso.verbs.load import load
from gesso.verbs.replay import replay


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def marker(home):
    made = Marker(home / SIGNING)
    yield made
    made.close()


@pytest.fixture(scope="module")
def result():
    model = load("digits")
    known = np.zeros((28, 28, 4), np.uint8)
    known[:9] = 255
    return model.make(model.request(label="7", known=known, num_steps=1))


def test_a_signed_picture_is_replayed_to_the_bit(result, marker, home, tmp_path):
    path = result.save(tmp_path / "seven.png", mark=marker)
    plain = result.save(tmp_path / "plain.png")
    assert np.array_equal(read_picture(path, least_side=1), read_picture(plain, least_side=1))
    made = replay(path)
    assert made.equal and not made.changed
    found = inspect(path, home=home)
    assert found.manifest.state == "intact" and found.record is not None
    said = dict(found.rows())
    assert said["source"] == "compositeWithTrainedAlgorithmicMedia"  # a part that was given is kept
    assert (
        said["ingredient"] == "known (componentOf)" and "this machine's own key" in said["signer"] and "on no trust list" in said["signer"]
    )


def test_a_changed_picture_is_told(result, marker, home, tmp_path):
    data = bytearray(result.save(tmp_path / "seven.png", mark=marker).read_bytes())
    data[-30] ^= 1
    (tmp_path / "seven.png").write_bytes(data)
    found = inspect(tmp_path / "seven.png", home=home)
    assert found.manifest.state == "broken" and "not to be believed" in dict(found.rows()[:2])["signer"]


def test_a_picture_without_credentials_is_not_called_real(home, tmp_path):
    (tmp_path / "any.png").write_bytes(encode_png(np.zeros((9, 9, 3), np.uint8)))
    found = inspect(tmp_path / "any.png", home=home)
    assert found.manifest.state == "absent" and "does not prove" in found.verdict()
    json.dumps(found.to_json())


def test_a_manifest_of_another_file_of_that_name_is_not_taken_for_its_own(result, marker, home, tmp_path):
    path = result.save(tmp_path / "seven.png", mark=marker)
    (tmp_path / "seven.c2pa").write_bytes(b"of seven.psd")
    assert inspect(path, home=home).manifest.state == "intact"
    assert inspect(path, manifest=tmp_path / "seven.c2pa", home=home).manifest.state == "broken"


def test_what_cannot_be_signed_is_not_written(result, tmp_path):
    (tmp_path / SIGNING).mkdir()
    (tmp_path / SIGNING / "signer.pem").write_text("rot")
    marker = Marker(tmp_path / SIGNING)
    with pytest.raises(GessoError, match="damaged"):
        result.save(tmp_path / "seven.png", mark=marker)
    with pytest.raises(GessoError, match=r"\.png"):
        result.save(tmp_path / "seven.json", mark=marker)
    assert not list(tmp_path.glob("seven*"))
    marker.close()


@pytest.mark.parametrize("wrong", [b"", b"\x89PNG", b"hello"])
def test_what_is_no_picture_is_an_error(home, tmp_path, wrong):
    (tmp_path / "x.png").write_bytes(wrong)
    with pytest.raises(GessoError):
        inspect(tmp_path / "x.png", home=home)


def test_the_commands(home, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("GESSO_HOME", str(home))
    out = str(tmp_path / "three.png")
    assert main(["generate", "digits", "--label", "3", "--num-steps", "1", "--mark", "--out", out]) == 0
    assert main(["inspect", out]) == 0 and "intact" in capsys.readouterr().out
    assert main(["generate", "digits", "--label", "3", "--mark", "--out", str(tmp_path / "three.json")]) == 2
    assert not (tmp_path / "three.json").exists()
    assert main(["signer", "--json"]) == 0
    before = json.loads(capsys.readouterr().out)["fingerprint"]
    assert main(["signer", "--renew", "a test", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["fingerprint"] != before
    assert main(["inspect", out]) == 0 and "retired" in capsys.readouterr().out
    assert main(["replay", out]) == 0


def test_what_a_stranger_wrote_into_it_moves_no_cursor():
    evil = "\x1b]0;owned\x07\x9b2J"
    seen = ManifestReading(
        "intact", signer=evil, source_types=(evil,), ingredients=({"title": evil, "relationship": evil},), generation=["no", "object"]
    )
    for what, found in Inspection(None, seen, "").rows():
        assert found.isprintable(), what
