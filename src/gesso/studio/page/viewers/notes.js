/**
 * Music in parts: a piano roll that sounds. `notesViewer` shows and plays; `drawRoll` and `Synth` serve the melody widget as well.
 * The sound is made here, by oscillators: nothing is loaded.
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
 * @param {{silent?: Set<number>, selected?: number, cursor?: {step: number, pitch: number, length: number} | null, at?: number | null}} [marks]
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
  for (let voice = score.voices.length - 1; voice >= 0; voice--) {
    score.voices[voice].forEach(([start, length, pitch], n) => {
      const [x, y, w] = [start * step + 1, (high - pitch) * row + 1, Math.max(2, length * step - 2)];
      g.globalAlpha = marks.silent?.has(voice) ? 0.3 : 1;
      g.fillStyle = COLOURS[voice % COLOURS.length];
      g.beginPath();
      g.roundRect(x, y, w, Math.max(2, row - 2), Math.min(4, row / 3));
      g.fill();
      if (marks.selected === n && voice === 0) {
        g.strokeStyle = colour("--ink", "#2e2a25");
        g.lineWidth = 2;
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

const AHEAD = 0.25; // seconds that are handed to the audio thread before they sound

/** A small synthesiser: a soft reed a note, a gain a voice. One context serves all scores. */
export class Synth {
  constructor() {
    /** @type {AudioContext | null} */ this.context = null;
    /** @type {Score | null} */ this.score = null;
    /** @type {GainNode[]} */ this.gains = [];
    /** @type {Set<number>} */ this.silent = new Set();
    /** @type {Set<OscillatorNode>} */ this.sounding = new Set();
    this.place = 0; // the step that sounds, or from which it goes on
    this.playing = false;
    this.timer = 0;
    /** @type {() => void} */ this.onchange = () => {};
  }

  /** Another score; where it plays, it goes on from the same step. @param {Score} score */
  load(score) {
    const [was, at] = [this.playing, this.now()];
    if (was) this.pause();
    this.score = score;
    this.place = Math.min(at, score.steps);
    if (was && this.place < score.steps) this.play();
  }

  /** The step that is heard now, with its fraction. */
  now() {
    if (!this.playing || !this.context || !this.score) return this.place;
    return Math.max(this.place, Math.min(this.score.steps, this.place + (this.context.currentTime - this.began) / this.seconds()));
  }

  seconds() {
    return 15 / (this.score?.tempo || 80);
  }

  /** To be called by a gesture of the user: browsers let no page sound before. */
  play() {
    if (!this.score || this.playing) return;
    this.context ??= new AudioContext();
    this.context.resume();
    if (this.place >= this.score.steps) this.place = 0;
    this.began = this.context.currentTime + 0.06;
    this.playing = true;
    const out = this.context.createDynamicsCompressor();
    out.connect(this.context.destination);
    this.out = out;
    this.gains = this.score.voices.map((_, voice) => {
      const [gain, pan] = [/** @type {AudioContext} */ (this.context).createGain(), /** @type {AudioContext} */ (this.context).createStereoPanner()];
      gain.gain.value = this.silent.has(voice) ? 0 : 1;
      pan.pan.value = [-0.2, 0.25, -0.35, 0.15][voice % 4];
      gain.connect(pan).connect(out);
      return gain;
    });
    const notes = this.score.voices.flatMap((part, voice) => part.map(([start, length, pitch]) => ({ start, length, pitch, voice })));
    this.queue = notes.filter((note) => note.start + note.length > this.place).sort((a, b) => a.start - b.start);
    this.fill();
    this.timer = window.setInterval(() => this.fill(), 60);
    this.onchange();
  }

  fill() {
    if (!this.playing || !this.context || !this.score) return;
    const until = this.now() + AHEAD / this.seconds();
    while (this.queue?.length && this.queue[0].start <= until) this.sound(/** @type {any} */ (this.queue.shift()));
    if (this.now() >= this.score.steps) {
      this.pause();
      this.place = 0;
    }
    this.onchange();
  }

  /** @param {{start: number, length: number, pitch: number, voice: number}} note */
  sound({ start, length, pitch, voice }) {
    const context = /** @type {AudioContext} */ (this.context);
    const from = Math.max(start, this.place);
    const begin = Math.max(context.currentTime, /** @type {number} */ (this.began) + (from - this.place) * this.seconds());
    const end = begin + (start + length - from) * this.seconds();
    const envelope = context.createGain();
    const filter = context.createBiquadFilter();
    filter.type = "lowpass";
    const hertz = 440 * 2 ** ((pitch - 69) / 12);
    filter.frequency.value = Math.min(5000, hertz * 5);
    const attack = Math.min(0.03, (end - begin) / 3);
    envelope.gain.setValueAtTime(0, begin);
    envelope.gain.linearRampToValueAtTime(0.16, begin + attack);
    envelope.gain.setTargetAtTime(0.11, begin + attack, 0.25);
    envelope.gain.setTargetAtTime(0, Math.max(begin + attack, end - 0.03), 0.05);
    envelope.connect(filter).connect(this.gains[voice]);
    for (const [type, times, level] of /** @type {[OscillatorType, number, number][]} */ ([["triangle", 1, 1], ["sine", 2, 0.3], ["sine", 3, 0.12]])) {
      const oscillator = context.createOscillator();
      const amount = context.createGain();
      oscillator.type = type;
      oscillator.frequency.value = hertz * times;
      oscillator.detune.value = (voice - 1.5) * 2;
      amount.gain.value = level;
      oscillator.connect(amount).connect(envelope);
      oscillator.start(begin);
      oscillator.stop(end + 0.3);
      this.sounding.add(oscillator);
      oscillator.addEventListener("ended", () => this.sounding.delete(oscillator));
    }
  }

  pause() {
    if (!this.playing) return;
    this.place = this.now();
    this.playing = false;
    clearInterval(this.timer);
    for (const oscillator of this.sounding) oscillator.stop();
    this.sounding.clear();
    const [out, context] = [this.out, this.context];
    window.setTimeout(() => out?.disconnect(), 100);
    void context;
    this.onchange();
  }

  /** @param {number} step */
  seek(step) {
    const was = this.playing;
    this.pause();
    this.place = Math.max(0, Math.min(step, this.score?.steps ?? 0));
    if (was) this.play();
    else this.onchange();
  }

  /** @param {number} voice @param {boolean} silent */
  mute(voice, silent) {
    this.silent[silent ? "add" : "delete"](voice);
    if (this.playing && this.context) this.gains[voice]?.gain.setTargetAtTime(silent ? 0 : 1, this.context.currentTime, 0.02);
    this.onchange();
  }

  /** One note, as a key is struck. @param {number} pitch @param {number} [voice] */
  strike(pitch, voice = 0) {
    if (this.playing) return;
    this.context ??= new AudioContext();
    this.context.resume();
    const gain = this.context.createGain();
    gain.connect(this.context.destination);
    [this.gains, this.place, this.began] = [[], 0, this.context.currentTime];
    this.gains[voice] = gain;
    this.score ??= { steps: 1, tempo: 80, voices: [[]] };
    this.sound({ start: 0, length: 2, pitch, voice });
  }

  close() {
    this.pause();
    this.context?.close();
    this.context = null;
  }
}

/**
 * A roll with a player: play, pause, seek, and a switch a voice.
 * @param {Score} first @param {{height?: number}} [options]
 * @returns {{element: HTMLElement, show: (score: Score) => void, synth: Synth, close: () => void}}
 */
export function notesViewer(first, { height = 300 } = {}) {
  let score = first;
  const synth = new Synth();
  const surface = new Surface(height, (g, width, tall) => {
    drawRoll(g, score, { ...extentOf(score), width, height: tall }, { silent: synth.silent, at: synth.playing || synth.place ? synth.now() : null });
  });
  const make = (/** @type {string} */ tag, /** @type {Object<string, string>} */ attributes, /** @type {Node[]} */ ...kids) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...kids);
    return element;
  };
  const play = /** @type {HTMLButtonElement} */ (make("button", { type: "button", class: "chip" }));
  const start = make("button", { type: "button", class: "chip" });
  const range = /** @type {HTMLInputElement} */ (make("input", { type: "range", min: "0", step: "1" }));
  const place = make("output", {});
  const voices = make("span", { role: "group" });
  const bar = make("div", {}, play, start, range, place, voices);
  Object.assign(bar.style, { display: "flex", gap: "6px", alignItems: "center", flexWrap: "wrap", margin: "6px 0" });
  Object.assign(range.style, { flex: "1", minWidth: "120px" });
  Object.assign(place.style, { minWidth: "5em", fontVariantNumeric: "tabular-nums" });
  Object.assign(voices.style, { display: "inline-flex", gap: "4px" });
  surface.canvas.setAttribute("role", "img");
  const element = make("section", { class: "notes-viewer", tabindex: "-1" }, surface.canvas, bar);

  play.addEventListener("click", () => (synth.playing ? synth.pause() : synth.play()));
  start.addEventListener("click", () => synth.seek(0));
  range.addEventListener("input", () => synth.seek(Number(range.value)));
  surface.canvas.addEventListener("pointerdown", (event) => synth.seek(Math.floor((event.offsetX / surface.canvas.clientWidth) * score.steps)));
  element.addEventListener("keydown", (event) => {
    if (event.key !== " " || event.target === play || /** @type {Element} */ (event.target).closest("button")) return;
    event.preventDefault();
    play.click();
  });

  const tell = () => {
    play.textContent = synth.playing ? "❚❚" : "▶";
    play.setAttribute("aria-label", word(synth.playing ? "pause" : "play"));
    start.textContent = "|◀";
    start.setAttribute("aria-label", word("start"));
    range.setAttribute("aria-label", word("place"));
    range.max = String(score.steps);
    const at = synth.now();
    const text = `${word("bar")} ${Math.min(Math.ceil(score.steps / 16), Math.floor(at / 16) + 1)}/${Math.ceil(score.steps / 16)}`;
    range.value = String(Math.floor(at));
    range.setAttribute("aria-valuetext", text);
    if (place.textContent !== text) place.textContent = text;
    for (const [n, button] of [...voices.children].entries()) {
      button.setAttribute("aria-pressed", String(!synth.silent.has(n)));
      /** @type {HTMLElement} */ (button).style.opacity = synth.silent.has(n) ? "0.45" : "1";
    }
    surface.again();
  };
  let frame = 0;
  const follow = () => {
    frame = 0;
    tell();
    if (synth.playing && element.isConnected) frame = requestAnimationFrame(follow);
    else if (synth.playing) synth.pause();
  };
  synth.onchange = () => (frame ||= requestAnimationFrame(follow));

  /** @param {Score} next */
  function show(next) {
    score = next;
    synth.load(score);
    voices.replaceChildren(
      ...score.voices.map((_, n) => {
        const button = make("button", { type: "button", class: "chip", title: `${voiceName(n, score.voices.length)}: ${word("heard")}` });
        button.textContent = voiceName(n, score.voices.length);
        button.style.borderColor = COLOURS[n % COLOURS.length];
        button.addEventListener("click", () => synth.mute(n, !synth.silent.has(n)));
        return button;
      }),
    );
    const counts = score.voices.map((part, n) => `${voiceName(n, score.voices.length)} ${part.length}`).join(", ");
    surface.canvas.setAttribute("aria-label", `${word("roll")}: ${counts}`);
    tell();
  }
  show(first);
  return { element, show, synth, close: () => synth.close() };
}
