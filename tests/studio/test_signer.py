"""The Save menu shows the signing key; saved files are signed, clean copies are not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("c2pa", reason="the extra gesso[studio] is not installed: nothing is signed")

from gesso.marking.reading import manifest_in


def saved(page: Any, act: str) -> bytes:
    page.locator(".save-menu > summary").click()
    with page.expect_download() as download:
        page.locator(f".save-menu [data-act={act}]").click()
    return Path(download.value.path()).read_bytes()


def test_the_save_menu_shows_the_signing_key(visit: Any, app: Any) -> None:
    visit.begin()
    page, told = visit.page, app.state.services.marker.status()
    page.locator(".save-menu > summary").click()
    page.locator(".signer code").wait_for()
    said = page.locator(".signer").inner_text()
    assert "on no trust list" in said and told["fingerprint"][:4] in said
    page.locator("[data-act=signer]").click()
    about = page.locator("dialog .signer-about")
    assert about.locator(".fingerprint").inner_text().replace(" ", "").replace("\n", "") == told["fingerprint"]
    assert "not necessarily real" in about.inner_text()
    assert not visit.complaints


def test_saved_pictures_are_signed_and_clean_copies_are_not(visit: Any, app: Any) -> None:
    visit.begin()
    folder = app.state.services.settings.home / "signing"
    signed = manifest_in(saved(visit.page, "png"), folder=folder)
    assert signed.state == "intact" and signed.own and signed.generation is not None and signed.generation["branch"]["nodes"]
    assert manifest_in(saved(visit.page, "clean")).state == "absent"
    assert not visit.complaints


def test_saving_without_a_signature_shows_a_warning(visit: Any, app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    visit.begin()
    monkeypatch.setattr(app.state.services.marker, "_why", "signing is turned off")
    assert manifest_in(saved(visit.page, "png")).state == "absent"
    visit.page.locator(".notice.wrong").wait_for()
    assert "without a signature" in visit.page.locator(".notice.wrong").first.inner_text()
    visit.page.locator(".save-menu > summary").click()
    visit.page.locator(".signer.warn").wait_for()
    assert "Not signed: signing is turned off" in visit.page.locator(".signer").inner_text()
