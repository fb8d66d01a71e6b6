/** Forms made from JSON schemas: the settings of a card, and controls without a widget of their own. */
import { h } from "../ui/elements.js";
import { slider } from "../ui/slider.js";
import { bindText, humanize, refreshText, t, titleOf, w } from "../words/language.js";

/**
 * One field. `look` is called while the user moves it, `keep` when the user releases it.
 * @param {string} name @param {any} schema @param {{look: (v: any) => void, keep: (v: any) => void}} hear @param {any} [defs]
 * @returns {{element: HTMLElement, show: (value: any) => void}}
 */
export function fieldOf(name, schema, hear, defs = {}) {
  const plain = resolve(schema, defs);
  const id = `field-${name}-${Math.random().toString(36).slice(2, 7)}`;
  const title = schema.words?.title ?? humanize(name);
  const help = schema.words?.help ?? schema.description ?? null;
  const { input, show } = inputOf({ ...plain, words: schema.words ?? plain.words }, id, hear);
  const element = h("div", { class: "field", "data-field": name }, h("label", { for: id, title: help }, title), input);
  return { element, show };
}

/** A schema with its references resolved; `optional` if null is allowed too. @param {any} schema @param {any} defs */
function resolve(schema, defs) {
  let plain = schema;
  if (plain.$ref) plain = { ...defs[plain.$ref.split("/").at(-1)], ...plain };
  const kinds = plain.anyOf?.filter((/** @type {any} */ one) => one.type !== "null");
  if (kinds?.length === 1) plain = { ...plain, ...resolve(kinds[0], defs), optional: plain.anyOf.length > 1 };
  return plain;
}

/** @param {any} schema @param {string} id @param {{look: (v: any) => void, keep: (v: any) => void}} hear */
function inputOf(schema, id, hear) {
  if (schema.enum) return choiceOf(schema.enum, id, hear, schema.words?.choices);
  if (schema.type === "boolean") {
    const box = h("input", { type: "checkbox", id, on: { change: () => hear.keep(box.checked) } });
    return { input: box, show: (/** @type {any} */ v) => (box.checked = Boolean(v)) };
  }
  if (isDial(schema)) return dialOf(schema, id, hear);
  if (schema.type === "integer" || schema.type === "number") return numberOf(schema, id, hear);
  if (schema.type === "string") {
    const box = h("input", { type: schema.format === "color" ? "color" : "text", id, maxlength: schema.maxLength, on: { change: () => hear.keep(box.value) } });
    return { input: box, show: (/** @type {any} */ v) => (box.value = v ?? schema.default ?? "") };
  }
  const box = h("textarea", { id, rows: 4, spellcheck: "false", class: "json", on: { change: () => read(box, hear.keep) } });
  return { input: box, show: (/** @type {any} */ v) => (box.value = JSON.stringify(v ?? schema.default ?? null)) };
}

/** @param {HTMLTextAreaElement} box @param {(v: any) => void} keep */
function read(box, keep) {
  try {
    const value = JSON.parse(box.value);
    box.setCustomValidity("");
    keep(value);
  } catch (error) {
    box.setCustomValidity(t(w("not_json")));
    box.reportValidity();
  }
}

/** @param {any[]} values @param {string} id @param {{keep: (v: any) => void}} hear @param {Object<string, any>} [words] by value */
function choiceOf(values, id, hear, words = {}) {
  const box = h("select", { id, on: { change: () => hear.keep(values[box.selectedIndex]) } }, values.map((one) => h("option", { value: String(one) }, words[one] ?? humanize(String(one)))));
  return { input: box, show: (/** @type {any} */ v) => (box.selectedIndex = Math.max(0, values.indexOf(v))) };
}

/** Whether a schema is a dial: a number whose minimum and maximum have names. @param {any} schema */
export const isDial = (schema) => Boolean(schema.words?.choices?.[schema.minimum] && schema.words.choices[schema.maximum]);

/** A slider between two named ends, with a tick at the default. @param {any} schema @param {string} id @param {{look: (v: any) => void, keep: (v: any) => void}} hear */
function dialOf(schema, id, hear) {
  const { minimum: low, maximum: high, words } = schema;
  const step = schema.type === "integer" ? 1 : (high - low) / 20;
  const said = () => t(words.choices[String(Number(bar.input.value))]) || `${Math.round((100 * (Number(bar.input.value) - low)) / (high - low))} %`;
  const bar = slider({ id, min: low, max: high, step, list: `${id}-tick`, title: w("slider_help") }, schema.default ?? low, { look: (v) => (refreshText(bar.input), hear.look(v)), keep: hear.keep });
  bindText(bar.input, () => bar.input.setAttribute("aria-valuetext", said()));
  const tick = h("datalist", { id: `${id}-tick` }, schema.default === undefined ? null : h("option", { value: schema.default }));
  const show = (/** @type {any} */ value) => {
    bar.show(value ?? schema.default ?? low);
    refreshText(bar.input);
  };
  const ends = h("div", { class: "dial-ends quiet", "aria-hidden": "true" }, h("span", {}, words.choices[low]), h("span", {}, words.choices[high]));
  return { input: h("div", { class: "dial" }, bar.input, tick, ends), show };
}

/** A number box, with a slider if the range is limited and not too long. @param {any} schema @param {string} id @param {{look: (v: any) => void, keep: (v: any) => void}} hear */
function numberOf(schema, id, hear) {
  const low = schema.minimum ?? schema.exclusiveMinimum;
  const high = schema.maximum ?? schema.exclusiveMaximum;
  const whole = schema.type === "integer";
  const slides = low !== undefined && high !== undefined && high - low <= 2000;
  const step = whole ? 1 : slides ? Math.max(0.01, Math.round((high - low) / 2) / 100) : "any";
  const box = h("input", { type: "number", min: low, max: high, step: whole ? 1 : "any", id: slides ? `${id}-box` : id, class: "number", placeholder: schema.optional ? w("auto") : null });
  const valueOf = () => (box.value === "" && schema.optional ? null : Number(box.value));
  const put = (/** @type {number | null} */ value) => (box.value = String(value ?? ""));
  const bar = slides ? slider({ id, min: low, max: high, step, title: w("slider_help") }, schema.default ?? (schema.optional ? null : low), { look: (v) => (put(v), hear.look(v)), keep: hear.keep }) : null;
  if (bar) box.setAttribute("aria-labelledby", id);
  let typing = false; // and not entered yet
  box.addEventListener("input", () => (typing = true));
  box.addEventListener("change", () => {
    typing = false;
    if (box.validity.valid) hear.keep(valueOf());
    else box.reportValidity();
  });
  const show = (/** @type {any} */ value) => {
    bar?.show(value ?? null);
    if (bar?.moving() || (typing && document.activeElement === box)) return;
    box.value = value ?? "";
  };
  return { input: h("div", { class: "number-row" }, bar?.input, box), show };
}

/** The form of a condition whose tool has no widget. @param {import("../session/editor.js").Editor} editor @param {any} _view @param {any} slot */
export function formWidget(editor, _view, slot) {
  const schema = slot.control?.schema ?? {};
  const defs = schema.$defs ?? {};
  const base = Object.fromEntries(Object.entries(schema.properties ?? {}).map(([name, one]) => [name, startOf(resolve(/** @type {any} */ (one), defs))]));
  const now = () => editor.given.conditions[slot.name] ?? base;
  const edit = (/** @type {string} */ name, /** @type {any} */ value) => ({ op: "set", slot: slot.name, value: { ...now(), [name]: value } });
  const fields = Object.entries(schema.properties ?? {}).map(([name, one]) => ({
    name,
    ...fieldOf(name, one, { look: (v) => editor.preview(edit(name, v)), keep: (v) => editor.commit(edit(name, v)) }, defs),
  }));
  const clear = slot.required ? null : h("button", { type: "button", class: "soft", on: { click: () => editor.given.conditions[slot.name] && editor.commit({ op: "drop", slot: slot.name }) } }, w("clear"));
  const element = h("div", { class: "form", role: "group", "aria-label": titleOf(slot), "data-slot": slot.name }, fields.map((one) => one.element), clear);
  const show = () => fields.forEach((one) => one.show(now()[one.name]));
  editor.on("given", () => element.isConnected && show());
  show();
  return { element };
}

/** @param {any} schema */
function startOf(schema) {
  if (schema.default !== undefined) return schema.default;
  if (schema.enum) return schema.enum[0];
  if (schema.type === "integer" || schema.type === "number") return schema.minimum ?? 0;
  return { boolean: false, string: "", array: [], object: {} }[/** @type {string} */ (schema.type)] ?? null;
}
