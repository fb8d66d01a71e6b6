"""The differences between two states: as JSON for programs, and as sentences in English and Korean."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gesso.card import Card, Slot, value_name
from gesso.conditions.branches import marks_field
from gesso.conditions.condition import Condition
from gesso.steering.fold import State

Said = dict[str, str]  # by language
MAX_LENGTH = 60  # characters of a value within a sentence

WORDS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "given": "{name}: given",
        "given_value": "{name}: {value}",
        "given_marks": "{name}: {num} drawn",
        "given_pixels": "{name}: {value} pixels",
        "removed": "{name}: removed",
        "more": "{name}: {num} more",
        "fewer": "{name}: {num} fewer",
        "exchanged": "{name}: {num} more, {other} fewer",
        "order": "{name}: reordered",
        "value": "{name}: {before} → {after}",
        "pixels": "{name}: {share} of its pixels changed",
        "size": "{name}: {before} → {after} pixels",
        "changed": "{name}: changed",
        "seed": "seed",
        "begun": "started",
        "same": "nothing changed",
        "none": "none",
    },
    "ko": {
        "given": "{name}: 새로 넣음",
        "given_value": "{name}: {value}",
        "given_marks": "{name}: {num}개 그림",
        "given_pixels": "{name}: {value} 픽셀",
        "removed": "{name}: 지움",
        "more": "{name}: {num}개 추가",
        "fewer": "{name}: {num}개 지움",
        "exchanged": "{name}: {num}개 추가, {other}개 지움",
        "order": "{name}: 순서 바뀜",
        "value": "{name}: {before} → {after}",
        "pixels": "{name}: 픽셀의 {share}가 달라짐",
        "size": "{name}: {before} → {after} 픽셀",
        "changed": "{name}: 바뀜",
        "seed": "시드",
        "begun": "시작",
        "same": "바뀐 것 없음",
        "none": "없음",
    },
}


def differences(card: Card, before: State, after: State) -> list[dict[str, Any]]:
    """[{"slot" | "setting": name, or "seed": true; "before", "after": JSON or None; "said": sentence by language}], in the card's order.

    Arrays appear as {"shape", "sha256"}.
    """
    found: list[dict[str, Any]] = []
    for slot in card.conditions:
        old, new = before.values.get(slot.name), after.values.get(slot.name)
        if old is new or (old is not None and new is not None and values_equal(old, new)):
            continue
        said = {language: _slot_said(language, title(slot, language), old, new) for language in WORDS}
        found.append({"slot": slot.name, "before": brief_json(old), "after": brief_json(new), "said": said})
    for name, one in card.settings.model_fields.items():
        default = None if one.is_required() else one.get_default(call_default_factory=True)
        old, new = before.settings.get(name, default), after.settings.get(name, default)
        if old != new:
            told = card.setting_words(name)
            words = {k: _setting_said(k, name, told, old, new) for k in WORDS}
            found.append({"setting": name, "before": old, "after": new, "said": words})
    if before.seed != after.seed:
        words = {k: _say(k, "value", name=WORDS[k]["seed"], before=str(before.seed), after=str(after.seed)) for k in WORDS}
        found.append({"seed": True, "before": before.seed, "after": after.seed, "said": words})
    return found


def summary_of(found: Sequence[Mapping[str, Any]], *, is_root: bool = False) -> Said:
    """Differences as one line by language."""
    nothing = "begun" if is_root else "same"
    return {k: " · ".join(one["said"][k] for one in found) or WORDS[k][nothing] for k in WORDS}


def values_equal(one: Condition, other: Condition) -> bool:
    """Whether two values of a slot are equal."""
    if type(one) is not type(other):
        return False
    return all(_equal(getattr(one, name), getattr(other, name)) for name in type(one).model_fields)


def brief_json(value: Condition | None) -> dict[str, Any] | None:
    """A value's JSON with arrays as {"shape", "sha256"}."""
    if value is None:
        return None
    arrays = {name: getattr(value, name) for name in type(value).model_fields if isinstance(getattr(value, name), np.ndarray)}
    made = value.model_dump(mode="json", exclude=set(arrays))
    return made | {name: {"shape": list(one.shape), "sha256": _hash(one)} for name, one in arrays.items()}


def title(slot: Slot, language: str) -> str:
    """A slot's title for people, or its name where the card has no title."""
    return slot.title.get(language) or _spaced(slot.name)


def _setting_said(language: str, name: str, told: Mapping[str, Any], old: Any, new: Any) -> str:
    called = told.get("title", {}).get(language) or _spaced(name)
    before, after = (told.get("choices", {}).get(value_name(one), {}).get(language) or _short(one, language) for one in (old, new))
    return _say(language, "value", name=called, before=before, after=after)


def _slot_said(language: str, name: str, old: Condition | None, new: Condition | None) -> str:
    if new is None:
        return _say(language, "removed", name=name)
    if old is None:
        return _given(language, name, new)
    marks = marks_field(new)
    if marks is not None and type(old) is type(new):
        more, fewer = _counted(getattr(old, marks), getattr(new, marks))
        key = "exchanged" if more and fewer else "more" if more else "fewer" if fewer else "order"
        return _say(language, key, name=name, num=more or fewer, other=fewer)
    if (pixels := _pixels(old, new)) is not None:
        if old.page != new.page:
            return _say(language, "size", name=name, before=_size(old), after=_size(new))
        return _say(language, "pixels", name=name, share=_share(pixels)) if pixels else _say(language, "changed", name=name)
    texts = _only_scalar(old), _only_scalar(new)
    if None not in texts:
        return _say(language, "value", name=name, before=_short(texts[0], language), after=_short(texts[1], language))
    return _say(language, "changed", name=name)


def _given(language: str, name: str, new: Condition) -> str:
    marks = marks_field(new)
    if marks is not None:
        return _say(language, "given_marks", name=name, num=len(getattr(new, marks)))
    if new.page is not None:
        return _say(language, "given_pixels", name=name, value=_size(new))
    scalar = _only_scalar(new)
    if scalar is not None:
        return _say(language, "given_value", name=name, value=_short(scalar, language))
    return _say(language, "given", name=name)


def _counted(old: Sequence[Any], new: Sequence[Any]) -> tuple[int, int]:
    """How many marks were added and removed. The common start and end are skipped first, because most edits only add."""
    start = 0
    while start < min(len(old), len(new)) and old[start] == new[start]:
        start += 1
    end = 0
    while end < min(len(old), len(new)) - start and old[-1 - end] == new[-1 - end]:
        end += 1
    left = Counter(map(repr, old[start : len(old) - end]))
    right = Counter(map(repr, new[start : len(new) - end]))
    return (right - left).total(), (left - right).total()


def _pixels(old: Condition, new: Condition) -> float | None:
    """The share of the page's pixels, 0 to 1, in which any array differs; None unless both values are pages with at least one array."""
    if type(old) is not type(new) or old.page is None or new.page is None:
        return None
    names = [name for name in type(new).model_fields if isinstance(getattr(new, name), np.ndarray)]
    if not names:
        return None
    if old.page != new.page:
        return 1.0
    differ = np.zeros(new.page, bool)
    for name in names:
        one, other = getattr(old, name), getattr(new, name)
        if one.shape != other.shape or one.shape[:2] != new.page:
            return 1.0
        changed = one != other
        differ |= changed if changed.ndim == 2 else changed.reshape(*new.page, -1).any(-1)
    return float(differ.mean())


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        return one is other or (one.dtype == other.dtype and np.array_equal(one, other))
    return bool(type(one) is type(other) and one == other)


def _only_scalar(value: Condition) -> Any:
    fields = [getattr(value, name) for name in type(value).model_fields]
    return fields[0] if len(fields) == 1 and isinstance(fields[0], (str, int, float)) else None


def _hash(array: np.ndarray) -> str:
    return hashlib.sha256(f"{array.dtype.str}{array.shape}".encode() + np.ascontiguousarray(array).tobytes()).hexdigest()


def _size(value: Condition) -> str:
    height, width = value.page or (0, 0)
    return f"{width} × {height}"


def _share(share: float) -> str:
    return "< 0.1 %" if share < 0.001 else f"{100 * share:.1f} %"


def _short(value: Any, language: str) -> str:
    if value is None:
        return WORDS[language]["none"]
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return text if len(text) <= MAX_LENGTH else text[: MAX_LENGTH - 1] + "…"


def _spaced(name: str) -> str:
    return name.replace("_", " ")


def _say(language: str, key: str, **parts: Any) -> str:
    return WORDS[language][key].format(**parts)
