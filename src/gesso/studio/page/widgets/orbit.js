/**
 * Turns a camera around a scene: drag the picture or the pad to turn, the wheel to come nearer, arrow keys and + and − for the keyboard.
 * The picture follows while the pointer moves (`preview`), and the edit is kept when the hand rests (`commit`).
 */
import { h } from "../ui/elements.js";
import { titleOf } from "../words/language.js";

const DEGREES_PER_PIXEL = 0.5;
const KEY_DEGREES = 5;
const ZOOM = 1.1; // of one notch of the wheel, or one key
const MOST_ZOOM = 20;
const REST_MS = 300; // without a movement, until the edit is kept
const FIRST = { azimuth: 30, elevation: 25, distance: 0, zoom: 1, roll: 0, fov: 0, matrix: null };

/** @typedef {{azimuth: number, elevation: number, distance: number, zoom: number, roll: number, fov: number, matrix: number[][] | null}} Orbit */

/** @param {import("../session/editor.js").Editor} editor @param {any} _view @param {any} slot */
export function orbitWidget(editor, _view, slot) {
  /** @type {Orbit | null} */ let moving = null; // what the hand has reached and is not kept yet
  /** @type {[number, number] | null} */ let held = null;
  let resting = 0;
  const readout = h("output", { class: "quiet" });
  const ball = h("div", { class: "orbit-mark", "aria-hidden": "true" });
  const pad = h("div", {
    class: "orbit",
    tabindex: "0",
    role: "application",
    "aria-label": titleOf(slot),
    on: { pointerdown: press, pointermove: drag, pointerup: release, pointercancel: release, wheel: zoom, keydown: key },
  }, ball);
  const element = h("div", { class: "form", role: "group", "aria-label": titleOf(slot), "data-slot": slot.name }, pad, readout);

  /** What the session has; a camera given as a matrix is turned from the first orbit on. @returns {Orbit} */
  function now() {
    const value = moving ?? editor.given.conditions[slot.name];
    return value && !value.matrix ? { ...FIRST, ...value } : { ...FIRST };
  }

  /** @param {Partial<Orbit>} change */
  function turn(change) {
    const next = { ...now(), ...change };
    next.azimuth = round(((((next.azimuth + 180) % 360) + 360) % 360) - 180);
    next.elevation = round(Math.min(90, Math.max(-90, next.elevation)));
    next.zoom = round(Math.min(MOST_ZOOM, Math.max(1 / MOST_ZOOM, next.zoom)));
    moving = next;
    editor.preview({ op: "set", slot: slot.name, value: next });
    show();
    clearTimeout(resting);
    if (!held) resting = window.setTimeout(keep, REST_MS);
  }

  function keep() {
    clearTimeout(resting);
    if (!moving) return;
    const value = moving;
    moving = null;
    editor.commit({ op: "set", slot: slot.name, value });
  }

  /** @param {PointerEvent} event */
  function press(event) {
    take(event);
    pad.setPointerCapture?.(event.pointerId);
  }

  /** @param {PointerEvent} event */
  function take(event) {
    clearTimeout(resting);
    held = [event.clientX, event.clientY];
  }

  /** @param {PointerEvent} event */
  function drag(event) {
    if (!held) return;
    const [x, y] = held;
    held = [event.clientX, event.clientY];
    const at = now();
    turn({ azimuth: at.azimuth - (event.clientX - x) * DEGREES_PER_PIXEL, elevation: at.elevation + (event.clientY - y) * DEGREES_PER_PIXEL });
  }

  function release() {
    held = null;
    keep();
  }

  /** @param {WheelEvent} event */
  function zoom(event) {
    event.preventDefault();
    turn({ zoom: now().zoom * (event.deltaY > 0 ? 1 / ZOOM : ZOOM) });
  }

  /** @param {KeyboardEvent} event */
  function key(event) {
    const at = now();
    /** @type {Record<string, () => void>} */ const moves = {
      ArrowLeft: () => turn({ azimuth: at.azimuth - KEY_DEGREES }),
      ArrowRight: () => turn({ azimuth: at.azimuth + KEY_DEGREES }),
      ArrowUp: () => turn({ elevation: at.elevation + KEY_DEGREES }),
      ArrowDown: () => turn({ elevation: at.elevation - KEY_DEGREES }),
      "+": () => turn({ zoom: at.zoom * ZOOM }),
      "=": () => turn({ zoom: at.zoom * ZOOM }),
      "-": () => turn({ zoom: at.zoom / ZOOM }),
    };
    const move = moves[event.key];
    if (!move || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation();
    move();
  }

  function show() {
    const at = now();
    ball.style.left = `${((at.azimuth + 180) / 360) * 100}%`;
    ball.style.top = `${((90 - at.elevation) / 180) * 100}%`;
    readout.textContent = `${Math.round(at.azimuth)}° · ${Math.round(at.elevation)}°${at.zoom === 1 ? "" : ` · ×${at.zoom}`}`;
  }

  editor.on("given", () => element.isConnected && !moving && show());
  show();
  const tool = {
    name: slot.name,
    slot: slot.name,
    icon: "orbit",
    title: titleOf(slot),
    help: slot.help,
    down: (/** @type {any} */ _place, /** @type {PointerEvent | undefined} */ event) => event && take(event),
    move: (/** @type {any} */ _place, /** @type {PointerEvent} */ event) => drag(event),
    up: release,
    cancel: release,
    wheel: zoom,
  };
  return { element, tools: [tool] };
}

const round = (/** @type {number} */ value) => Math.round(value * 100) / 100;
