/** The tools in hand's reach: the card's, then those of every room. */
import { announce, fill, h, icon } from "../dom.js";
import { listIn } from "../edit.js";
import { commonTools } from "../tools.js";
import { begun, t, w } from "../words.js";

/** @param {import("../room.js").Room} room @param {import("../view.js").View} view @param {HTMLElement} place */
export function rail(room, view, place) {
  /** @type {any[]} */ let tools = [];
  /** @type {any[]} */ let buttons = [];

  /** @param {any[]} own tools of the card's controls */
  function build(own) {
    const common = commonTools(room, view).filter((tool) => (!tool.needsColour || own.some((one) => one.coloured)) && (!tool.needsMarks || room.card.conditions.some(hasMarks)) && (!tool.needsPieces || (room.pieces?.output && room.pieceActs.length)));
    tools = own.length || common.length > 1 ? [...own, ...common] : common;
    buttons = tools.map((tool, i) => {
      const key = tool.key?.toUpperCase() ?? (i < 9 ? String(i + 1) : "");
      return h(
        "button",
        { type: "button", class: "tool", title: () => begun(t(tool.help)), "data-tool": tool.name, "aria-keyshortcuts": key, on: { click: () => room.take(tool) } },
        tinted(tool),
        h("span", { class: "tool-name" }, tool.title),
        key && h("kbd", {}, key),
      );
    });
    fill(place, buttons);
    room.lastTool = null;
    room.take(tools[0]);
  }

  /** @param {any} tool */
  function tinted(tool) {
    const sign = icon(tool.icon);
    if (tool.slot && !tool.coloured) sign.style.color = view.hueOf(tool.slot);
    return sign;
  }

  room.when("tool", () => buttons.forEach((button, i) => button.setAttribute("aria-pressed", String(tools[i] === room.tool))));
  return {
    build,
    /** @param {KeyboardEvent} event */
    key(event) {
      const number = Number(event.key);
      const tool = tools.find((one) => one.key === event.key.toLowerCase()) ?? (number >= 1 ? tools.filter((one) => !one.key)[number - 1] : null);
      if (tool) room.take(tool);
      if (tool) announce(tool.title);
    },
    /** A tool that every room has, if this one does. @param {string} name */
    common: (name) => tools.find((one) => one.name === name && !one.slot) ?? null,
    label: w("page_tools"),
  };
}

/** @param {any} slot */
function hasMarks(slot) {
  const properties = slot.control?.schema?.properties ?? {};
  return Boolean(slot.repeatable !== false && listIn(Object.fromEntries(Object.entries(properties).map(([k, v]) => [k, /** @type {any} */ (v).type === "array" ? [] : null]))));
}
