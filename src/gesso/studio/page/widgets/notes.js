/** A melody to draw: notes on a roll, moved, stretched and taken away with the hand or with keys, and read from a text. */
import { drawRoll, extentOf, spelled, Surface, word } from "../viewers/roll.js";
import { Synth } from "../viewers/synth.js";
import { openButton } from "./music_file.js";
import { h } from "../ui/elements.js";

const SNAPS = [1, 2, 4, 8, 16];
const NAMES = { C: 0, D: 2, E: 4, F: 5, G: 7, A: 9, B: 11 };
const MAX_STEPS = 4096;

/**
 * @typedef {[number, number, number]} Note start, length, pitch
 * @typedef {{steps: number, notes: Note[]}} Melody
 */

/** Notes with another put among them: whatever it covers is cut or goes. @param {Note[]} notes @param {Note} added @returns {Note[]} */
export function put(notes, [start, length, pitch]) {
  const end = start + length;
  /** @type {Note[]} */ const kept = [];
  for (const [s, l, p] of notes) {
    if (s + l <= start || s >= end) kept.push([s, l, p]);
    else if (s < start) kept.push([s, start - s, p]); // what sounded before goes on until here
    else if (s + l > end) kept.push([end, s + l - end, p]);
  }
  kept.push([start, length, pitch]);
  return kept.sort((a, b) => a[0] - b[0]);
}

/** A text such as "C5:4 D5:2 R:2"; null where it is none. @param {string} text @returns {Melody | null} */
export function parse(text) {
  let at = 0;
  /** @type {Note[]} */ const notes = [];
  for (const part of text.trim().split(/[\s|,]+/).filter(Boolean)) {
    const found = /^(?:([A-Ga-g])(##|bb|[#b♯♭]?)(-?\d)|([Rr]))(?::(\d{1,4}))?$/.exec(part);
    const length = Number(found?.[5] ?? 4);
    if (!found || length < 1 || at + length > MAX_STEPS) return null;
    if (!found[4]) {
      const sign = { "": 0, "#": 1, "♯": 1, b: -1, "♭": -1, "##": 2, bb: -2 }[found[2]] ?? 0;
      const pitch = NAMES[/** @type {keyof typeof NAMES} */ (found[1].toUpperCase())] + sign + 12 * (Number(found[3]) + 1);
      if (pitch < 0 || pitch > 127) return null;
      notes.push([at, length, pitch]);
    }
    at += length;
  }
  return at ? { steps: at, notes } : null;
}

/** @param {Melody} melody */
export function written({ steps, notes }) {
  const words = [];
  let at = 0;
  for (const [start, length, pitch] of notes) {
    if (start > at) words.push(`R:${start - at}`);
    words.push(`${spelled(pitch).replace("♯", "#").replace("♭", "b")}:${length}`);
    at = start + length;
  }
  if (at < steps) words.push(`R:${steps - at}`);
  return words.join(" ");
}

/**
 * The editor alone: `change` is called with a melody, or null when it is empty, after each finished gesture.
 * @param {{change: (melody: Melody | null) => void, height?: number, low?: number, high?: number, voice?: number, ghost?: () => any}} options
 *   `voice` is its number among others, from the highest; `ghost` a score to show faintly below
 */
export function melodyEditor({ change, height = 240, low = 55, high = 84, voice = 0, ghost = () => null }) {
  /** @type {Melody} */ let melody = { steps: 64, notes: [] };
  let snap = 4;
  let selected = -1;
  let cursor = { step: 0, pitch: 72 };
  let focused = false;
  /** @type {null | {kind: "move" | "stretch" | "draw", from: Note, others: Note[], step: number, pitch: number, now: Note}} */ let hand = null;
  const synth = new Synth();
  const score = () => ({ steps: melody.steps, tempo: 90, voices: [.../** @type {Note[][]} */ (Array(voice).fill([])), melody.notes] });
  const extent = () => {
    const below = ghost();
    const own = extentOf({ ...score(), voices: [melody.notes, ...(below?.voices ?? [])] });
    return { low: Math.min(low, own.low), high: Math.max(high, own.high, cursor.pitch), steps: melody.steps };
  };
  const surface = new Surface(height, (g, width, tall) => {
    const at = synth.playing ? synth.now() : null;
    const shown = focused && !hand ? { ...cursor, length: selected < 0 ? snap : melody.notes[selected][1] } : null;
    drawRoll(g, score(), { ...extent(), width, height: tall }, { voice, selected, cursor: selected < 0 ? shown : null, at, ghost: ghost() });
  });
  const canvas = surface.canvas;
  canvas.tabIndex = 0;
  canvas.setAttribute("role", "application");
  const make = (/** @type {string} */ tag, /** @type {Object<string, string>} */ attributes = {}, /** @type {(Node | string)[]} */ ...kids) => {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    made.append(...kids);
    return made;
  };
  const play = make("button", { type: "button", class: "chip" });
  const clear = make("button", { type: "button", class: "chip" });
  const grid = /** @type {HTMLSelectElement} */ (make("select", {}, ...SNAPS.map((n) => make("option", { value: String(n) }, n === 16 ? "1" : `1/${16 / n}`))));
  grid.value = String(snap);
  const bars = /** @type {HTMLInputElement} */ (make("input", { type: "number", min: "1", max: "256" }));
  bars.style.width = "4.5em";
  const text = /** @type {HTMLInputElement} */ (make("input", { type: "text", spellcheck: "false", placeholder: "C5:4 D5:2 R:2" }));
  Object.assign(text.style, { width: "100%", boxSizing: "border-box" });
  const [gridLabel, barsLabel, textLabel] = [make("label"), make("label"), make("label")];
  const told = make("p", { role: "status", "aria-live": "polite" });
  Object.assign(told.style, { position: "absolute", width: "1px", height: "1px", overflow: "hidden", clipPath: "inset(50%)", margin: "0" });
  const row = make("div", {}, play, gridLabel, barsLabel, clear);
  Object.assign(row.style, { display: "flex", gap: "8px", alignItems: "center", flexWrap: "wrap", margin: "6px 0" });
  const element = make("div", { class: "notes-widget" }, canvas, row, textLabel, told);
  element.style.position = "relative";

  const say = (/** @type {string} */ what) => (told.textContent = what);
  const nameNote = (/** @type {Note} */ note) => `${spelled(note[2])}, ${word("measures")} ${Math.floor(note[0] / 16) + 1}.${(note[0] % 16) / 4 + 1}, ${note[1]}/16`;
  function show() {
    canvas.setAttribute("aria-label", word("drawing"));
    play.textContent = synth.playing ? "❚❚" : "▶";
    play.setAttribute("aria-label", word(synth.playing ? "pause" : "play"));
    clear.textContent = word("clear");
    gridLabel.replaceChildren(`${word("grid")} `, grid);
    barsLabel.replaceChildren(`${word("measures")} `, bars);
    textLabel.replaceChildren(`${word("text")} `, text);
    bars.value = String(Math.ceil(melody.steps / 16));
    if (document.activeElement !== text) text.value = melody.notes.length ? written(melody) : "";
    surface.again();
  }
  /** @param {Melody} next @param {boolean} [tell] */
  function take(next, tell = true) {
    melody = next;
    if (selected >= melody.notes.length) selected = -1;
    if (synth.playing) synth.load(score());
    show();
    if (tell) change(melody.notes.length ? { steps: melody.steps, notes: melody.notes.map((note) => /** @type {Note} */ ([...note])) } : null);
  }
  /** Room for a step, in whole bars. @param {number} end */
  const room = (end) => Math.min(MAX_STEPS, Math.max(melody.steps, Math.ceil(end / 16) * 16));

  /** @param {PointerEvent} event */
  function under(event) {
    const { low: bottom, high: top, steps } = extent();
    const step = Math.max(0, Math.min(steps - 1, (event.offsetX / canvas.clientWidth) * steps));
    const pitch = Math.max(bottom, Math.min(top, Math.floor(top + 1 - (event.offsetY / canvas.clientHeight) * (top - bottom + 1))));
    const index = melody.notes.findIndex(([s, l, p]) => step >= s && step < s + l && p === pitch);
    const edge = index >= 0 && melody.notes[index][0] + melody.notes[index][1] - step < Math.max(0.6, (8 / canvas.clientWidth) * steps);
    return { step, pitch, index, edge };
  }
  const snapped = (/** @type {number} */ step) => Math.floor(step / snap) * snap;

  canvas.addEventListener("pointerdown", (event) => {
    const { step, pitch, index, edge } = under(event);
    canvas.focus();
    if (event.button === 2 || (event.pointerType !== "mouse" && event.detail === 2)) return void remove(index);
    if (event.button !== 0) return;
    canvas.setPointerCapture(event.pointerId);
    if (index >= 0) {
      const from = melody.notes[index];
      hand = { kind: edge ? "stretch" : "move", from, others: melody.notes.filter((_, n) => n !== index), step, pitch, now: from };
    } else {
      const start = snapped(step);
      const from = /** @type {Note} */ ([start, Math.min(snap, melody.steps - start), pitch]);
      hand = { kind: "draw", from, others: melody.notes, step, pitch, now: from };
    }
    synth.strike(hand.now[2], voice);
    moved(event);
  });
  canvas.addEventListener("pointermove", (event) => (hand ? moved(event) : (canvas.style.cursor = under(event).edge ? "ew-resize" : "crosshair")));
  canvas.addEventListener("pointerup", () => finished(true));
  canvas.addEventListener("pointercancel", () => finished(false));
  canvas.addEventListener("contextmenu", (event) => event.preventDefault());

  /** @param {PointerEvent} event */
  function moved(event) {
    if (!hand) return;
    const { step, pitch } = under(event);
    const [start, length, was] = hand.from;
    if (hand.kind === "move") {
      const by = Math.round((step - hand.step) / snap) * snap;
      hand.now = [Math.max(0, Math.min(melody.steps - length, start + by)), length, pitch - hand.pitch + was];
    } else {
      const end = Math.max(start + 1, Math.min(melody.steps, Math.ceil(step / snap) * snap));
      hand.now = [start, hand.kind === "draw" && end <= start + snap ? hand.from[1] : end - start, was];
    }
    const heard = hand.now[2];
    if (melody.notes[selected]?.[2] !== heard && hand.kind === "move") synth.strike(heard);
    melody = { steps: melody.steps, notes: put(hand.others, hand.now) };
    selected = melody.notes.findIndex((note) => note[0] === /** @type {any} */ (hand).now[0]);
    cursor = { step: hand.now[0], pitch: hand.now[2] };
    surface.again();
  }
  /** @param {boolean} kept */
  function finished(kept) {
    if (!hand) return;
    const { kind, from, others } = hand;
    hand = null;
    if (!kept) take({ steps: melody.steps, notes: kind === "draw" ? others : put(others, from) }, false);
    else take({ ...melody });
  }
  /** @param {number} index */
  function remove(index) {
    if (index < 0) return;
    say(`${nameNote(melody.notes[index])} ${word("gone")}`);
    selected = -1;
    take({ steps: melody.steps, notes: melody.notes.filter((_, n) => n !== index) });
  }

  canvas.addEventListener("focus", () => { focused = true; surface.again(); });
  canvas.addEventListener("blur", () => { focused = false; selected = -1; surface.again(); });
  canvas.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const [dx, dy] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1], PageUp: [0, 12], PageDown: [0, -12] }[event.key] ?? [0, 0];
    const at = melody.notes.findIndex(([s, l]) => cursor.step >= s && cursor.step < s + l);
    if (dx || dy) {
      if (selected >= 0) shift(dx, dy, event.shiftKey);
      else {
        cursor.step = Math.max(0, Math.min(MAX_STEPS - snap, snapped(cursor.step) + dx * snap));
        cursor.pitch = Math.max(0, Math.min(127, cursor.pitch + dy));
        if (cursor.step >= melody.steps) take({ ...melody, steps: room(cursor.step + snap) }, false);
        const here = melody.notes.findIndex(([s, l]) => cursor.step >= s && cursor.step < s + l);
        say(`${spelled(cursor.pitch)}, ${word("measures")} ${Math.floor(cursor.step / 16) + 1}.${(cursor.step % 16) / 4 + 1}: ${here < 0 ? word("rest") : nameNote(melody.notes[here])}`);
        surface.again();
      }
    } else if (event.key === "Home") cursor.step = 0;
    else if (event.key === "Enter") {
      if (selected >= 0) selected = -1;
      else if (at >= 0 && melody.notes[at][2] === cursor.pitch) {
        selected = at;
        say(`${nameNote(melody.notes[at])} ${word("held")}`);
      } else {
        const note = /** @type {Note} */ ([cursor.step, Math.min(snap, melody.steps - cursor.step), cursor.pitch]);
        take({ steps: melody.steps, notes: put(melody.notes, note) });
        synth.strike(cursor.pitch);
        say(`${word("note")} ${nameNote(note)}`);
        cursor.step = Math.min(melody.steps - 1, cursor.step + snap);
      }
    } else if (event.key === "Delete" || event.key === "Backspace") remove(selected >= 0 ? selected : at);
    else if (event.key === "Escape" && selected >= 0) selected = -1;
    else if (event.key === " ") play.click();
    else return;
    event.preventDefault();
    event.stopPropagation();
    surface.again();
  });
  /** @param {number} dx @param {number} dy @param {boolean} stretch */
  function shift(dx, dy, stretch) {
    const [start, length, pitch] = melody.notes[selected];
    const others = melody.notes.filter((_, n) => n !== selected);
    const longer = stretch ? Math.max(1, Math.min(melody.steps - start, length + dx * snap)) : length;
    const begin = stretch ? start : Math.max(0, Math.min(melody.steps - length, start + dx * snap));
    const note = /** @type {Note} */ ([begin, longer, Math.max(0, Math.min(127, pitch + dy))]);
    const notes = put(others, note);
    selected = notes.indexOf(/** @type {Note} */ (notes.find((one) => one[0] === begin)));
    cursor = { step: begin, pitch: note[2] };
    take({ steps: melody.steps, notes });
    if (dy) synth.strike(note[2]);
    say(nameNote(note));
  }

  play.addEventListener("click", () => {
    if (synth.playing) return synth.pause();
    synth.load(score());
    synth.play();
  });
  synth.onchange = () => requestAnimationFrame(() => {
    show();
    if (synth.playing && !element.isConnected) synth.pause();
  });
  clear.addEventListener("click", () => take({ steps: melody.steps, notes: [] }));
  grid.addEventListener("change", () => { snap = Number(grid.value); surface.again(); });
  bars.addEventListener("change", () => {
    const steps = Math.max(1, Math.min(256, Math.round(Number(bars.value)) || 1)) * 16;
    take({ steps, notes: melody.notes.filter(([s]) => s < steps).map(([s, l, p]) => /** @type {Note} */ ([s, Math.min(l, steps - s), p])) });
  });
  text.addEventListener("change", () => {
    const read = text.value.trim() ? parse(text.value) : { steps: melody.steps, notes: [] };
    text.setAttribute("aria-invalid", String(!read));
    if (read) take(read);
  });
  show();
  return {
    element,
    synth,
    surface,
    /** @param {Melody | null} next */
    set(next) {
      if (hand) return;
      take(next ? { steps: next.steps, notes: next.notes.map((note) => /** @type {Note} */ ([...note])) } : { steps: melody.steps, notes: [] }, false);
    },
    get: () => melody,
    close: () => synth.close(),
  };
}

/** @param {import("../session/editor.js").Editor} session @param {any} _view @param {any} slot */
export function notesWidget(session, _view, slot) {
  const editor = melodyEditor({
    change: (melody) => session.commit(melody ? { op: "set", slot: slot.name, value: melody } : { op: "drop", slot: slot.name }),
  });
  let shown = "";
  const show = () => {
    const now = session.given.conditions[slot.name] ?? null;
    const text = JSON.stringify(now);
    if (text === shown) return;
    shown = text;
    editor.set(now);
  };
  session.on("given", () => editor.element.isConnected && show());
  show();
  return { element: h("div", {}, editor.element, openButton(session, slot)) };
}
