/** The grip of a line between before and after: dragged, or moved by keys. */
import { h } from "./elements.js";
import { icon } from "./icons.js";
import { w } from "../words/language.js";

const STEP = 0.02;

/**
 * `put` sets the share of the width that lies before the line; `leave`, where there is one, is Escape.
 * @param {Object<string, any>} attributes @param {() => HTMLElement} stage what the line divides @param {() => number} share @param {(share: number) => void} put @param {() => void} [leave]
 */
export function wipeGrip(attributes, stage, share, put, leave) {
  const grip = h("div", { ...attributes, role: "slider", "aria-label": w("wipe"), "aria-valuemin": 0, "aria-valuemax": 100, tabindex: 0, hidden: true }, h("i", {}), h("span", {}, icon("compare")));
  grip.addEventListener("pointerdown", (/** @type {PointerEvent} */ event) => {
    grip.setPointerCapture(event.pointerId);
    event.preventDefault();
    grip.focus();
  });
  grip.addEventListener("pointermove", (/** @type {PointerEvent} */ event) => {
    const box = stage().getBoundingClientRect();
    if (grip.hasPointerCapture(event.pointerId)) put((event.clientX - box.left) / box.width);
  });
  grip.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
    const step = { ArrowLeft: -STEP, ArrowRight: STEP, Home: -1, End: 1 }[event.key];
    if (event.key === "Escape" && leave) leave();
    else if (step) put(share() + step);
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  return grip;
}

/** Place the grip at a share of the width. @param {HTMLElement} grip @param {number} share */
export function placeGrip(grip, share) {
  grip.style.left = `${100 * share}%`;
  grip.setAttribute("aria-valuenow", String(Math.round(100 * share)));
}
