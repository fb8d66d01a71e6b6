"""A recipe's documentation page, made from its card, in English or Korean."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from gesso import recipes
from gesso.card import Card

LANGUAGES = ("en", "ko")
FIGURES = Path(__file__).resolve().parents[1] / "docs" / "figures"
HEADINGS = {
    "en": {
        "other": "한국어",
        "recipes": "Recipes",
        "index": "One page for each recipe, made from its card. `gesso recipes` prints the same list.",
        "example": "Example",
        "conditions": "Conditions",
        "conditions_note": "What a user can give. The name is the command-line flag, the JSON key and the studio's tool.",
        "outputs": "Outputs",
        "settings": "Settings",
        "figures": "Figures",
        "people": "Simulated people",
        "people_note": "What simulated people reach who steer it, each in their own way (docs/conditions.md):",
        "person": "person",
        "not_steered": "Simulated people do not steer it",
        "not_measured": "Not measured yet",
        "limits": "Limits",
        "source": "Source and licence",
        "weights": "Shipped weights",
        "name": "name",
        "kind": "kind",
        "meaning": "meaning",
        "required": "required",
        "medium": "medium",
        "values": "values",
        "default": "default",
        "paper": "paper",
        "licence": "licence",
        "data": "data",
        "none": "none",
        "automatic": "automatic",
    },
    "ko": {
        "other": "English",
        "recipes": "레시피",
        "index": "레시피마다 카드로 만든 페이지가 하나씩 있습니다. `gesso recipes`도 같은 목록을 출력합니다.",
        "example": "예",
        "conditions": "조건",
        "conditions_note": "사용자가 줄 수 있는 것입니다. 이름은 명령줄 플래그, JSON 키, 스튜디오 도구의 이름입니다.",
        "outputs": "출력",
        "settings": "설정",
        "figures": "측정값",
        "people": "시뮬레이션 사용자",
        "people_note": "저마다의 방식으로 다루는 시뮬레이션 사용자가 얻은 값입니다(docs/conditions.md).",
        "person": "사용자",
        "not_steered": "시뮬레이션 사용자로 재지 않습니다",
        "not_measured": "아직 재지 않았습니다",
        "limits": "한계",
        "source": "출처와 라이선스",
        "weights": "함께 배포하는 가중치",
        "name": "이름",
        "kind": "종류",
        "meaning": "뜻",
        "required": "필수",
        "medium": "매체",
        "values": "값",
        "default": "기본값",
        "paper": "논문",
        "licence": "라이선스",
        "data": "데이터",
        "none": "없음",
        "automatic": "자동",
    },
}


def file_name(name: str, language: str) -> str:
    """The page's name in the folder of recipe pages."""
    return f"{name}.md" if language == "en" else f"{name}.{language}.md"


def index(cards: Iterable[Card], language: str) -> str:
    """The list of all recipes with their summaries."""
    say = HEADINGS[language]
    lines = [f"- [`{card.name}`]({file_name(card.name, language)}): {text(card.summary, language)}" for card in cards]
    twin = other(index_name("ko" if language == "en" else "en"), language)
    return "\n\n".join([f"# {say['recipes']}", twin, say["index"], "\n".join(lines)]) + "\n"


def index_name(language: str) -> str:
    """The name of the list's own file."""
    return "index.md" if language == "en" else f"list.{language}.md"


def page(card: Card, language: str, weights: str = "", steered: str = "") -> str:
    """The whole page; `weights` is the Markdown of what is said beside the shipped weights, in English, and `steered` that of people."""
    say = HEADINGS[language]
    parts = [
        f"# {text(card.title, language)}",
        other(file_name(card.name, "ko" if language == "en" else "en"), language),
        f"`{card.name}`. {text(card.summary, language)}",
    ]
    if card.example:
        parts += [f"## {say['example']}", f"```sh\n{card.example}\n```"]
    parts += [f"## {say['conditions']}"]
    parts += [say["conditions_note"], conditions(card, language)] if card.conditions else [say["none"]]
    parts += [f"## {say['outputs']}", outputs(card, language)]
    parts += [f"## {say['settings']}", settings(card, language) if card.settings.model_fields else say["none"]]
    if card.numbers:
        parts += [f"## {say['figures']}", "\n".join(f"- {number}" for number in card.numbers)]
    if steered:
        parts += [f"## {say['people']}", steered]
    if card.limits:
        parts += [f"## {say['limits']}", text(card.limits, language)]
    facts = [(say["paper"], card.paper), (say["licence"], card.licence), (say["data"], card.data)]
    parts += [f"## {say['source']}", "\n".join(f"- {name}: {value}" for name, value in facts if value)]
    if weights:
        parts += [f"## {say['weights']}", weights]
    return "\n\n".join(parts) + "\n"


def text(words: Mapping[str, str], language: str) -> str:
    """Words in the language, or in English where there are none."""
    return words.get(language) or words.get("en", "")


def other(target: str, language: str) -> str:
    """The link to the same page in the other language."""
    return f"*[{HEADINGS[language]['other']}]({target})*"


def table(header: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table; bars inside of cells are escaped."""
    lines = [[cell.replace("|", "\\|").replace("\n", " ") for cell in row] for row in (header, *rows)]
    lines.insert(1, ["---"] * len(lines[0]))
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def conditions(card: Card, language: str) -> str:
    say = HEADINGS[language]
    rows = []
    for slot in card.conditions:
        meaning = named(slot.title, slot.help, language) + (f" ({say['required']})" if slot.required else "")
        rows.append([f"`{slot.name}`", f"`{slot.kind.kind}`", meaning])
    return table([say["name"], say["kind"], say["meaning"]], rows)


def outputs(card: Card, language: str) -> str:
    say = HEADINGS[language]
    rows = [[f"`{out.name}`", out.medium, text(out.help, language)] for out in card.outputs]
    return table([say["name"], say["medium"], say["meaning"]], rows)


def settings(card: Card, language: str) -> str:
    say = HEADINGS[language]
    schema = card.settings_schema()["properties"]
    rows = []
    for name, field in schema.items():
        words = field["words"]
        default = say["automatic"] if field.get("default") is None else f"`{field['default']}`"
        meaning = named(words.get("title", {}), words.get("help", {}), language)
        rows.append([f"`{name}`", values(field, words.get("choices", {}), language), default, meaning])
    return table([say["name"], say["values"], say["default"], say["meaning"]], rows)


def named(title: Mapping[str, str], help: Mapping[str, str], language: str) -> str:
    """**Title**: help, or the one that there is."""
    parts = [f"**{text(title, language)}**" if title else "", text(help, language)]
    return ": ".join(part for part in parts if part)


def values(field: Mapping[str, Any], choices: Mapping[str, Mapping[str, str]], language: str) -> str:
    """The values that a setting takes: its choices with their words, or its range."""
    kind = next((one for one in field.get("anyOf", [field]) if one.get("type") != "null"), field)
    told = {name: text(words, language) for name, words in choices.items()}
    if "enum" in kind:
        return ", ".join(f"`{one}`" + (f" ({told[str(one)]})" if str(one) in told else "") for one in kind["enum"])
    low, high = kind.get("minimum"), kind.get("maximum")
    span = "–".join(f"{end:,.10g}" for end in (low, high) if end is not None) or str(kind.get("type", ""))
    ends = sorted(told.items(), key=lambda item: float(item[0]))  # of a number, only numbers have words
    return span + (" (" + ", ".join(f"{name}: {words}" for name, words in ends) + ")" if ends else "")


def people(recipe: Any, language: str, figures: Path) -> str:
    """The table of simulated people from the recipe's report, or why there is none."""
    from gesso.steering.people import why_not
    from gesso.verbs.measure import cell_text

    say, report = HEADINGS[language], figures / f"people-{recipe.name}.json"
    if reason := why_not(recipe):
        return f"{say['not_steered']}: {text(reason, language)}."
    if not report.is_file():
        return f"{say['not_measured']}: `gesso measure {recipe.name} --people all`."
    told = json.loads(report.read_text("utf-8"))
    rows = told["figures"]["people"]
    columns = [name for name in next(iter(rows.values())) if any(row[name] is not None for row in rows.values())]
    cells = [[name, *(cell_text(row[column]) for column in columns)] for name, row in rows.items()]
    return "\n\n".join([say["people_note"], table([say["person"], *columns], cells), f"`{told['command']}`, n = {told['figures']['n']}"])


def pages(shipped: Path) -> dict[str, str]:
    """Every page by its file's name, for all recipes of the package; `shipped` is the folder of shipped weights."""
    found = [recipes.find(name) for name in recipes.names()]
    cards = [recipe.card for recipe in found]
    made = {index_name(language): index(cards, language) for language in LANGUAGES}
    for recipe in found:
        card = recipe.card
        beside = shipped / f"{card.name}.md"
        weights = beside.read_text("utf-8").split("\n", 1)[1].strip() if beside.is_file() else ""
        for language in LANGUAGES:
            made[file_name(card.name, language)] = page(card, language, weights, people(recipe, language, FIGURES))
    return made
