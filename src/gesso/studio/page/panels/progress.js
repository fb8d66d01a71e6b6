/** Progress of the request that is running: a bar above the page; after a while, the step and a button to stop. */
import { fill, h } from "../ui/elements.js";
import { iconButton } from "../ui/icons.js";
import { w } from "../words/language.js";

const PATIENCE = 400; // milliseconds before the bar appears
const LONG = 1500; // milliseconds before stopping is offered

/** @param {import("../session/editor.js").Editor} editor @param {HTMLElement} bar @param {HTMLElement} speed shows the time of the last request */
export function progress(editor, bar, speed) {
  const line = /** @type {HTMLElement} */ (bar.firstElementChild);
  const words = h("span", { class: "quiet" });
  const stop = iconButton("stop", w("stop"), () => editor.live?.stop(), { class: "soft", "data-act": "stop" }, w("stop"));
  const again = h("button", { type: "button", class: "soft", "data-act": "again", on: { click: () => (close(), editor.live?.show(editor.head)) } }, w("make_again"));
  const chip = h("div", { id: "making", role: "group", "aria-label": w("making"), hidden: true }, words, stop, again);
  bar.after(chip);
  let since = 0;
  let timer = 0;

  function close() {
    since = 0;
    clearTimeout(timer);
    bar.hidden = chip.hidden = true;
  }

  function look() {
    if (!since) return;
    const spent = performance.now() - since;
    if (bar.hidden) line.style.width = "";
    bar.hidden = spent < PATIENCE;
    if (spent >= LONG && chip.hidden) {
      if (!words.childElementCount) fill(words, w("making"));
      chip.hidden = again.hidden = true;
      chip.hidden = stop.hidden = false;
    }
    if (spent < LONG) timer = setTimeout(look, spent < PATIENCE ? PATIENCE - spent : LONG - spent);
  }

  editor.on("busy", () => {
    chip.hidden = true;
    since = performance.now();
    fill(words);
    clearTimeout(timer);
    timer = setTimeout(look, PATIENCE);
  });
  editor.on("progress", ({ step, num_steps }) => {
    if (!since) since = performance.now();
    if (num_steps) {
      bar.hidden = false;
      line.style.width = `${Math.round((100 * step) / num_steps)}%`;
      fill(words, w("step", { now: String(step), all: String(num_steps) }));
    }
    if (chip.hidden) look();
  });
  editor.on("stopped", () => {
    close();
    fill(words, w("stopped"));
    stop.hidden = true;
    chip.hidden = again.hidden = false;
  });
  editor.on("frame wrong", (frame) => {
    if (frame.final === false) return;
    if (since && frame.node !== undefined) {
      const ms = performance.now() - since;
      fill(speed, ms < 2000 ? w("made_in", { ms: String(Math.round(ms)) }) : w("made_slowly", { seconds: (ms / 1000).toFixed(1) }));
    }
    close();
  });
  editor.on("missing opened", close);
}
