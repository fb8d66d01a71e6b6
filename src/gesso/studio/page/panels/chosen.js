/** Below the page, or above it where it would hide what is chosen: what can be done with the pieces that are chosen, as the card's controls offer it. */
import { fill, h, icon, iconButton, notice } from "../dom.js";
import { w } from "../words.js";

/** @param {import("../room.js").Room} room @param {import("../view.js").View} view @param {HTMLElement} stage */
export function chosenBar(room, view, stage) {
  const bar = h("div", { id: "chosen", role: "toolbar", "aria-label": w("chosen"), hidden: true });
  stage.append(bar);

  /** @param {any} act */
  async function run(act) {
    const { pieces } = room;
    if (!pieces?.chosen.size) return;
    try {
      const ids = new Set(pieces.chosen);
      await act.run(ids, await pieces.need());
      pieces.choose(new Set());
    } catch (error) {
      notice(String(/** @type {Error} */ (error).message), "wrong");
    }
  }

  function show() {
    const ids = room.pieces?.chosen ?? new Set();
    bar.hidden = !ids.size || room.tool?.name !== "lasso";
    if (bar.hidden) return;
    const acts = room.pieceActs.filter((/** @type {any} */ act) => !act.several || ids.size > 1);
    fill(
      bar,
      h("span", { class: "quiet", role: "status" }, w("chosen_num", { num: String(ids.size) })),
      acts.map((/** @type {any} */ act) =>
        h("button", { type: "button", class: "soft", "data-chosen": act.slot, on: { click: () => run(act) } }, act.coloured ? h("i", { class: "drop-dot", style: { backgroundColor: room.colour } }) : icon(act.icon), act.title),
      ),
      iconButton("close", w("chosen_none"), () => room.pieces?.choose(new Set()), { "data-act": "choose-none" }),
    );
  }
  room.when("chosen tool colour", show);
  room.when("chosen", () => bar.classList.toggle("above", hides()));

  /** Would the bar, at the foot, lie over what is chosen? */
  function hides() {
    const map = room.pieces?.now;
    if (!map || bar.hidden) return false;
    const foot = view.canvas.clientHeight - bar.offsetHeight - 24;
    return [...(room.pieces?.chosen ?? [])].some((id) => {
      const [left, top, right, bottom] = (map.about().get(id)?.box ?? [0, 0, 0, 0]).map((/** @type {number} */ v) => v / map.scale);
      return [[left, top], [right, top], [left, bottom], [right, bottom]].some(([x, y]) => view.toScreen(x, y)[1] > foot);
    });
  }
}
