/** Messages to the user: notices that disappear by themselves, and texts for screen readers only. */
import { h } from "./elements.js";
import { t } from "../words/language.js";

/**
 * Show a message that disappears by itself and is read aloud; `more` adds a button for an action.
 * @param {any} words @param {"calm" | "said" | "wrong"} [mood] @param {{words: any, run: () => void, stays: number}} [more]
 */
export function notice(words, mood = "calm", more) {
  const place = document.getElementById("notices");
  const line = h("div", { class: `notice ${mood}`, role: mood === "wrong" ? "alert" : "status" }, words);
  if (more) line.append(h("button", { type: "button", class: "notice-act", on: { click: () => (line.remove(), more.run()) } }, more.words));
  place?.append(line);
  setTimeout(() => line.remove(), more?.stays ?? (mood === "calm" ? 3500 : 9000));
}

/** Announce a text to screen readers only. @param {any} words */
export function announce(words) {
  const place = document.getElementById("said");
  if (place) place.textContent = t(words);
}
