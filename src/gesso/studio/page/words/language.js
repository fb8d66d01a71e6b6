/**
 * The language of the page, English or Korean, and switching between them in place.
 * Cards have their own texts ({en, ko}); the table has the rest. `w(key)` is a token: an element that shows it
 * is updated when the language changes.
 */
import { TABLE } from "./table.js";

/** @typedef {{key: string, vars?: Object<string, any>}} Token */
/** @typedef {Token | {en?: string, ko?: string} | string | (() => string)} Words */

const STORAGE_KEY = "gesso.language";
const updates = new WeakMap();
let language = initialLanguage();

function initialLanguage() {
  const kept = localStorage.getItem(STORAGE_KEY);
  if (kept === "en" || kept === "ko") return kept;
  return (navigator.language || "en").toLowerCase().startsWith("ko") ? "ko" : "en";
}

export const lang = () => language;

/** @param {string} key @param {Object<string, any>} [vars] @returns {Token} */
export const w = (key, vars) => ({ key, vars });

/** A text in the current language. @param {Words | null | undefined} words @returns {string} */
export function t(words) {
  if (words === null || words === undefined) return "";
  if (typeof words === "string") return words;
  if (typeof words === "function") return words();
  if ("key" in words) {
    const row = TABLE[words.key];
    if (!row) return words.key;
    return row[language === "ko" ? 1 : 0].replace(/\{(\w+)\}/g, (_, name) => t(words.vars?.[name] ?? ""));
  }
  return words[language] ?? words.en ?? Object.values(words)[0] ?? "";
}

/** With a capital first letter; the help texts of cards start in lower case, as the command line prints them. @param {string} plain */
export const capitalize = (plain) => plain.charAt(0).toUpperCase() + plain.slice(1);

/** A readable form of a name that has no title ("num_steps"). @param {string} name */
export const humanize = (name) => capitalize(name.replace(/_/g, " "));

/** The title of a slot, output or setting. @param {{name: string, title?: any}} thing */
export function titleOf(thing) {
  return thing.title && typeof thing.title === "object" && Object.keys(thing.title).length ? thing.title : humanize(thing.name);
}

/** Call `put` now, and again at each change of the language while the element is in the page. @param {Element} element @param {() => void} put */
export function bindText(element, put) {
  put();
  const puts = updates.get(element) ?? [];
  puts.push(put);
  updates.set(element, puts);
  element.setAttribute("data-words", "");
}

/** Update an element's texts, because the values in them changed. @param {Element} element */
export const refreshText = (element) => updates.get(element)?.forEach((/** @type {() => void} */ put) => put());

/** @param {"en" | "ko"} wanted */
export function setLanguage(wanted) {
  language = wanted;
  localStorage.setItem(STORAGE_KEY, wanted);
  document.documentElement.lang = wanted;
  for (const element of document.querySelectorAll("[data-words]")) refreshText(element);
  document.dispatchEvent(new CustomEvent("language"));
}

/** A time relative to now, such as "5 minutes ago". @param {number | string} stamp seconds since 1970, or ISO 8601 */
export function relativeTime(stamp) {
  const when = typeof stamp === "number" ? stamp : Date.parse(stamp) / 1000;
  if (!Number.isFinite(when)) return "";
  const seconds = Math.max(0, Math.round(Date.now() / 1000 - when));
  const say = new Intl.RelativeTimeFormat(language, { numeric: "auto" });
  if (seconds < 60) return t(w("just_now"));
  if (seconds < 3600) return say.format(-Math.round(seconds / 60), "minute");
  if (seconds < 86400) return say.format(-Math.round(seconds / 3600), "hour");
  return say.format(-Math.round(seconds / 86400), "day");
}
