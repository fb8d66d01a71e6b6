"""Write the measured figures into docs/results.md and docs/results.ko.md from the reports in docs/figures.

    python tools/figures.py [--check] [--measure DATA [--only NAME …]]

Each block between `<!-- figures:NAME -->` and `<!-- /figures:NAME -->` is made from the JSON reports that `gesso measure … --out`
and `tools/sweep_colorize.py … --out` write. --measure first runs these commands in DATA, the folder that holds mnist10k, openmoji,
flats and cifar10; --only limits it to reports or blocks by name (`colorize` alone takes about half an hour). The benches of the block
`studio` run only if they are named, on a machine that does nothing else; their output is kept as text. With --check nothing is
written, and the exit code is 1 where a page differs from the reports. A block whose reports are missing is kept as it stands.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
REPORTS = ROOT / "docs" / "figures"
PAGES = {"en": ROOT / "docs" / "results.md", "ko": ROOT / "docs" / "results.ko.md"}
BLOCK = re.compile(r"(<!-- figures:(\w+) -->\n)(.*?)(<!-- /figures:\2 -->)", re.DOTALL)

MEASURE = ("-m", "gesso", "measure")
COMMANDS: dict[str, tuple[str, ...]] = {
    "digit_classifier": (*MEASURE, "digit_classifier", "--data", "mnist10k"),
    "cifar_classifier": (*MEASURE, "cifar_classifier", "--data", "cifar10"),
    "digits": (*MEASURE, "digits", "--data", "mnist10k", "--num", "500"),
    "colorize-openmoji": (*MEASURE, "colorize", "--data", "openmoji", "--rules", "exact"),
    "colorize-flats": (*MEASURE, "colorize", "--data", "flats", "--group=-scene", "--rules", "exact"),
    "colorize-scenes": (*MEASURE, "colorize", "--data", "flats", "--group", "scene", "--rules", "exact"),
    "colorize-styles": (str(ROOT / "tools" / "sweep_colorize.py"), "flats", "--hands", "--limit", "150"),
    "people-colorize": (*MEASURE, "colorize", "--data", "flats", "--people", "all", "--num", "30"),
    "reliability-openmoji": (*MEASURE, "colorize", "--which", "reliability", "--data", "openmoji"),
    "reliability-flats": (*MEASURE, "colorize", "--which", "reliability", "--data", "flats", "--group=-scene"),
}
BENCHES: dict[str, tuple[str, ...]] = {
    "live-256": ("bench/live.py", "--size", "256"),
    "live-1024": ("bench/live.py", "--size", "1024"),
    "page-256": ("bench/page.py", "--size", "256", "--strokes", "120"),
    "page-1024": ("bench/page.py", "--size", "1024", "--strokes", "40"),
    "page-256-four": ("bench/page.py", "--size", "256", "--people", "4", "--strokes", "40"),
}
COUNTS = ("0", "1", "3", "5", "10", "half")
# A set of drawings: its report, its pooled aims over `exact` in dB (without hints, with hints), its name.
SETS = {
    "openmoji": (3.0, 1.5, {"en": "OpenMoji", "ko": "OpenMoji"}),
    "flats": (3.0, 1.5, {"en": "flat drawings", "ko": "밑색 그림"}),
    "scenes": (2.5, 1.0, {"en": "scenes", "ko": "장면"}),
    "styles": (3.0, 1.5, {"en": "two unseen drawing styles", "ko": "배우지 않은 두 화풍"}),
}
STUDIO = {
    "live-256": ("60/150", {"en": "through the socket, 256²", "ko": "소켓으로, 256²"}),
    "live-1024": ("–/400", {"en": "through the socket, 1024²", "ko": "소켓으로, 1024²"}),
    "page-256": ("60/150; 200/350", {"en": "in Chromium, 256²", "ko": "크로미움에서, 256²"}),
    "page-1024": ("–/400", {"en": "in Chromium, 1024²", "ko": "크로미움에서, 1024²"}),
    "page-256-four": ("–/600", {"en": "four users in four Chromium windows, 256²", "ko": "사용자 네 명이 크로미움 창 네 개에서, 256²"}),
}
TIMES = re.compile(r"median (\d+) ms, p95 (\d+) ms")
WORDS = {
    "en": {
        "hints": "hints",
        "half": "half of the pieces",
        "exact": "exact, rest white",
        "missed": "Below the pooled aim",
        "none": "none",
        "aim": "aim",
        "paper": "paper that comes out coloured",
        "inside": "enclosed white that comes out coloured",
        "hinted": "hinted pieces, dB",
        "wrong": "unhinted pieces in a hint's colour by mistake, per picture, at 1, 3, 10 hints (difference to *exact*)",
        "recall": "recall of similar pieces",
        "sureness": "calibration error of sureness",
        "unchanged": "pixels unchanged in drawings that need no colour",
        "commands": "Commands",
        "evaluations": "network evaluations",
        "heun": "Heun (its evaluations)",
        "stroke": "stroke in the picture",
        "finished": "finished",
    },
    "ko": {
        "hints": "힌트 수",
        "half": "조각의 절반",
        "exact": "정답 조각만 칠하고 나머지는 흰색",
        "missed": "pooled 목표에 못 미친 힌트 수",
        "none": "없음",
        "aim": "목표",
        "paper": "잘못 칠해진 종이",
        "inside": "잘못 칠해진 안쪽의 흰 곳",
        "hinted": "힌트를 준 조각, dB",
        "wrong": "힌트 없이 잘못 힌트 색이 된 조각 수(그림마다), 힌트 1, 3, 10개(*정답 조각만*과의 차)",
        "recall": "비슷한 조각의 재현율",
        "sureness": "확신의 보정 오차",
        "unchanged": "칠하지 않아야 할 그림에서 그대로인 픽셀",
        "commands": "명령",
        "evaluations": "신경망 호출 수",
        "heun": "Heun (괄호는 호출 수)",
        "stroke": "획이 그림에",
        "finished": "완성",
    },
}

Reports = Mapping[str, Mapping[str, Any]]


def table(header: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table."""
    names = list(header)
    lines = [names, ["---"] * len(names), *map(list, rows)]
    return "\n".join("|" + "|".join(line) + "|" if line[0] == "---" else "| " + " | ".join(line) + " |" for line in lines)


def span(values: Iterable[float | None], form: str = "{:.2f}", scale: float = 1.0) -> str:
    """Lowest to highest of the values that there are."""
    known = [scale * value for value in values if value is not None]
    if not known:
        return "–"
    ends = [form.format(min(known)), form.format(max(known))]
    return "–".join(dict.fromkeys(ends))


def commands(reports: Iterable[Mapping[str, Any]], language: str) -> str:
    """The command of each report, one a line."""
    return f"{WORDS[language]['commands']}:\n\n" + "\n".join(f"- `{report['command']}`" for report in reports)


def missed(figures: Mapping[str, Any], first: float, later: float) -> list[str]:
    """The counts of hints whose pooled PSNR is below `exact` plus the aim."""
    own, exact = figures["hints"], figures["exact"]
    gains = {count: own[count]["pooled"] - exact[count]["pooled"] for count in COUNTS}
    return [f"{count} ({gain:+.1f})" for count, gain in gains.items() if round(gain, 2) < (first if count == "0" else later)]


def colorize(reports: Reports, language: str) -> str:
    """PSNR against `exact`, and how often colour comes out where it should not."""
    say = WORDS[language]
    sets = {key: reports[f"colorize-{key}"]["figures"] for key in SETS}
    counts = [say["half"] if count == "half" else count for count in COUNTS]
    rows, short = [], []
    for key, figures in sets.items():
        first, later, names = SETS[key]
        for who, part in ((say["exact"], "exact"), ("**colorize**", "hints")):
            cells = [f"{figures[part][count]['capped']:.1f}/{figures[part][count]['pooled']:.1f}" for count in COUNTS]
            rows.append([f"{names[language]}, {figures['pictures']}: {who}", *cells])
        short.append(f"- {names[language]}: " + (", ".join(missed(figures, first, later)) or say["none"]))
    shown = ["openmoji", "flats", "scenes"]
    sureness = [reports[f"reliability-{key}"]["figures"] for key in ("openmoji", "flats")]
    header = ["", *(SETS[key][2][language] for key in shown), say["aim"]]
    return "\n\n".join(
        [
            table([say["hints"], *counts], rows),
            f"{say['missed']}:\n\n" + "\n".join(short),
            table(
                header,
                mistakes([sets[key] for key in shown], sureness, say),
            ),
            commands(reports.values(), language),
        ]
    )


def mistakes(sets: list[Mapping[str, Any]], sureness: list[Mapping[str, Any]], say: Mapping[str, str]) -> list[list[str]]:
    """Rows of the second table of `colorize`; a column a set, then the aim."""

    def row(name: str, aim: str, cell: Callable[[Mapping[str, Any]], str]) -> list[str]:
        return [say[name], *map(cell, sets), aim]

    def every(figures: Mapping[str, Any], name: str) -> list[float | None]:
        return [one.get(name) for one in figures["hints"].values()]

    def wrong(figures: Mapping[str, Any]) -> str:
        own, exact = ([figures[part][count]["wrong"] for count in ("1", "3", "10")] for part in ("hints", "exact"))
        return ", ".join(f"{a:.1f} ({a - b:+.1f})" for a, b in zip(own, exact, strict=True))

    errors = [f"{one['error']:.3f}" for one in sureness]
    left = [f"{100 * one['unchanged']:.0f} %" if one["unchanged"] is not None else "–" for one in sets]
    return [
        row("paper", "≤ 1 %", lambda one: span(every(one, "paper"), "{:.1f}", 100) + " %"),
        row("inside", "≤ 30 %", lambda one: span(every(one, "inside"), "{:.0f}", 100) + " %"),
        row("hinted", "≥ 36", lambda one: span(every(one, "hinted"), "{:.1f}")),
        row("wrong", "≤ +0.3 (+0.5)", wrong),
        row("recall", "≥ 0.25", lambda one: span(every(one, "recall"))),
        [say["sureness"], *errors, "–", "≤ 0.05"],
        [say["unchanged"], *left, "≥ 98 %"],
    ]


def digits(reports: Reports, language: str) -> str:
    """Is the class obeyed, and how near are the pictures to real ones, by guidance and by steps."""
    report = reports["digits"]
    figures, say = report["figures"], WORDS[language]
    by_steps, by_scale = (next(rows for key, rows in figures.items() if key.startswith(start)) for start in ("by steps", "by guidance"))
    at = {"en": "{share} at guidance {scale:g}", "ko": "가이던스 {scale:g}에서 {share}"}[language]
    shares = ", ".join(at.format(share=percent(row["class obeyed"]), scale=row["guidance"]) for row in by_scale)
    known = figures["known"]
    text = {
        "en": "Class obeyed: {shares} (of {num} digits; `digit_classifier` judges; real digits reach {real}).\n"
        "Of known pixels, {kept} are equal to the bit, with the class obeyed in {obeyed} (n {num_known}).\n"
        "fd_gesso against {num} held-out digits, guidance 1 (lower is closer; half of the real digits against the other half: {half:.2f}):",
        "ko": "고른 숫자를 따른 비율: {shares} ({num}장, 판정은 `digit_classifier`, 진짜 숫자는 {real}).\n"
        "주어진 픽셀의 {kept}가 비트까지 그대로이고, 그때 {obeyed}가 고른 숫자를 따릅니다({num_known}장).\n"
        "떼어 둔 {num}장과의 fd_gesso, 가이던스 1(낮을수록 가까움. 진짜 숫자의 반끼리는 {half:.2f}):",
    }[language].format(
        shares=shares,
        num=figures["n"],
        real=percent(figures["class obeyed by the real"]),
        kept=percent(known["pixels kept to the bit"]),
        obeyed=percent(known["class obeyed"]),
        num_known=known["n"],
        half=figures["fd_gesso of one half of the real against the other"],
    )
    euler, heun = ([row for row in by_steps if row["solver"] == solver] for solver in ("euler", "heun"))
    cells = [f"{row['fd_gesso']:.2f} ({row['evaluations']})" for row in heun]
    rows = [["Euler", *(f"{row['fd_gesso']:.2f}" for row in euler)], [say["heun"], *cells, *[""] * (len(euler) - len(heun))]]
    header = [say["evaluations"], *(str(row["evaluations"]) for row in euler)]
    return "\n\n".join([text, table(header, rows), commands([report], language)])


def percent(share: float) -> str:
    """A share in percent: 98.6 %, 100 %."""
    return f"{100 * share:.1f} %".replace(".0 %", " %")


def classifiers(reports: Reports, language: str) -> str:
    """Accuracy of the yardsticks."""
    of = {"en": "**{share}** of {num:,} held-out pictures", "ko": "떼어 둔 그림 {num:,}장의 **{share}**"}[language]
    lines = []
    for name, report in reports.items():
        figures = report["figures"]
        lines.append(f"- `{name}`: " + of.format(share=percent(figures["accuracy"]), num=figures["n"]))
    return "\n".join(lines) + "\n\n" + commands(reports.values(), language)


def studio(reports: Reports, language: str) -> str:
    """How long a stroke takes: each bench prints first when the stroke is in the picture, then when the picture is finished."""
    say = WORDS[language]
    rows = []
    for name, (aim, names) in STUDIO.items():
        stroke, finished = ("/".join(times) for times in TIMES.findall(reports[name]["text"])[:2])
        rows.append([names[language], stroke, finished, aim])
    return table(["", say["stroke"], say["finished"], say["aim"]], rows) + "\n\n" + commands(reports.values(), language)


# A block: what makes it, and the reports it needs.
BLOCKS: dict[str, tuple[Callable[[Reports, str], str], tuple[str, ...]]] = {
    "colorize": (colorize, (*(f"colorize-{key}" for key in SETS), "reliability-openmoji", "reliability-flats")),
    "digits": (digits, ("digits",)),
    "classifiers": (classifiers, ("digit_classifier", "cifar_classifier")),
    "studio": (studio, tuple(BENCHES)),
}


def kept(name: str, folder: Path) -> Path:
    """Where a report is kept."""
    return folder / (f"{name}.txt" if name in BENCHES else f"{name}.json")


def read(name: str, folder: Path) -> Mapping[str, Any]:
    """A report; of a bench its command and its text."""
    text = kept(name, folder).read_text("utf-8")
    return {"command": " ".join(["python", *BENCHES[name]]), "text": text} if name in BENCHES else json.loads(text)


def rendered(name: str, language: str, folder: Path = REPORTS) -> str | None:
    """The text of a block, or None where nothing here makes it or a report of it is missing."""
    make, needed = BLOCKS.get(name, (None, ()))
    if make is None or not all(kept(one, folder).is_file() for one in needed):
        return None
    return make({one: read(one, folder) for one in needed}, language) + "\n"


def updated(text: str, language: str, folder: Path = REPORTS) -> str:
    """A page with its blocks made anew."""

    def block(found: re.Match[str]) -> str:
        made = rendered(found[2], language, folder)
        return found[1] + (found[3] if made is None else made) + found[4]

    return BLOCK.sub(block, text)


def measure(data: Path, only: Sequence[str]) -> None:
    """Run the commands of the reports named (by default all but the benches), and keep what they print in docs/figures."""
    chosen = {one for name in only for one in (BLOCKS[name][1] if name in BLOCKS else [name])} or set(COMMANDS)
    REPORTS.mkdir(exist_ok=True)
    for name in (one for one in COMMANDS if one in chosen):
        subprocess.run([sys.executable, *COMMANDS[name], "--out", str(kept(name, REPORTS))], cwd=data, check=True)
    for name in (one for one in BENCHES if one in chosen):
        run = subprocess.run([sys.executable, *BENCHES[name]], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
        kept(name, REPORTS).write_text(run.stdout, "utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--measure", type=Path, metavar="DATA")
    parser.add_argument("--only", nargs="+", default=[], choices=sorted({*COMMANDS, *BENCHES, *BLOCKS}), metavar="NAME")
    given = parser.parse_args()
    if given.measure:
        measure(given.measure, given.only)
    stale = []
    for language, page in PAGES.items():
        old = page.read_text("utf-8")
        new = updated(old, language)
        for name in [found[1] for found in BLOCK.findall(old)]:
            if rendered(name, language) is None:
                print(f"{page.name}: {name} is kept as it stands: reports are missing", file=sys.stderr)
        if new != old:
            stale.append(page.name)
            if not given.check:
                page.write_text(new, "utf-8")
    if stale:
        print(f"{'out of date' if given.check else 'written'}: {', '.join(stale)}")
    return int(bool(stale) and given.check)


if __name__ == "__main__":
    sys.exit(main())
