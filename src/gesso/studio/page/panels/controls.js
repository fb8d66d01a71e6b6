/** The panel of inputs, built from the card: colour and brush, each condition's control, settings, seed. */
import { palettePanel } from "./palette.js";
import { randomSeed } from "../session/editor.js";
import { fill, h } from "../ui/elements.js";
import { iconButton } from "../ui/icons.js";
import { fieldOf, isDial } from "../widgets/form.js";
import { widgetOf } from "../widgets/registry.js";
import { refreshText, t, titleOf, w } from "../words/language.js";

/** @param {import("../session/editor.js").Editor} editor @param {import("../canvas/view.js").View} view @param {HTMLElement} place @param {() => void} openSeeds */
export function controls(editor, view, place, openSeeds) {
  /** @returns {any[]} the tools for the rail */
  const build = () => editor.withCardScope(fresh);

  function fresh() {
    view.overlay = null;
    const made = editor.card.conditions.map((/** @type {any} */ slot) => ({ slot, ...widgetOf(slot)(editor, view, slot) }));
    const tools = made.flatMap((one) => one.tools ?? []);
    editor.pieceActions = made.filter((one) => one.onPieces).map((one) => ({ slot: one.slot.name, ...one.onPieces }));
    const coloured = tools.some((one) => one.coloured);
    const [dials, settings] = settingsPanels();
    fill(
      place,
      h("h2", { class: "unseen" }, w("controls")),
      tools.some((one) => one.radius) && brushPanel(tools, made.map((one) => one.brush)),
      dials,
      coloured && palettePanel(editor),
      made.filter((one) => one.element).map((one) => section(titleOf(one.slot), [one.element], { help: one.slot.help })),
      settings,
      outputPanel(),
      seedPanel(),
      editor.card.limits && Object.keys(editor.card.limits).length ? h("p", { class: "quiet limits" }, editor.card.limits) : null,
    );
    return tools;
  }

  /** @param {any} title @param {any[]} kids @param {any} [more] */
  function section(title, kids, { help = null, open = true, folds = false } = {}) {
    const heading = h(folds ? "summary" : "h3", { title: help }, title);
    return h(folds ? "details" : "section", { class: "part", open: folds && open }, heading, kids);
  }

  /** @param {any[]} tools @param {any[]} more elements that widgets add */
  function brushPanel(tools, more) {
    const colour = h("input", { type: "color", class: "colour-well", label: w("colour"), on: { input: () => editor.setColour(colour.value) } });
    const code = h("input", { class: "code", maxlength: 7, spellcheck: "false", "aria-label": w("colour_code"), on: { change: () => setCode(code) } });
    const slider = h("input", { type: "range", min: 0, max: 100, step: 1, "aria-label": w("radius"), on: { input: () => editor.setRadius(1.5 * 80 ** (slider.value / 100)) } });
    const size = h("output", { class: "quiet" });
    const colourRow = h("div", { class: "row" }, colour, code);
    const show = () => {
      colour.value = code.value = editor.colour;
      slider.value = String((100 * Math.log(editor.radius / 1.5)) / Math.log(80));
      size.textContent = `${editor.radius} px`;
      colourRow.hidden = !tools.some((one) => one.coloured);
    };
    editor.on("colour radius", () => colour.isConnected && show());
    show();
    return section(w("radius"), [colourRow, h("div", { class: "row" }, slider, size), more]);
  }

  /** @param {HTMLInputElement} code */
  function setCode(code) {
    const given = code.value.trim().replace(/^#?/, "#").toLowerCase();
    if (/^#[0-9a-f]{6}$/.test(given)) editor.setColour(given);
    else if (/^#[0-9a-f]{3}$/.test(given)) editor.setColour("#" + [...given.slice(1)].map((c) => c + c).join(""));
    code.value = editor.colour;
  }

  /** Dials are always visible; the other settings are folded if the card has a colour to draw with. */
  function settingsPanels() {
    const schema = editor.card.settings ?? {};
    const shown = Object.entries(schema.properties ?? {}).filter(([, one]) => !(/** @type {any} */ (one).verb)); // others are of a fit, or of a film
    const fields = shown.map(([name, one]) => {
      const edit = (/** @type {any} */ value) => ({ op: "setting", name, value });
      const field = fieldOf(name, /** @type {any} */ (one), { look: (v) => editor.preview(edit(v)), keep: (v) => editor.commit(edit(v)) }, schema.$defs);
      return { name, start: /** @type {any} */ (one).default, dial: isDial(one), ...field };
    });
    const show = () => fields.forEach((one) => one.show(editor.given.settings[one.name] ?? one.start ?? null));
    const [dials, others] = [true, false].map((dial) => fields.filter((one) => one.dial === dial).map((one) => one.element));
    const open = !editor.card.conditions.some((/** @type {any} */ s) => s.control?.colour);
    editor.on("given", () => fields[0]?.element.isConnected && show());
    show();
    return [dials.length ? h("section", { class: "part dials" }, dials) : null, others.length ? section(w("settings"), others, { folds: true, open }) : null];
  }

  /** Which of the card's pictures the canvas shows, where there are several. */
  function outputPanel() {
    const outs = editor.pictureOutputs;
    if (outs.length < 2) return null;
    const chips = outs.map((out) => h("button", { type: "button", role: "radio", class: "chip", "data-output": out.name, title: out.help, on: { click: () => editor.showOutput(out.name) } }, () => t(out.help).split(/[:;.,]/)[0]));
    const group = h("div", { class: "chips", role: "radiogroup", "aria-label": w("shown_output") }, chips);
    const show = () => chips.forEach((one, n) => one.setAttribute("aria-checked", String(outs[n] === editor.output)));
    editor.on("output", () => group.isConnected && show());
    show();
    return section(w("shown_output"), [group]);
  }

  function seedPanel() {
    const number = h("input", { type: "number", min: 0, max: 2 ** 53 - 1, step: 1, class: "number wide", "aria-label": w("seed"), on: { change: () => number.validity.valid && editor.commit({ op: "seed", value: Number(number.value) }) } });
    const lock = iconButton("lock", () => t(w(editor.seedLocked ? "seed_locked" : "seed_open")), () => {
      editor.seedLocked = !editor.seedLocked;
      lock.setAttribute("aria-pressed", String(editor.seedLocked));
      refreshText(lock);
    }, { "aria-pressed": String(editor.seedLocked), class: "plain lock" });
    const vary = iconButton("dice", w("seed_vary"), () => editor.commit({ op: "seed", value: randomSeed() }), { class: "soft", "data-act": "vary" }, w("seed_vary"));
    const grid = iconButton("grid", w("seed_grid"), () => openSeeds(), { class: "soft", "data-act": "grid" }, w("seed_grid"));
    const show = () => (number.value = String(editor.given.seed));
    const element = section(w("seed"), [h("div", { class: "row" }, number, lock), h("div", { class: "row" }, vary, grid)]);
    editor.on("given", () => element.isConnected && show());
    show();
    return element;
  }

  return { build };
}
