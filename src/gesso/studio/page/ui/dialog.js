/** Modal dialogs. */
import { add, h } from "./elements.js";
import { iconButton } from "./icons.js";
import { bindText, t, w } from "../words/language.js";

/** @param {any} title @param {any[]} kids @param {string} [kind] */
export function dialog(title, kids, kind = "") {
  const box = h("dialog", { class: `sheet ${kind}` });
  const heading = h("h2", {}, title);
  box.append(h("header", {}, heading, iconButton("close", w("close"), () => box.close())));
  add(box, kids);
  box.addEventListener("close", () => box.remove());
  bindText(box, () => box.setAttribute("aria-label", t(title)));
  document.body.append(box);
  box.showModal();
  return box;
}
