/** The minimap of a long page: all of it, small, with a frame around the visible part. Click, drag or use keys to move. */
import { h } from "../ui/elements.js";
import { w } from "../words/language.js";

const WIDE = 56;

/** @param {import("../session/editor.js").Editor} editor @param {import("../canvas/view.js").View} view @param {HTMLElement} stage */
export function minimap(editor, view, stage) {
  const canvas = h("canvas", { "aria-hidden": "true" });
  const seen = h("i", {});
  const map = h("div", { id: "strip", role: "scrollbar", "aria-label": w("strip"), "aria-controls": "canvas", "aria-orientation": "vertical", "aria-valuemin": 0, "aria-valuemax": 100, tabindex: 0, hidden: true }, canvas, seen);
  stage.append(map);
  let asked = false;

  function ask() {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => ((asked = false), show()));
  }

  function show() {
    map.hidden = !editor.session || !view.isStrip || !editor.live?.picture.width;
    if (map.hidden) return;
    const [width, height] = view.page;
    const tall = stage.clientHeight - 32;
    const wide = Math.max(14, Math.min(WIDE, (tall * width) / height));
    Object.assign(map.style, { width: `${wide}px`, height: `${tall}px` });
    const ratio = devicePixelRatio || 1;
    Object.assign(canvas, { width: Math.round(wide * ratio), height: Math.round(tall * ratio) });
    const pen = canvas.getContext("2d");
    if (pen) {
      pen.imageSmoothingQuality = "high";
      pen.drawImage(editor.live.picture, 0, 0, canvas.width, canvas.height);
    }
    const box = view.visible() ?? [0, 0, width, height];
    Object.assign(seen.style, { top: `${(100 * box[1]) / height}%`, height: `${(100 * (box[3] - box[1])) / height}%` });
    map.setAttribute("aria-valuenow", String(Math.round((100 * (box[1] + box[3])) / 2 / height)));
  }

  /** @param {number} share of the page's height to move to the centre */
  function go(share) {
    const [width, height] = view.page;
    view.camera.x = width / 2;
    view.camera.y = Math.max(0, Math.min(1, share)) * height;
    view.fitted = false;
    view.cameraMoved();
  }

  const at = (/** @type {PointerEvent} */ event) => {
    const box = map.getBoundingClientRect();
    return (event.clientY - box.top) / box.height;
  };
  map.addEventListener("pointerdown", (/** @type {PointerEvent} */ event) => {
    map.setPointerCapture(event.pointerId);
    go(at(event));
    event.preventDefault();
  });
  map.addEventListener("pointermove", (/** @type {PointerEvent} */ event) => map.hasPointerCapture(event.pointerId) && go(at(event)));
  map.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
    const screen = view.canvas.clientHeight / view.camera.zoom / view.page[1];
    const step = { ArrowDown: screen / 8, ArrowUp: -screen / 8, PageDown: screen * 0.8, PageUp: -screen * 0.8, Home: -1, End: 1 }[event.key];
    if (!step) return;
    go(view.camera.y / view.page[1] + step);
    event.preventDefault();
    event.stopPropagation();
  });
  editor.on("moved", ask);
  editor.on("frame", (detail) => !detail.view && ask());
  editor.on("opened", () => (map.hidden = true));
}
