/**
 * Music in parts over its roll: bars are chosen, bars and voices are kept, chosen bars are drawn again, chords and notes are written.
 * What the card's controls declare is offered: parts that stay, chords, a melody.
 */
import { randomSeed } from "../session/editor.js";
import { fill, h } from "../ui/elements.js";
import { icon, iconButton } from "../ui/icons.js";
import { barsText, maskOf, partsOf, written } from "../viewers/parts.js";
import { COLOURS, voiceName } from "../viewers/roll.js";
import { chordStrip } from "../widgets/chords.js";
import { melodyEditor } from "../widgets/notes.js";
import { refreshText, t, titleOf, w } from "../words/language.js";

const BAR = 16; // steps
/** @typedef {import("../viewers/roll.js").Score} Score */

/**
 * @param {import("../session/editor.js").Editor} editor @param {() => void} again draws the roll
 * @param {(shown: boolean) => void} showRoll while notes are written, the roll makes room
 */
export function partsDesk(editor, again, showRoll) {
  const slotOf = (/** @type {string} */ tool) => editor.card.conditions.find((/** @type {any} */ slot) => slot.control?.tool === tool);
  const [keeps, chords, melody] = ["known_notes", "chords", "notes"].map(slotOf);
  /** @type {Score} */ let score = { steps: 0, tempo: 80, voices: [] };
  /** @type {any} */ let node = null; // whose music is shown
  /** @type {Set<number>} */ const chosen = new Set();
  /** @type {Set<number>} */ const staying = new Set(); // bars that are kept in all voices
  let last = 0; // the bar that was chosen last
  /** @type {ReturnType<typeof melodyEditor> | null} */ let writing = null;
  let target = ""; // what is written, by key

  const redraw = h("button", { type: "button", class: "primary", "data-act": "redraw", on: { click: () => soon(drawAgain) } }, icon("dice"), h("span", {}, () => t(chosen.size ? w("parts_redraw_bars", { bars: barsOf() }) : w("parts_redraw"))));
  const keep = iconButton("lock", w("parts_keep_help"), () => soon(() => change(true)), { class: "soft", "data-act": "keep" }, w("parts_keep"));
  const free = iconButton("open", w("parts_free_help"), () => soon(() => change(false)), { class: "soft", "data-act": "free" }, w("parts_free"));
  const voices = h("span", { class: "row", role: "group", "aria-label": w("parts_voices") });
  const targets = h("select", { "aria-label": w("parts_write"), "data-field": "write", on: { change: () => write(targets.value) } });
  const strip = h("div", { class: "bar-strip", role: "toolbar", "aria-label": w("parts_bars"), on: { keydown: walk } });
  const chordRow = chords ? chordStrip(editor, chords, () => score.steps) : null;
  const page = h("div", { class: "writing", hidden: true });
  const element = h("div", { class: "desk" }, h("div", { class: "row desk-acts" }, keeps && [redraw, keep, free], h("label", { class: "row" }, icon("pen"), targets), h("span", { class: "gap" }), keeps && voices), chordRow?.element, keeps && strip, page);

  const barsOf = () => barsText([...chosen].sort((a, b) => a - b));
  const given = () => editor.given.conditions;
  const kept = () => maskOf(given()[keeps?.name] ?? null, score.voices.length, score.steps);
  const whole = (/** @type {boolean[]} */ row) => row.length > 0 && row.every(Boolean);
  const current = () => node === editor.head && !editor.pending.length;
  /** @type {(() => void) | null} */ let waiting = null;
  /** Run an act that reads the music, once the music of the newest edit is shown; a later act replaces it. @param {() => void} act */
  const soon = (act) => (current() ? act() : (waiting = act));
  /** Whether a step lies in a chosen bar; in any, where none is chosen. @param {number} step */
  const inside = (step) => !chosen.size || chosen.has(Math.floor(step / BAR));

  /** @param {boolean[][]} mask @param {any[]} [more] edits beside it */
  function commitMask(mask, more = []) {
    const value = partsOf(score.voices, mask);
    const edit = value ? { op: "set", slot: keeps.name, value } : given()[keeps.name] ? { op: "drop", slot: keeps.name } : null;
    const edits = [...(edit ? [edit] : []), ...more];
    if (edits.length) editor.commit(edits.length > 1 ? { op: "several", edits } : edits[0]);
  }

  /** Everything stays but the chosen bars of the voices that are not kept whole; another seed. */
  function drawAgain() {
    const before = kept();
    const seed = { op: "seed", value: randomSeed() };
    if (!chosen.size) return editor.commit(seed);
    const locked = before.map(whole);
    commitMask(before.map((row, voice) => row.map((_, step) => locked[voice] || !inside(step))), [seed]);
  }

  /** Keep the chosen bars, or all, as they are now; or free them. @param {boolean} keeping */
  function change(keeping) {
    commitMask(kept().map((row) => row.map((known, step) => (inside(step) ? keeping : known))));
  }

  /** @param {number} voice */
  function turnVoice(voice) {
    const mask = kept();
    mask[voice].fill(!whole(mask[voice]));
    commitMask(mask);
  }

  /** @param {number} bar @param {boolean} extend */
  function choose(bar, extend) {
    if (extend) for (let one = Math.min(last, bar); one <= Math.max(last, bar); one++) chosen.add(one);
    else if (!chosen.delete(bar)) chosen.add(bar);
    last = bar;
    mark();
  }

  /** Notes written by hand: of a melody, or of a voice that stays. @param {string} key "", a slot's name, or slot/voice */
  function write(key) {
    if (key === target && Boolean(writing) === Boolean(key)) return;
    writing?.close();
    writing = null;
    target = targets.value = key;
    page.hidden = !key;
    strip.hidden = Boolean(key);
    if (chordRow) chordRow.element.hidden = Boolean(key);
    showRoll(!key);
    if (!key) return fill(page);
    const [name, part] = key.split("/");
    const voice = Number(part ?? 0);
    const [low, high] = editor.slot(name).control.ranges?.[voice] ?? [36, 84];
    writing = melodyEditor({
      height: Math.max(160, (element.parentElement?.clientHeight ?? 400) - 190), low, high, voice, ghost: () => score,
      change: (notes) => commitNotes(name, part === undefined ? null : voice, notes),
    });
    fill(page, writing.element);
    showWritten();
  }

  /** @param {string} name @param {number | null} voice @param {{steps: number, notes: number[][]} | null} notes */
  function commitNotes(name, voice, notes) {
    const value = voice === null ? notes : written(given()[name] ?? null, voice, keeps.control.voices ?? score.voices.length, notes);
    editor.commit(value ? { op: "set", slot: name, value } : { op: "drop", slot: name });
  }

  function showWritten() {
    const [name, part] = target.split("/");
    const value = given()[name];
    const notes = value ? { steps: value.steps, notes: part === undefined ? value.notes : value.voices[Number(part)] } : null;
    writing?.set(/** @type {any} */ (notes ?? { steps: score.steps || 64, notes: [] }));
  }

  function mark() {
    const mask = keeps ? kept() : [];
    for (const button of strip.querySelectorAll("button")) {
      const bar = Number(button.dataset.bar);
      staying[mask.length > 0 && mask.every((row) => whole(row.slice(bar * BAR, (bar + 1) * BAR))) ? "add" : "delete"](bar);
      button.setAttribute("aria-pressed", String(chosen.has(bar)));
      button.classList.toggle("kept", staying.has(bar));
      refreshText(button);
    }
    for (const [voice, button] of [...voices.children].entries()) {
      const fixed = voice === 0 && Boolean(given()[melody?.name]);
      const locked = fixed || whole(mask[voice]);
      button.setAttribute("aria-pressed", String(locked));
      /** @type {HTMLButtonElement} */ (button).disabled = fixed;
      button.firstElementChild?.replaceWith(icon(locked ? "lock" : "open"));
    }
    refreshText(redraw.querySelector("[data-words]") ?? redraw);
    free.disabled = !given()[keeps?.name];
    again();
  }

  /** @param {KeyboardEvent} event */
  function walk(event) {
    const next = { ArrowRight: "nextElementSibling", ArrowLeft: "previousElementSibling", Home: "first", End: "last" }[event.key];
    if (!next) return;
    const to = next === "first" ? strip.firstElementChild : next === "last" ? strip.lastElementChild : /** @type {any} */ (event.target)[next];
    to?.focus();
    if (to && event.shiftKey) choose(Number(to.dataset.bar), true);
    event.preventDefault();
    event.stopPropagation();
  }

  /** @param {Score} next @param {any} of the node whose music this is */
  function show(next, of) {
    const other = next.steps !== score.steps || next.voices.length !== score.voices.length;
    [score, node] = [next, of];
    if (other || !strip.childElementCount) build();
    chordRow?.show();
    mark();
    writing?.surface.again();
    const act = waiting;
    if (!act || !current()) return;
    waiting = null;
    act();
  }

  function build() {
    const num = Math.ceil(score.steps / BAR);
    for (const bar of chosen) if (bar >= num) chosen.delete(bar);
    fill(strip, Array.from({ length: num }, (_, bar) => {
      const button = h("button", { type: "button", "data-bar": bar, label: () => `${t(w("notes_bar"))} ${bar + 1}${staying.has(bar) ? `, ${t(w("parts_kept"))}` : ""}`, on: { click: (/** @type {MouseEvent} */ event) => choose(bar, event.shiftKey) } }, String(bar + 1));
      button.style.flexGrow = String(Math.min(BAR, score.steps - bar * BAR));
      return button;
    }));
    fill(voices, score.voices.map((_, voice) => {
      const button = h("button", { type: "button", class: "chip", "data-keep": voice, label: () => `${t(w("parts_keep"))}: ${voiceName(voice, score.voices.length)}`, on: { click: () => soon(() => turnVoice(voice)) } }, icon("open"), () => voiceName(voice, score.voices.length).slice(0, 1));
      button.style.borderColor = COLOURS[voice % COLOURS.length];
      return button;
    }));
    const options = [h("option", { value: "" }, w("parts_listen"))];
    if (melody) options.push(h("option", { value: melody.name }, () => `${t(w("parts_write"))}: ${t(titleOf(melody))}`));
    if (keeps) score.voices.forEach((_, voice) => options.push(h("option", { value: `${keeps.name}/${voice}` }, () => `${t(w("parts_write"))}: ${voiceName(voice, score.voices.length)}`)));
    fill(targets, options);
    targets.value = target;
  }

  return {
    element, show, write,
    /** What the roll shows of it. */
    marks: () => ({ bars: chosen, kept: keeps ? kept() : [] }),
    given: () => {
      if (!score.steps) return;
      mark();
      if (writing) showWritten();
    },
    close: () => writing?.close(),
  };
}
