/** Asks what a picture is for that was pasted or dropped into an open session: one of its slots, or a new session. */
import { dialog } from "../ui/dialog.js";
import { h } from "../ui/elements.js";
import { putPicture } from "../widgets/picture.js";
import { takesPicture } from "../widgets/registry.js";
import { t, titleOf, w } from "../words/language.js";

/** @param {import("../session/editor.js").Editor} editor @param {File} file @param {() => void} begin */
export function chooseSlot(editor, file, begin) {
  const slots = editor.card.conditions.filter(takesPicture);
  if (file.name.endsWith(".zip") || !slots.length) return begin();
  const empty = slots.filter((/** @type {any} */ slot) => !editor.given.conditions[slot.name]);
  if (empty.length === 1) return putPicture(editor, empty[0], file);
  document.querySelector(".place-sheet")?.remove();
  const shown = h("img", { src: URL.createObjectURL(file), alt: "" });
  const choice = (/** @type {any} */ words, /** @type {() => void} */ run, /** @type {string} */ name) => h("button", { type: "button", class: "soft", "data-place": name, on: { click: () => (box.close(), run()) } }, words);
  const box = dialog(w("drop_what"), [
    h("div", { class: "slot-picture" }, shown),
    h("div", { class: "choices-down" },
      slots.map((/** @type {any} */ slot) => choice(w("drop_slot", { name: () => t(titleOf(slot)) }), () => putPicture(editor, slot, file), slot.name)),
      choice(w("drop_begin"), begin, "")),
  ], "place-sheet");
  box.addEventListener("close", () => URL.revokeObjectURL(shown.src));
}
