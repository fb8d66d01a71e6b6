/** Creates elements. Markup has no inline styles or handlers, because the page's content security policy forbids them. */
import { bindText, t } from "../words/language.js";

const isWords = (/** @type {any} */ v) => v && typeof v === "object" && !(v instanceof Node) && !Array.isArray(v);

/**
 * Create an element. `on` holds its listeners, `label` is its accessible name and tooltip, `style` is set through the CSSOM,
 * `props` are set as properties; everything else is an attribute. Texts (tokens, {en, ko}) change with the language.
 * @param {string} tag @param {Object<string, any>} [attrs] @param {...any} kids @returns {any}
 */
export function h(tag, attrs = {}, ...kids) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attrs)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "on") for (const [event, run] of Object.entries(value)) element.addEventListener(event, /** @type {any} */ (run));
    else if (name === "style") Object.assign(element.style, value);
    else if (name === "props") Object.assign(element, value);
    else if (name === "label") setLabel(element, value);
    else if (isWords(value) || typeof value === "function") bindText(element, () => element.setAttribute(name, t(value)));
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  add(element, kids);
  return element;
}

/** @param {Element} element @param {any} words */
function setLabel(element, words) {
  bindText(element, () => {
    element.setAttribute("aria-label", t(words));
    element.setAttribute("title", t(words));
  });
}

/** @param {Element} element @param {any[]} kids */
export function add(element, kids) {
  for (const kid of kids.flat(Infinity)) {
    if (kid === null || kid === undefined || kid === false) continue;
    if (kid instanceof Node) element.append(kid);
    else if (isWords(kid) || typeof kid === "function") {
      if (element.tagName === "OPTION") {
        bindText(element, () => (element.textContent = t(kid)));
        continue;
      }
      const span = document.createElement("span");
      bindText(span, () => (span.textContent = t(kid)));
      element.append(span);
    } else element.append(String(kid));
  }
}

/** @param {Element} element @param {...any} kids */
export function fill(element, ...kids) {
  element.replaceChildren();
  add(element, kids);
  return element;
}
