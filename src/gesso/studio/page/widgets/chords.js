/** Chords by their symbols: a text to type, and a strip of chips in time, to be put over a piano roll. */
import { fill, h } from "../ui/elements.js";
import { refreshText, t, titleOf, w } from "../words/language.js";

const BEAT = 4; // steps
const BAR = 16;
const MAX_STEPS = 4096;
/** @typedef {[number, number, string]} Mark start, length, symbol */

/** A text such as "G:8 Em:4 -:4 D7:4"; null where a length is none. @param {string} text @returns {Mark[] | null} */
export function parseChords(text) {
  let at = 0;
  /** @type {Mark[]} */ const marks = [];
  for (const part of text.trim().split(/[\s|,]+/).filter(Boolean)) {
    const found = /^([^:]+?)(?::(\d{1,4}))?$/.exec(part);
    const length = Number(found?.[2] ?? BEAT);
    if (!found || length < 1 || at + length > MAX_STEPS) return null;
    if (found[1] !== "-") marks.push([at, length, found[1]]);
    at += length;
  }
  return marks;
}

/** @param {Mark[]} marks */
export function writeChords(marks) {
  const words = [];
  let at = 0;
  for (const [start, length, symbol] of marks) {
    if (start > at) words.push(`-:${start - at}`);
    words.push(length === BEAT ? symbol : `${symbol}:${length}`);
    at = start + length;
  }
  return words.join(" ");
}

/** Marks with another among them, which cuts those that it covers; an empty symbol removes. @param {Mark[]} marks @param {Mark} added @returns {Mark[]} */
export function putChord(marks, [start, length, symbol]) {
  const end = start + length;
  const kept = marks.flatMap(([s, l, name]) => {
    /** @type {Mark[]} */ const parts = [];
    if (s < start) parts.push([s, Math.min(l, start - s), name]);
    if (s + l > end && s >= start) parts.push([Math.max(s, end), s + l - Math.max(s, end), name]);
    return parts;
  });
  return [...kept, .../** @type {Mark[]} */ (symbol ? [[start, length, symbol]] : [])].sort((a, b) => a[0] - b[0]);
}

/** @param {import("../session/editor.js").Editor} editor @param {any} slot */
const marksOf = (editor, slot) => /** @type {Mark[]} */ (editor.given.conditions[slot.name]?.marks ?? []);

/** @param {import("../session/editor.js").Editor} editor @param {any} slot @param {Mark[]} marks */
function commit(editor, slot, marks) {
  if (JSON.stringify(marks) === JSON.stringify(marksOf(editor, slot))) return;
  editor.commit(marks.length ? { op: "set", slot: slot.name, value: { marks } } : { op: "drop", slot: slot.name });
}

/** @param {import("../session/editor.js").Editor} editor @param {any} _view @param {any} slot */
export function chordsWidget(editor, _view, slot) {
  const text = h("input", { type: "text", class: "wide", spellcheck: "false", placeholder: "G:8 Em D7 G:8", "aria-label": titleOf(slot), "data-slot": slot.name });
  text.addEventListener("change", () => {
    const marks = parseChords(text.value);
    text.setAttribute("aria-invalid", String(!marks));
    if (marks) commit(editor, slot, marks);
  });
  const show = () => document.activeElement === text || (text.value = writeChords(marksOf(editor, slot)));
  editor.on("given", () => text.isConnected && show());
  show();
  return { element: h("div", {}, text, h("p", { class: "quiet" }, w("chords_help"))) };
}

/**
 * A strip over the time axis of a roll: a chip for each chord, and a place to write one on each half of a bar.
 * @param {import("../session/editor.js").Editor} editor @param {any} slot @param {() => number} stepsOf
 */
export function chordStrip(editor, slot, stepsOf) {
  const element = h("div", { class: "chord-strip", role: "group", "aria-label": titleOf(slot) });

  /** @param {number} start @param {number} length @param {string} symbol @param {HTMLElement} chip */
  function edit(start, length, symbol, chip) {
    const box = h("input", { type: "text", class: "chord-edit", maxlength: 8, spellcheck: "false", "aria-label": w("chords_write"), props: { value: symbol } });
    Object.assign(box.style, { left: chip.style.left, width: `max(52px, ${chip.style.width})` });
    let done = false;
    const finish = (/** @type {boolean} */ keep) => {
      if (done) return;
      done = true;
      box.remove();
      if (keep && box.value.trim() !== symbol) commit(editor, slot, putChord(marksOf(editor, slot), [start, length, box.value.trim()]));
      show();
    };
    box.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
      event.stopPropagation();
      if (event.key === "Enter") finish(true);
      if (event.key === "Escape") finish(false);
    });
    box.addEventListener("blur", () => finish(true));
    element.append(box);
    box.focus();
    box.select();
  }

  function show() {
    const steps = stepsOf();
    if (!steps || element.querySelector(".chord-edit")) return; // it is shown again when the edit is done
    const marks = marksOf(editor, slot).filter(([start]) => start < steps);
    const free = [];
    for (let at = 0; at < steps; at += BAR / 2) {
      if (!marks.some(([start, length]) => start < at + BAR / 2 && start + length > at)) free.push(/** @type {Mark} */ ([at, Math.min(BAR / 2, steps - at), ""]));
    }
    const chips = [...marks, ...free].sort((a, b) => a[0] - b[0]).map(([start, length, symbol]) => {
      const where = () => `${symbol || t(w("chords_write"))}, ${t(w("notes_bar"))} ${Math.floor(start / BAR) + 1}.${(start % BAR) / BEAT + 1}`;
      const chip = h("button", { type: "button", class: symbol ? "chord" : "chord none", label: where, "data-at": start, on: { click: () => edit(start, length, symbol, chip) } }, symbol || "+");
      Object.assign(chip.style, { left: `${(100 * start) / steps}%`, width: `calc(${(100 * Math.min(length, steps - start)) / steps}% - 2px)` });
      return chip;
    });
    fill(element, chips);
    for (const chip of chips) refreshText(chip);
  }
  editor.on("given", () => element.isConnected && show());
  return { element, show };
}
