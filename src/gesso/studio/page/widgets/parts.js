/** What stays of music in parts, in words; everything can be freed, and a file of music opened. The roll itself is where bars are chosen. */
import { fill, h } from "../ui/elements.js";
import { barsText, maskOf } from "../viewers/parts.js";
import { voiceName } from "../viewers/roll.js";
import { w } from "../words/language.js";
import { openButton } from "./music_file.js";

const BAR = 16; // steps

/** @param {import("../session/editor.js").Editor} editor @param {any} _view @param {any} slot */
export function partsWidget(editor, _view, slot) {
  const said = h("p", { class: "quiet", role: "status", "data-slot": slot.name });
  const free = h("button", { type: "button", class: "soft", "data-act": "free-all", on: { click: () => editor.given.conditions[slot.name] && editor.commit({ op: "drop", slot: slot.name }) } }, w("parts_free_all"));
  const show = () => {
    const parts = editor.given.conditions[slot.name];
    free.disabled = !parts;
    fill(said, parts ? () => keptText(parts) : w("parts_none"));
  };
  editor.on("given", () => said.isConnected && show());
  document.addEventListener("language", () => said.isConnected && show());
  show();
  return { element: h("div", {}, said, h("div", { class: "row" }, free, openButton(editor, slot))) };
}

/** Which bars of which voices are kept: a line for voices that keep the same bars. @param {import("../viewers/parts.js").Parts} parts */
export function keptText(parts) {
  const num = Math.ceil(parts.steps / BAR);
  /** @type {Map<string, string[]>} */ const lines = new Map();
  maskOf(parts, parts.voices.length, parts.steps).forEach((row, voice) => {
    const bars = [...Array(num).keys()].filter((bar) => row.slice(bar * BAR, (bar + 1) * BAR).some(Boolean));
    if (!bars.length) return;
    const text = barsText(bars);
    lines.set(text, [...(lines.get(text) ?? []), voiceName(voice, parts.voices.length)]);
  });
  return [...lines].map(([bars, voices]) => `${voices.join(", ")}: ${bars}`).join(" · ");
}
