/** One number, or none: how many of something, in the unit that the control names. */
import { h } from "../ui/elements.js";
import { titleOf, w } from "../words/language.js";

/** @param {import("../session/editor.js").Editor} editor @param {any} _view @param {any} slot */
export function numberWidget(editor, _view, slot) {
  const { low, high, unit = 1 } = slot.control;
  const field = Object.keys(slot.control.schema?.properties ?? { value: 0 })[0];
  const box = h("input", { type: "number", class: "number", min: low, max: high, step: 1, placeholder: w("auto"), "aria-label": titleOf(slot), "data-slot": slot.name });
  const now = () => editor.given.conditions[slot.name]?.[field] ?? null;
  box.addEventListener("change", () => {
    if (!box.validity.valid) return box.reportValidity();
    const value = box.value === "" ? null : Math.round(Number(box.value)) * unit;
    if (value === now()) return;
    editor.commit(value === null ? { op: "drop", slot: slot.name } : { op: "set", slot: slot.name, value: { [field]: value } });
  });
  const show = () => {
    if (document.activeElement !== box) box.value = now() === null ? "" : String(Math.round((100 * now()) / unit) / 100);
  };
  editor.on("given", () => box.isConnected && show());
  show();
  return { element: h("div", { class: "row" }, box, h("span", { class: "quiet" }, slot.help)) };
}
