"""Outputs verify in two validators; both flag every tampered file."""

from __future__ import annotations

import io

import numpy as np
import pytest

from gesso.marking.reading import manifest_in
from gesso.media.png import chunks, text_chunks
from gesso.verbs.load import load
from unit.marking.example_request import with_checksums
from unit.marking.second import Wrong, check

MANIFEST = b"caBX"


def outputs(num: int):
    """Digits, every other with a part that was given."""
    model, rng = load("digits"), np.random.default_rng(0)
    for seed in range(num):
        given = {}
        if seed % 2:
            known = rng.integers(0, 256, (28, 28, 4), dtype=np.uint8)
            known[..., 3] = np.where(rng.random((28, 28)) < 0.3, 255, 0)
            given = {"known": known}
        yield model.make(model.request(label=str(seed % 10), seed=seed, num_steps=1, **given))


def parts(png: bytes) -> list[tuple[bytes, bytes]]:
    return [(one.kind, bytes(one.whole)) for one in chunks(png)]


def joined(whole: list[bytes]) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + b"".join(whole)


def said(png: bytes, rng: np.random.Generator) -> bytes:
    """One bit of what the manifest says or of its signature turned, wherever it lies but in the padding, which says nothing."""
    start = png.index(MANIFEST)
    length = int.from_bytes(png[start - 4 : start], "big")
    words = (
        b"gesso.generation",
        b"digitalsourcetype",
        b"c2pa.created",
        b"softwareAgent",
        b"claim_generator_info",
        b"Gesso signer",
        b"instanceID",
    )
    place = png.index(words[rng.integers(len(words))], start, start + length) + int(rng.integers(8))
    changed = bytearray(png)
    changed[place] ^= 1 << int(rng.integers(7))
    return with_checksums(bytes(changed))


def pixels(png: bytes, rng: np.random.Generator) -> bytes:
    """Some pixels painted over, saved by another program that carries all other chunks along."""
    from PIL import Image

    held = np.array(Image.open(io.BytesIO(png)))
    held[rng.integers(28), rng.integers(28)] ^= 1
    out = io.BytesIO()
    Image.fromarray(held).save(out, "PNG")
    drawn = [whole for kind, whole in parts(out.getvalue()) if kind == b"IDAT"]
    kept = parts(png)
    first = next(place for place, (kind, _) in enumerate(kept) if kind == b"IDAT")
    return joined([whole for _, whole in kept[:first]] + drawn + [whole for kind, whole in kept[first:] if kind != b"IDAT"])


def bit(png: bytes, rng: np.random.Generator) -> bytes:
    """One bit of the pixels' chunk turned, its checksum right."""
    place = png.index(b"IDAT") + 4 + int(rng.integers(40))
    changed = bytearray(png)
    changed[place] ^= 1 << int(rng.integers(8))
    return with_checksums(bytes(changed))


def text(png: bytes, rng: np.random.Generator) -> bytes:
    """The record says another seed."""
    at = png.index(b'"seed":') + 7
    return with_checksums(png[:at] + bytes([48 + (png[at] - 47) % 10]) + png[at + 1 :])


def added(png: bytes, rng: np.random.Generator) -> bytes:
    return png[:33] + text_chunks({"Author": "somebody"}) + png[33:]


def moved(png: bytes, rng: np.random.Generator, other: bytes = b"") -> bytes:
    """The manifest of one picture on another."""
    whole = [whole for kind, whole in parts(png) if kind != MANIFEST]
    return joined([whole[0], next(one for kind, one in parts(other) if kind == MANIFEST), *whole[1:]])


def round_trip(marker, num: int, num_tampered: int) -> None:
    folder = marker._folder
    rng = np.random.default_rng(1)
    signed, sources = [], {True: "compositeWithTrainedAlgorithmicMedia", False: "trainedAlgorithmicMedia"}
    for number, result in enumerate(outputs(num)):
        marked = result.marked(".png", marker)
        assert marked.why is None
        seen = manifest_in(marked.data, folder=folder if number % 50 == 0 else None)
        assert seen.state == "intact" and (seen.own or number % 50), number
        assert [one.rpartition("/")[2] for one in seen.source_types] == [sources[number % 2 == 1]]
        assert [one["title"] for one in seen.ingredients] == (["known"] if number % 2 else [])
        assert check(marked.data)["claim_generator_info"]["name"] == "Gesso"
        signed.append(marked.data)
    kinds = (said, pixels, bit, text, added, moved)
    flagged = 0
    for number in range(num_tampered):
        png, tamper = signed[number % num], kinds[number % len(kinds)]
        bad = moved(png, rng, signed[(number + 1) % num]) if tamper is moved else tamper(png, rng)
        assert bad != png
        assert manifest_in(bad).state == "broken", (number, tamper.__name__)
        with pytest.raises(Wrong):
            check(bad)
        flagged += 1
    print(f"{len(signed)} of {num} outputs verify in both validators; {flagged} of {num_tampered} tampered ones are flagged by both")


def test_outputs_verify_and_tampered_ones_are_flagged(marker):
    round_trip(marker, 12, 18)


@pytest.mark.slow
def test_five_hundred_verify_and_two_hundred_tampered_are_flagged(marker):
    """`pytest -m slow tests/unit/marking -s` prints the figures."""
    round_trip(marker, 500, 200)
