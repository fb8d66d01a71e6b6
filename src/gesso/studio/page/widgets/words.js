/** A short text, or none: one line to type. What is typed is kept with Enter or when the field is left. */
import { h } from "../ui/elements.js";
import { titleOf, w } from "../words/language.js";

/** @param {import("../session/editor.js").Editor} editor @param {any} _view @param {any} slot */
export function wordsWidget(editor, _view, slot) {
  const schema = slot.control.schema?.properties ?? {};
  const field = Object.keys(schema)[0] ?? "text";
  const box = h("input", { type: "text", class: "wide", maxlength: schema[field]?.maxLength, placeholder: w("words_help"), "aria-label": titleOf(slot), "data-slot": slot.name });
  const now = () => editor.given.conditions[slot.name]?.[field] ?? "";
  box.addEventListener("change", () => {
    const text = box.value.trim().replace(/\s+/g, " ");
    if (text !== now()) editor.commit(text ? { op: "set", slot: slot.name, value: { [field]: text } } : { op: "drop", slot: slot.name });
  });
  const show = () => document.activeElement === box || (box.value = now());
  editor.on("given", () => box.isConnected && show());
  show();
  return { element: h("div", {}, box) };
}
