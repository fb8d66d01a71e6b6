/** An input picture: its preview, and ways to replace it. */
import * as api from "../server/api.js";
import { fill, h } from "../ui/elements.js";
import { chooseFile } from "../ui/files.js";
import { notice } from "../ui/messages.js";
import { titleOf, w } from "../words/language.js";

/** The value of a slot whose pixels are an upload. @param {any} slot @param {string} id */
export function uploadValue(slot, id) {
  const field = Object.keys(slot.control.schema?.properties ?? { pixels: 0 })[0];
  return { [field]: { upload: id } };
}

/** Upload a picture and set it as the value of a slot. @param {import("../session/editor.js").Editor} editor @param {any} slot @param {Blob} file */
export async function putPicture(editor, slot, file) {
  const here = editor.live;
  try {
    const { id } = await api.upload(file);
    editor.commit({ op: "set", slot: slot.name, value: uploadValue(slot, id) }, here);
  } catch (error) {
    notice(String(/** @type {Error} */ (error).message), "wrong");
  }
}

/** @param {import("../session/editor.js").Editor} editor @param {any} _view @param {any} slot */
export function pictureWidget(editor, _view, slot) {
  const place = h("div", { class: "slot-picture" });
  const put = (/** @type {Blob} */ file) => putPicture(editor, slot, file);
  const take = async () => {
    try {
      await put(await api.readBlob(api.outputUrl(editor.session.id, editor.head, editor.output.name)));
    } catch (error) {
      notice(String(/** @type {Error} */ (error).message), "wrong");
    }
  };
  const button = h("button", { type: "button", class: "soft", on: { click: () => chooseFile(put) } }, w("replace"));
  const clear = slot.required ? null : h("button", { type: "button", class: "soft", "data-act": "clear", on: { click: () => editor.commit({ op: "drop", slot: slot.name }) } }, w("clear"));
  const result = !slot.required && editor.output.medium === "picture" ? h("button", { type: "button", class: "soft", "data-act": "take-result", on: { click: take } }, w("take_result")) : null;
  const element = h("div", { class: "slot-row", "data-drop": slot.name, "aria-label": titleOf(slot), role: "group" }, place, h("div", { class: "slot-acts" }, button, result, clear));
  const over = (/** @type {boolean} */ on) => () => element.classList.toggle("over", on);
  element.addEventListener("dragover", over(true));
  for (const end of ["dragleave", "drop"]) element.addEventListener(end, over(false));
  element.addEventListener("drop", (/** @type {DragEvent} */ event) => {
    const file = event.dataTransfer?.files[0];
    if (file?.type.startsWith("image/")) {
      event.preventDefault();
      event.stopPropagation();
      put(file);
    }
  });
  let shown = /** @type {string | null} */ (null); // so that an empty slot says so at first too
  const show = () => {
    const at = (editor.session && editor.pictureOf(slot.name)) ?? "";
    if (clear) clear.hidden = !at;
    if (at === shown) return;
    shown = at;
    fill(place, at ? h("img", { src: api.previewUrl(at), alt: titleOf(slot) }) : h("span", { class: "quiet" }, w("nothing_yet")));
  };
  editor.on("given", () => element.isConnected && show());
  show();
  return { element };
}
