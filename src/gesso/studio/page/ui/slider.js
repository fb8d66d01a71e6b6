/**
 * A slider: `look` is called while it moves, and `keep` once for each value that the user settles on: at the end of a drag, after a
 * rest of the keyboard, or on leaving it. A double click, Delete or Backspace goes back to where it starts.
 */
import { h } from "./elements.js";

const REST_MS = 350; // after a key or a click, until its value is kept: more keys, or a second click, may follow
const DRAG_PIXELS = 3;

/**
 * @param {Object<string, any>} attrs `min`, `max`, `step` and others @param {number | null} start null is no number, which is shown at the minimum
 * @param {{look: (value: number | null) => void, keep: (value: number | null) => void}} hear
 * @returns {{input: any, show: (value: number | null) => void, moving: () => boolean}} `show` does not move it while the user does
 */
export function slider(attrs, start, hear) {
  const input = h("input", { type: "range", ...attrs, on: { pointerdown: press, pointermove: drag, input: moved, change: released, dblclick: reset, keydown: key, blur: keep } });
  let shown = start;
  let moving = false;
  let pressed = 0; // where the pointer went down
  let dragged = false;
  let resting = 0;

  /** @param {PointerEvent} event */
  function press(event) {
    pressed = event.clientX;
    dragged = false;
  }

  /** @param {PointerEvent} event */
  function drag(event) {
    if (event.buttons && Math.abs(event.clientX - pressed) > DRAG_PIXELS) dragged = true;
  }

  function moved() {
    moving = true;
    hear.look(Number(input.value));
  }

  function released() {
    clearTimeout(resting);
    if (dragged) keep();
    else resting = window.setTimeout(keep, REST_MS);
  }

  function keep() {
    clearTimeout(resting);
    if (!moving) return;
    moving = false;
    const value = Number(input.value);
    if (value !== shown) hear.keep(value);
  }

  function reset() {
    clearTimeout(resting);
    moving = false;
    place(start);
    if (start === shown) hear.look(start); // what was looked at meanwhile goes
    else hear.keep(start);
  }

  /** @param {KeyboardEvent} event */
  function key(event) {
    dragged = false;
    if (event.ctrlKey || event.metaKey) return keep(); // undo comes after what is kept
    if (event.key !== "Delete" && event.key !== "Backspace") return;
    event.preventDefault();
    event.stopPropagation();
    reset();
  }

  const place = (/** @type {number | null} */ value) => (input.value = value ?? attrs.min);

  const show = (/** @type {number | null} */ value) => {
    shown = value;
    if (!moving) place(value);
  };
  show(start);
  return { input, show, moving: () => moving };
}
