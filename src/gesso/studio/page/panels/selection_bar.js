/** The bar of actions for selected pieces, as the card's controls offer them. It is below the page, or above it if it would hide a selected piece. */
import { fill, h } from "../ui/elements.js";
import { icon, iconButton } from "../ui/icons.js";
import { notice } from "../ui/messages.js";
import { w } from "../words/language.js";

/** @param {import("../session/editor.js").Editor} editor @param {import("../canvas/view.js").View} view @param {HTMLElement} stage */
export function selectionBar(editor, view, stage) {
  const bar = h("div", { id: "chosen", role: "toolbar", "aria-label": w("chosen"), hidden: true });
  stage.append(bar);

  /** @param {any} act */
  async function run(act) {
    const { pieces } = editor;
    if (!pieces?.selected.size) return;
    try {
      const ids = new Set(pieces.selected);
      await act.run(ids, await pieces.whenReady());
      pieces.select(new Set());
    } catch (error) {
      notice(String(/** @type {Error} */ (error).message), "wrong");
    }
  }

  function show() {
    const ids = editor.pieces?.selected ?? new Set();
    bar.hidden = !ids.size || editor.tool?.name !== "lasso";
    if (bar.hidden) return;
    const acts = editor.pieceActions.filter((/** @type {any} */ act) => !act.several || ids.size > 1);
    fill(
      bar,
      h("span", { class: "quiet", role: "status" }, w("chosen_num", { num: String(ids.size) })),
      acts.map((/** @type {any} */ act) =>
        h("button", { type: "button", class: "soft", "data-chosen": act.slot, on: { click: () => run(act) } }, act.coloured ? h("i", { class: "drop-dot", style: { backgroundColor: editor.colour } }) : icon(act.icon), act.title),
      ),
      iconButton("close", w("chosen_none"), () => editor.pieces?.select(new Set()), { "data-act": "choose-none" }),
    );
  }
  editor.on("chosen tool colour", show);
  editor.on("chosen", () => bar.classList.toggle("above", hides()));

  /** Whether the bar at the bottom would hide a selected piece. */
  function hides() {
    const map = editor.pieces?.current;
    if (!map || bar.hidden) return false;
    const foot = view.canvas.clientHeight - bar.offsetHeight - 24;
    return [...(editor.pieces?.selected ?? [])].some((id) => {
      const [left, top, right, bottom] = (map.measure().get(id)?.box ?? [0, 0, 0, 0]).map((/** @type {number} */ v) => v / map.scale);
      return [[left, top], [right, top], [left, bottom], [right, bottom]].some(([x, y]) => view.toScreen(x, y)[1] > foot);
    });
  }
}
