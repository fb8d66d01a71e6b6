/**
 * A piano roll on a canvas, and the names of notes and voices.
 *
 * A score is {steps, tempo, voices: [[[start, length, pitch], …], …]}: sixteenths, quarters a minute, MIDI numbers.
 * @typedef {{steps: number, tempo: number, voices: number[][][]}} Score
 * @typedef {{low: number, high: number, steps: number, width: number, height: number}} Extent
 */

import { t, w } from "../words/language.js";

export const COLOURS = ["#d64933", "#2e86ab", "#548c2f", "#7a529e", "#b9770e", "#117a65"];
const NAMES = ["C", "C♯", "D", "E♭", "E", "F", "F♯", "G", "G♯", "A", "B♭", "B"];
const VOICES = ["soprano", "alto", "tenor", "bass"];
/** A text of the player or of the widget that draws notes. @param {string} name */
export const word = (name) => t(w(`notes_${name}`));

/** The name of a MIDI number: 60 is C4. @param {number} pitch */
export const spelled = (pitch) => NAMES[pitch % 12] + (Math.floor(pitch / 12) - 1);

/** The name of a voice. @param {number} n @param {number} num */
export const voiceName = (n, num) => (num === 4 ? word(VOICES[n]) : `${word("voice")} ${n + 1}`);

/** Lowest and highest pitch to show. @param {Score} score @param {number} [least] semitones */
export function extentOf(score, least = 14) {
  const pitches = score.voices.flat().map((note) => note[2]);
  let [low, high] = pitches.length ? [Math.min(...pitches) - 2, Math.max(...pitches) + 2] : [58, 82];
  while (high - low < least) [low, high] = [low - 1, high + 1];
  return { low: Math.max(0, low), high: Math.min(127, high), steps: score.steps };
}

/**
 * Draw a roll into a canvas, whose size in pixels is `extent.width` × `extent.height`.
 * @param {CanvasRenderingContext2D} g @param {Score} score @param {Extent} extent
 * @param {{silent?: Set<number>, voice?: number, selected?: number, cursor?: {step: number, pitch: number, length: number} | null, at?: number | null, ghost?: Score | null, bars?: Set<number>, kept?: boolean[][]}} [marks]
 *   `selected` is a note of `voice`; `ghost` is shown faintly below; `bars` are chosen; notes are `kept` by voice and step
 */
export function drawRoll(g, score, extent, marks = {}) {
  const { low, high, steps, width, height } = extent;
  const row = height / (high - low + 1);
  const step = width / steps;
  const style = getComputedStyle(g.canvas);
  const colour = (/** @type {string} */ name, /** @type {string} */ or) => style.getPropertyValue(name).trim() || or;
  g.fillStyle = colour("--paper", "#faf9f6");
  g.fillRect(0, 0, width, height);
  const line = colour("--line", "#d9d1c2");
  for (let pitch = low; pitch <= high; pitch++) {
    const top = (high - pitch) * row;
    if ([1, 3, 6, 8, 10].includes(pitch % 12)) {
      g.fillStyle = line;
      g.globalAlpha = 0.35;
      g.fillRect(0, top, width, row);
      g.globalAlpha = 1;
    }
    if (pitch % 12 === 0) {
      g.fillStyle = line;
      g.fillRect(0, top + row - 1, width, 1);
    }
  }
  for (let at = 0; at < steps; at += 4) {
    g.globalAlpha = at % 16 ? 0.5 : 1;
    g.fillStyle = line;
    g.fillRect(Math.round(at * step), 0, at % 16 ? 1 : 2, height);
  }
  g.globalAlpha = 1;
  for (const bar of marks.bars ?? []) {
    g.globalAlpha = 0.14;
    g.fillStyle = colour("--accent", "#b5432a");
    g.fillRect(bar * 16 * step, 0, 16 * step, height);
  }
  g.globalAlpha = 0.2;
  marks.ghost?.voices.forEach((part, voice) => {
    g.fillStyle = COLOURS[voice % COLOURS.length];
    for (const [start, length, pitch] of part) g.fillRect(start * step + 1, (high - pitch) * row + 1, Math.max(2, length * step - 2), Math.max(2, row - 2));
  });
  for (let voice = score.voices.length - 1; voice >= 0; voice--) {
    score.voices[voice].forEach(([start, length, pitch], n) => {
      const [x, y, w] = [start * step + 1, (high - pitch) * row + 1, Math.max(2, length * step - 2)];
      g.globalAlpha = marks.silent?.has(voice) ? 0.3 : 1;
      g.fillStyle = COLOURS[voice % COLOURS.length];
      g.beginPath();
      g.roundRect(x, y, w, Math.max(2, row - 2), Math.min(4, row / 3));
      g.fill();
      const selected = marks.selected === n && voice === (marks.voice ?? 0);
      if (selected || marks.kept?.[voice]?.[start]) {
        g.strokeStyle = colour("--ink", "#2e2a25");
        g.lineWidth = selected ? 2 : 1.2;
        g.stroke();
      }
    });
  }
  g.globalAlpha = 1;
  g.fillStyle = colour("--soft-ink", "#6a6257");
  g.font = `${Math.max(9, Math.min(12, row * 0.9))}px system-ui, sans-serif`;
  g.textBaseline = "middle";
  for (let pitch = low; pitch <= high; pitch++) if (pitch % 12 === 0) g.fillText(spelled(pitch), 3, (high - pitch + 0.5) * row);
  if (marks.cursor) {
    g.strokeStyle = colour("--focus", "#2166c4");
    g.lineWidth = 2;
    g.setLineDash([4, 3]);
    g.strokeRect(marks.cursor.step * step + 1, (high - marks.cursor.pitch) * row + 1, marks.cursor.length * step - 2, row - 2);
    g.setLineDash([]);
  }
  if (marks.at !== null && marks.at !== undefined) {
    g.fillStyle = colour("--accent", "#b5432a");
    g.fillRect(Math.min(width - 2, marks.at * step), 0, 2, height);
  }
}

/** A canvas as sharp as the screen; `draw` is called with its context and size when it changes. */
export class Surface {
  /** @param {number} height CSS pixels @param {(g: CanvasRenderingContext2D, width: number, height: number) => void} draw */
  constructor(height, draw) {
    this.canvas = document.createElement("canvas");
    Object.assign(this.canvas.style, { display: "block", width: "100%", height: `${height}px`, touchAction: "none", borderRadius: "6px" });
    this.draw = draw;
    this.asked = 0;
    new ResizeObserver(() => this.again()).observe(this.canvas);
  }

  again() {
    this.asked ||= requestAnimationFrame(() => {
      this.asked = 0;
      const [width, height, scale] = [this.canvas.clientWidth, this.canvas.clientHeight, devicePixelRatio || 1];
      if (!width || !height) return;
      const [w, h] = [Math.round(width * scale), Math.round(height * scale)];
      if (this.canvas.width !== w || this.canvas.height !== h) [this.canvas.width, this.canvas.height] = [w, h];
      const g = /** @type {CanvasRenderingContext2D} */ (this.canvas.getContext("2d"));
      g.setTransform(scale, 0, 0, scale, 0, 0);
      this.draw(g, width, height);
    });
  }
}
