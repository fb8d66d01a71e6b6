/** Music in parts: a piano roll that sounds. @typedef {import("./roll.js").Score} Score */
import { COLOURS, drawRoll, extentOf, Surface, voiceName, word } from "./roll.js";
import { Synth } from "./synth.js";

/**
 * A roll with a player: play, pause, seek, and a switch a voice.
 * @param {Score} first @param {{height?: number, marks?: () => {bars?: Set<number>, kept?: boolean[][]}}} [options]
 *   `marks` says what is chosen and kept
 * @returns {{element: HTMLElement, canvas: HTMLCanvasElement, show: (score: Score) => void, again: () => void, synth: Synth, close: () => void}}
 */
export function notesViewer(first, { height = 300, marks = () => ({}) } = {}) {
  let score = first;
  const synth = new Synth();
  const surface = new Surface(height, (g, width, tall) => {
    drawRoll(g, score, { ...extentOf(score), width, height: tall }, { ...marks(), silent: synth.silent, at: synth.playing || synth.place ? synth.now() : null });
  });
  const make = (/** @type {string} */ tag, /** @type {Object<string, string>} */ attributes, /** @type {Node[]} */ ...kids) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...kids);
    return element;
  };
  const play = /** @type {HTMLButtonElement} */ (make("button", { type: "button", class: "chip", "data-act": "play" }));
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
  return { element, canvas: surface.canvas, show, again: () => surface.again(), synth, close: () => synth.close() };
}
