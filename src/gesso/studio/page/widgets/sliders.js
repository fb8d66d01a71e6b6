/** A row of numbers, each a slider with its number beside it; all at zero is the same as nothing given. */
import { h } from "../ui/elements.js";
import { slider } from "../ui/slider.js";
import { t, titleOf, w } from "../words/language.js";

const STEPS = 100;

/** @param {import("../session/editor.js").Editor} editor @param {any} _view @param {any} slot */
export function slidersWidget(editor, _view, slot) {
  const { num, low, high } = slot.control;
  const field = Object.keys(slot.control.schema?.properties ?? { values: 0 })[0];
  const start = Math.min(high, Math.max(low, 0));
  const now = () => Array.from({ length: num }, (_, i) => Number(editor.given.conditions[slot.name]?.[field]?.[i] ?? start));

  /** @param {number} place @param {number} value */
  function edit(place, value) {
    const values = now().with(place, value);
    while (values.length && values.at(-1) === start) values.pop();
    return values.length ? { op: "set", slot: slot.name, value: { [field]: values } } : { op: "drop", slot: slot.name };
  }

  const rows = Array.from({ length: num }, (_, i) => rowOf(i));

  /** @param {number} place */
  function rowOf(place) {
    const label = () => t(w("slider_nth", { name: () => t(titleOf(slot)), num: String(place + 1) }));
    const box = h("input", { type: "number", class: "number", min: low, max: high, step: "any", "aria-label": label, on: { change: typed } });
    const look = (/** @type {number} */ value) => {
      box.value = String(value);
      editor.preview(edit(place, value));
    };
    const bar = slider({ min: low, max: high, step: (high - low) / STEPS, "aria-label": label, title: w("slider_help"), "data-place": place }, start, { look, keep: (value) => editor.commit(edit(place, value)) });

    function typed() {
      const value = box.value === "" ? start : Number(box.value);
      if (!box.validity.valid) return box.reportValidity();
      if (value !== now()[place]) editor.commit(edit(place, value));
    }

    const show = (/** @type {number} */ value) => {
      bar.show(value);
      if (document.activeElement !== box && !bar.moving()) box.value = String(value);
    };
    return { element: h("div", { class: "number-row" }, h("span", { class: "slider-name quiet", "aria-hidden": "true" }, String(place + 1)), bar.input, box), show };
  }

  const show = () => now().forEach((value, i) => rows[i].show(value));
  const clear = h("button", { type: "button", class: "soft", "data-act": "clear", on: { click: () => editor.given.conditions[slot.name] && editor.commit({ op: "drop", slot: slot.name }) } }, w("clear"));
  const element = h("div", { class: "form sliders", role: "group", "aria-label": titleOf(slot), "data-slot": slot.name }, rows.map((one) => one.element), slot.required ? null : clear);
  editor.on("given", () => element.isConnected && show());
  show();
  return { element };
}
