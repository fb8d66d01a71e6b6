/** Before and after on the canvas, divided by a line that is dragged or moved by keys. */
import { iconButton } from "../ui/icons.js";
import { placeGrip, wipeGrip } from "../ui/wipe_grip.js";
import { w } from "../words/language.js";

/** @param {import("../session/editor.js").Editor} editor @param {import("../canvas/view.js").View} view @param {HTMLElement} stage */
export function beforeAfter(editor, view, stage) {
  const grip = wipeGrip({ id: "wipe" }, () => stage, () => view.wipe ?? 0.5, put, () => put(null));
  const button = iconButton("compare", w("wipe_on"), () => put(view.wipe === null ? 0.5 : null), { "data-act": "wipe", "aria-pressed": "false" });
  stage.append(grip);

  /** @param {number | null} share of the screen's width */
  function put(share) {
    view.wipe = share === null ? null : Math.max(0, Math.min(1, share));
    grip.hidden = view.wipe === null;
    button.setAttribute("aria-pressed", String(view.wipe !== null));
    if (view.wipe !== null) placeGrip(grip, view.wipe);
    view.repaint();
  }

  editor.on("opened", () => put(null));
  return { button, turn: () => put(view.wipe === null ? 0.5 : null) };
}
