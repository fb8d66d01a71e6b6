/** One of a list of names, or none: a row of buttons. */
import { h } from "../ui/elements.js";
import { titleOf, w } from "../words/language.js";

/** @param {import("../session/editor.js").Editor} editor @param {any} _view @param {any} slot */
export function labelWidget(editor, _view, slot) {
  const field = Object.keys(slot.control.schema?.properties ?? { name: 0 })[0];
  const choose = (/** @type {string | null} */ name) =>
    editor.commit(name === null ? { op: "drop", slot: slot.name } : { op: "set", slot: slot.name, value: { [field]: name } });
  const choices = [null, ...slot.control.classes].filter((name) => name !== null || !slot.required);
  const buttons = choices.map((name) => h("button", { type: "button", role: "radio", class: "chip", "data-value": name ?? "", on: { click: () => choose(name) } }, name ?? w("any")));
  const group = h("div", { class: "chips", role: "radiogroup", "aria-label": titleOf(slot), on: { keydown: walk } }, buttons);
  const asked = h("p", { class: "quiet", "data-asked": "" }, w("choose_to_begin"));
  const show = () => {
    const now = editor.given.conditions[slot.name]?.[field] ?? null;
    asked.hidden = !slot.required || now !== null;
    choices.forEach((name, i) => {
      buttons[i].setAttribute("aria-checked", String(name === now));
      buttons[i].tabIndex = name === now || (now === null && i === 0) ? 0 : -1;
    });
  };
  editor.on("given", () => group.isConnected && show());
  show();

  /** @param {KeyboardEvent} event */
  function walk(event) {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!step) return;
    const next = (buttons.indexOf(/** @type {any} */ (document.activeElement)) + step + buttons.length) % buttons.length;
    buttons[next].focus();
    event.preventDefault();
    event.stopPropagation();
  }
  return { element: h("div", {}, asked, group) };
}
