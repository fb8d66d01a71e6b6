/** Asks what a picture is for that was pasted or dropped into an open session: one of its slots, or a new session. */
import { dialog } from "../ui/dialog.js";
import { h } from "../ui/elements.js";
import { isMusic, putMusic, takesFile } from "../widgets/music_file.js";
import { putPicture } from "../widgets/picture.js";
import { takesPicture } from "../widgets/registry.js";
import { t, titleOf, w } from "../words/language.js";

/** @param {import("../session/editor.js").Editor} editor @param {File} file @param {() => void} begin */
export function chooseSlot(editor, file, begin) {
  const music = isMusic(file);
  const slots = editor.card.conditions.filter((/** @type {any} */ slot) => (music ? takesFile(slot, file) : takesPicture(slot)));
  const put = music ? putMusic : putPicture;
  if (file.name.endsWith(".zip") || !slots.length) return begin();
  const empty = slots.filter((/** @type {any} */ slot) => !editor.given.conditions[slot.name]);
  if (!music && empty.length === 1) return putPicture(editor, empty[0], file);
  document.querySelector(".place-sheet")?.remove();
  const shown = music ? h("b", {}, file.name) : h("img", { src: URL.createObjectURL(file), alt: "" });
  const choice = (/** @type {any} */ words, /** @type {() => void} */ run, /** @type {string} */ name) => h("button", { type: "button", class: "soft", "data-place": name, on: { click: () => (box.close(), run()) } }, words);
  const box = dialog(w(music ? "drop_what_music" : "drop_what"), [
    h("div", { class: "slot-picture" }, shown),
    h("div", { class: "choices-down" },
      slots.map((/** @type {any} */ slot) => choice(w("drop_slot", { name: () => t(titleOf(slot)) }), () => put(editor, slot, file), slot.name)),
      !music && choice(w("drop_begin"), begin, "")),
  ], "place-sheet");
  box.addEventListener("close", () => music || URL.revokeObjectURL(shown.src));
}
