/** The toolbar: the tools of the card, then the common ones. */
import { commonTools } from "../canvas/common_tools.js";
import { markListOf } from "../session/edits.js";
import { fill, h } from "../ui/elements.js";
import { icon } from "../ui/icons.js";
import { announce } from "../ui/messages.js";
import { capitalize, t, w } from "../words/language.js";

/** @param {import("../session/editor.js").Editor} editor @param {import("../canvas/view.js").View} view @param {HTMLElement} place */
export function toolbar(editor, view, place) {
  /** @type {any[]} */ let tools = [];
  /** @type {any[]} */ let buttons = [];

  /** @param {any[]} own tools of the card's controls */
  function build(own) {
    const common = commonTools(editor, view).filter((tool) => (!tool.needsColour || own.some((one) => one.coloured)) && (!tool.needsMarks || editor.card.conditions.some(hasMarks)) && (!tool.needsPieces || (editor.pieces?.output && editor.pieceActions.length)));
    tools = own.length || common.length > 1 ? [...own, ...common] : common;
    buttons = tools.map((tool, i) => {
      const key = tool.key?.toUpperCase() ?? (i < 9 ? String(i + 1) : "");
      return h(
        "button",
        { type: "button", class: "tool", title: () => capitalize(t(tool.help)), "data-tool": tool.name, "aria-keyshortcuts": key, on: { click: () => editor.setTool(tool) } },
        tinted(tool),
        h("span", { class: "tool-name" }, tool.title),
        key && h("kbd", {}, key),
      );
    });
    fill(place, buttons);
    editor.lastTool = null;
    editor.setTool(tools[0]);
  }

  /** @param {any} tool */
  function tinted(tool) {
    const sign = icon(tool.icon);
    if (tool.slot && !tool.coloured) sign.style.color = view.hueOf(tool.slot);
    return sign;
  }

  editor.on("tool", () => buttons.forEach((button, i) => button.setAttribute("aria-pressed", String(tools[i] === editor.tool))));
  return {
    build,
    /** @param {KeyboardEvent} event */
    key(event) {
      const number = Number(event.key);
      const tool = tools.find((one) => one.key === event.key.toLowerCase()) ?? (number >= 1 ? tools.filter((one) => !one.key)[number - 1] : null);
      if (tool) editor.setTool(tool);
      if (tool) announce(tool.title);
    },
    /** A common tool by its name; null if this card has no use for it. @param {string} name */
    common: (name) => tools.find((one) => one.name === name && !one.slot) ?? null,
    label: w("page_tools"),
  };
}

/** @param {any} slot */
function hasMarks(slot) {
  const properties = slot.control?.schema?.properties ?? {};
  return Boolean(slot.repeatable !== false && markListOf(Object.fromEntries(Object.entries(properties).map(([k, v]) => [k, /** @type {any} */ (v).type === "array" ? [] : null]))));
}
