/** A picture that was pasted or dropped while a session is open: into which of its slots, or something new? */
import { dialog, h } from "../dom.js";
import { putPicture } from "../widgets/picture.js";
import { takesPicture } from "../widgets/registry.js";
import { t, titleOf, w } from "../words.js";

/** @param {import("../room.js").Room} room @param {File} file @param {() => void} begin */
export function askWhere(room, file, begin) {
  const slots = room.card.conditions.filter(takesPicture);
  if (file.name.endsWith(".zip") || !slots.length) return begin();
  const empty = slots.filter((/** @type {any} */ slot) => !room.given.conditions[slot.name]);
  if (empty.length === 1) return putPicture(room, empty[0], file);
  document.querySelector(".place-sheet")?.remove();
  const shown = h("img", { src: URL.createObjectURL(file), alt: "" });
  const choice = (/** @type {any} */ words, /** @type {() => void} */ run, /** @type {string} */ name) => h("button", { type: "button", class: "soft", "data-place": name, on: { click: () => (box.close(), run()) } }, words);
  const box = dialog(w("drop_what"), [
    h("div", { class: "slot-picture" }, shown),
    h("div", { class: "choices-down" },
      slots.map((/** @type {any} */ slot) => choice(w("drop_slot", { name: () => t(titleOf(slot)) }), () => putPicture(room, slot, file), slot.name)),
      choice(w("drop_begin"), begin, "")),
  ], "place-sheet");
  box.addEventListener("close", () => URL.revokeObjectURL(shown.src));
}
