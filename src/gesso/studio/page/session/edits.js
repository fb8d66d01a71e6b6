/** Edits as pure data: applying a chain of edits, and describing one. Knows no condition kind, only the shapes of values. */
import { humanize, t, titleOf, w } from "../words/language.js";

/** `nodes`: for each condition the node that set it last, null if that edit is pending. */
/** @typedef {{conditions: Object<string, any>, settings: Object<string, any>, seed: number, nodes: Object<string, any>}} Given */

/** The name of the list of marks in a value; null unless there is exactly one list. @param {any} value */
export function markListOf(value) {
  if (!value || typeof value !== "object") return null;
  const lists = Object.keys(value).filter((key) => Array.isArray(value[key]));
  return lists.length === 1 ? lists[0] : null;
}

/** Apply the edits in order, as far as the page needs to draw the result. @param {{id?: any, edit: any}[]} nodes @returns {Given} */
export function foldEdits(nodes) {
  /** @type {Given} */
  const given = { conditions: {}, settings: {}, seed: 0, nodes: {} };
  for (const { id, edit } of nodes) apply(given, edit, id ?? null);
  return given;
}

/** @param {Given} given @param {any} edit @param {any} id */
function apply(given, edit, id) {
  if (!edit) return;
  if (edit.op === "set" || edit.op === "merge") given.nodes[edit.slot] = id;
  const { conditions } = given;
  if (edit.op === "several") edit.edits.forEach((/** @type {any} */ one) => apply(given, one, id));
  else if (edit.op === "set") conditions[edit.slot] = edit.value;
  else if (edit.op === "drop") delete conditions[edit.slot];
  else if (edit.op === "setting") {
    if ("value" in edit) given.settings[edit.name] = edit.value;
    else delete given.settings[edit.name];
  }
  else if (edit.op === "seed") given.seed = edit.value;
  else if (edit.op === "merge") {
    const list = markListOf(edit.value);
    const before = conditions[edit.slot];
    if (list && before?.[list]) conditions[edit.slot] = { ...edit.value, [list]: [...before[list], ...edit.value[list]] };
    else conditions[edit.slot] = edit.value;
  } else if (edit.op === "take") {
    const list = markListOf(conditions[edit.slot]);
    if (list) conditions[edit.slot] = { ...conditions[edit.slot], [list]: conditions[edit.slot][list].filter((_, /** @type {number} */ i) => i !== edit.index) };
  }
}

/** Whether all marks of a value are limited to their own pieces. @param {any} value */
const isAlone = (value) => Boolean(markListOf(value) && value[/** @type {string} */ (markListOf(value))].every((/** @type {any} */ mark) => mark.alone));

/**
 * The marks of an edit that other pieces may follow; null if the control has no marks limited to their piece (`alone`).
 * @param {any} edit @param {any} card @returns {{slot: string, list: string, value: any} | null}
 */
export function followableMarks(edit, card) {
  for (const one of edit?.op === "several" ? edit.edits : [edit]) {
    if (one?.op !== "merge") continue;
    const slot = card.conditions.find((/** @type {any} */ s) => s.name === one.slot);
    const [list, item] = markSchemaOf(slot?.control?.schema);
    if (item && "alone" in item && one.value?.[list]?.some((/** @type {any} */ mark) => !mark.alone)) return { slot: one.slot, list, value: one.value };
  }
  return null;
}

/** One edit that limits the last marks to their own pieces. @param {{slot: string, list: string, value: any}} brought @param {Given} given */
export function onlyHereEdit({ slot, list, value }, given) {
  const marks = value[list];
  const last = given.conditions[slot][list].length - 1;
  const alone = { ...value, [list]: marks.map((/** @type {any} */ mark) => ({ ...mark, alone: true })) };
  return { op: "several", edits: [...marks.map((/** @type {any} */ _, /** @type {number} */ i) => ({ op: "take", slot, index: last - i })), { op: "merge", slot, value: alone }] };
}

/** The name of the list of marks in a schema, and the properties of a mark. @param {any} schema @returns {[string, any]} */
export function markSchemaOf(schema) {
  const [name, array] = Object.entries(schema?.properties ?? {}).find(([, one]) => /** @type {any} */ (one).type === "array") ?? ["marks", null];
  const item = /** @type {any} */ (array)?.items;
  const found = item?.$ref ? schema.$defs?.[item.$ref.split("/").at(-1)] : item;
  return [name, found?.properties];
}

/** The first colour in an edit; null if it has none. @param {any} edit @returns {string | null} */
export function firstColourOf(edit) {
  if (edit?.op === "several") return edit.edits.map(firstColourOf).find(Boolean) ?? null;
  const list = markListOf(edit?.value);
  return (list && edit.value[list][0]?.color) || null;
}

/** A short description of an edit. @param {any} edit @param {any} card @returns {any} */
export function describeEdit(edit, card) {
  if (!edit) return w("began");
  const slot = card.conditions.find((/** @type {any} */ s) => s.name === edit.slot);
  const name = () => (slot ? t(titleOf(slot)) : t(humanize(edit.slot ?? "")));
  if (edit.op === "merge") return w(isAlone(edit.value) ? "edit_alone" : "edit_added", { name });
  if (edit.op === "set") return w(typeof edit.value?.name === "string" ? "edit_named" : "edit_set", { name, value: edit.value?.name });
  if (edit.op === "drop") return w("edit_dropped", { name });
  if (edit.op === "take") return w("edit_taken", { name });
  if (edit.op === "seed") return w("edit_seed", { value: String(edit.value) });
  if (edit.op === "setting") return w("edit_setting", { name: () => t(settingTitle(card, edit.name)), value: () => settingValue(card, edit.name, edit.value) });
  if (edit.op === "several") {
    // A new seed beside other edits is not mentioned, nor are marks that new ones replace.
    const adds = edit.edits.some((/** @type {any} */ one) => one.op === "merge");
    const others = edit.edits.filter((/** @type {any} */ one) => one.op !== "seed" && !(adds && one.op === "take"));
    const told = others.length ? others : edit.edits;
    const said = told[0] ? describeEdit(told[0], card) : w("began");
    return told.length > 1 ? w("edit_several", { first: () => t(said), num: String(told.length - 1) }) : said;
  }
  return edit.op;
}

/** A setting's value as text for the user. @param {any} card @param {string} name @param {any} value */
export function settingValue(card, name, value) {
  if (value === null || value === undefined) return t(w("auto"));
  const words = card.settings?.properties?.[name]?.words?.choices?.[value];
  return words ? t(words) : String(value);
}

/** @param {any} card @param {string} name */
export function settingTitle(card, name) {
  const field = card.settings?.properties?.[name];
  return field?.words?.title ?? humanize(name);
}
