/** A picture that is given: its small view, and ways to put another in its place. */
import * as api from "../api.js";
import { fill, h, notice } from "../dom.js";
import { titleOf, w } from "../words.js";

/** A picture of a value as it may be sent: an upload takes the place of pixels. @param {any} slot @param {string} id */
export function valueOf(slot, id) {
  const field = Object.keys(slot.control.schema?.properties ?? { pixels: 0 })[0];
  return { [field]: { upload: id } };
}

/** @param {(file: File) => void} take */
export function askForFile(take, accept = "image/*") {
  const input = h("input", { type: "file", accept, hidden: true, on: { change: () => input.files[0] && take(input.files[0]) } });
  document.body.append(input);
  input.click();
  setTimeout(() => input.remove(), 60_000);
}

/** Put a picture in a slot of the open session. @param {import("../room.js").Room} room @param {any} slot @param {Blob} file */
export async function putPicture(room, slot, file) {
  const here = room.live;
  try {
    const { id } = await api.upload(file);
    room.commit({ op: "set", slot: slot.name, value: valueOf(slot, id) }, here);
  } catch (error) {
    notice(String(/** @type {Error} */ (error).message), "wrong");
  }
}

/** @param {import("../room.js").Room} room @param {any} _view @param {any} slot */
export function pictureWidget(room, _view, slot) {
  const place = h("div", { class: "slot-picture" });
  const put = (/** @type {Blob} */ file) => putPicture(room, slot, file);
  const button = h("button", { type: "button", class: "soft", on: { click: () => askForFile(put) } }, w("replace"));
  const element = h("div", { class: "slot-row", "data-drop": slot.name, "aria-label": titleOf(slot), role: "group" }, place, button);
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
  let shown = "";
  const show = () => {
    const at = (room.session && room.pictureOf(slot.name)) ?? "";
    if (at === shown) return;
    shown = at;
    fill(place, at ? h("img", { src: api.smallAt(at), alt: titleOf(slot) }) : h("span", { class: "quiet" }, w("nothing_yet")));
  };
  room.when("given", () => element.isConnected && show());
  show();
  return { element };
}
