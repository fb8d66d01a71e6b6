"""Sanitizes received JSON: upload ids become their pictures, and every data URL is decoded in the sandbox and encoded anew."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from typing import Any

from gesso.card import Card, Slot
from gesso.conditions.condition import Condition
from gesso.errors import GessoError
from gesso.request import Request
from gesso.serving.catalogue.recipe_catalogue import Catalogue
from gesso.serving.decode.decoder import Decoder, data_url_of
from gesso.serving.storage.file_store import FileStore

DEEPEST = 40
OwnCard = Callable[[str, str, Mapping[str, str]], Card | None]  # (owner, recipe, weights) -> the card of these weights


class InputSanitizer:
    """All methods may block: call them from a thread."""

    def __init__(self, catalogue: Catalogue, files: FileStore, decoder: Decoder, own_card: OwnCard | None = None) -> None:
        self._catalogue, self._files, self._decoder, self._own_card = catalogue, files, decoder, own_card

    def sanitize_request(self, owner: str, asked: Mapping[str, Any]) -> Request:
        """A validated request from untrusted JSON."""
        name, weights = asked.get("recipe", ""), asked.get("weights")
        own = self._own_card(owner, name, weights) if self._own_card and isinstance(name, str) and isinstance(weights, Mapping) else None
        card = own or self._catalogue.card(name)
        conditions = asked.get("conditions") or {}
        values = {name: self.condition(owner, card.slot(name), value) for name, value in conditions.items() if value is not None}
        return Request.from_json({**asked, "conditions": values}, card)

    def condition(self, owner: str, slot: Slot, value: Any) -> Condition:
        """The value of a slot from its JSON, or from {"upload": id}."""
        if _is_upload(value):
            return slot.read(self._url_of(owner, value["upload"], slot.name))
        return slot.from_json(self.sanitize(owner, value, slot.name))

    def sanitize_edit(self, owner: str, card: Card, edit: Any, depth: int = 0) -> Any:
        """A session's edit with sanitized values; the session validates the rest."""
        if not isinstance(edit, Mapping):
            return edit
        if isinstance(edit.get("edits"), list) and depth == 0:
            return {**edit, "edits": [self.sanitize_edit(owner, card, one, depth + 1) for one in edit["edits"]]}
        if "value" not in edit or not isinstance(edit.get("slot"), str):
            return self.sanitize(owner, edit, "edit")
        slot = card.slot(edit["slot"])
        value = edit["value"]
        made = self.condition(owner, slot, value) if _is_upload(value) else self.sanitize(owner, value, slot.name)
        return {**edit, "value": made}

    def sanitize(self, owner: str, value: Any, where: str, depth: int = 0) -> Any:
        """JSON in which each data URL, and each {"upload": id}, is replaced by a data URL with a safe picture."""
        if depth > DEEPEST:
            raise GessoError("is nested too deep", where=where, fix="give fewer brackets within brackets")
        if isinstance(value, str):
            return self._decoder.clean_url(value, where=where) if value[:5].lower() == "data:" else value
        if _is_upload(value):
            return self._url_of(owner, value["upload"], where)
        if isinstance(value, Mapping):
            return {name: self.sanitize(owner, one, where, depth + 1) for name, one in value.items()}
        return [self.sanitize(owner, one, where, depth + 1) for one in value] if isinstance(value, list) else value

    def _url_of(self, owner: str, id: str, where: str) -> str:
        try:
            item, data = self._files.read(owner, "upload", id)
        except GessoError as error:
            error.where = where
            raise
        if item.medium != "picture":  # written anew when it was uploaded, and parsed by the kinds that read it
            return f"data:{item.content_type};base64,{base64.b64encode(data).decode()}"
        self._decoder.trust(data)
        return data_url_of(data)


def _is_upload(value: Any) -> bool:
    return isinstance(value, Mapping) and set(value) == {"upload"} and isinstance(value["upload"], str)
