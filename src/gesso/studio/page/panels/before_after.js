/** Before and after on the canvas, divided by a line that is dragged or moved by keys. */
import { h } from "../ui/elements.js";
import { icon, iconButton } from "../ui/icons.js";
import { w } from "../words/language.js";

/** @param {import("../session/editor.js").Editor} editor @param {import("../canvas/view.js").View} view @param {HTMLElement} stage */
export function beforeAfter(editor, view, stage) {
  const grip = h("div", { id: "wipe", role: "slider", "aria-label": w("wipe"), "aria-valuemin": 0, "aria-valuemax": 100, tabindex: 0, hidden: true }, h("i", {}), h("span", {}, icon("compare")));
  const button = iconButton("compare", w("wipe_on"), () => put(view.wipe === null ? 0.5 : null), { "data-act": "wipe", "aria-pressed": "false" });
  stage.append(grip);

  /** @param {number | null} share of the screen's width */
  function put(share) {
    view.wipe = share === null ? null : Math.max(0, Math.min(1, share));
    grip.hidden = view.wipe === null;
    button.setAttribute("aria-pressed", String(view.wipe !== null));
    if (view.wipe !== null) {
      grip.style.left = `${100 * view.wipe}%`;
      grip.setAttribute("aria-valuenow", String(Math.round(100 * view.wipe)));
    }
    view.repaint();
  }

  grip.addEventListener("pointerdown", (/** @type {PointerEvent} */ event) => {
    grip.setPointerCapture(event.pointerId);
    event.preventDefault();
    grip.focus();
  });
  grip.addEventListener("pointermove", (/** @type {PointerEvent} */ event) => {
    const box = stage.getBoundingClientRect();
    if (grip.hasPointerCapture(event.pointerId)) put((event.clientX - box.left) / box.width);
  });
  grip.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
    const step = { ArrowLeft: -0.02, ArrowRight: 0.02, Home: -1, End: 1 }[event.key];
    if (event.key === "Escape") put(null);
    else if (step) put((view.wipe ?? 0.5) + step);
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  editor.on("opened", () => put(null));
  return { button, turn: () => put(view.wipe === null ? 0.5 : null) };
}
