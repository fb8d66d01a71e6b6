/**
 * Which widget draws a control: by the *tool* that a condition's card names, never by recipe or kind.
 * A widget is `(editor, view, slot) → {element?, tools?}`: what stands in the panel, and what lies in the rail.
 * Tools that nobody drew a widget for get a form made from their JSON schema.
 */
import { formWidget } from "./form.js";
import { labelWidget } from "./label.js";
import { maskWidget } from "./mask.js";
import { pictureWidget } from "./picture.js";
import { strokeWidget } from "./stroke.js";

/** @type {Map<string, (editor: any, view: any, slot: any) => {element?: HTMLElement, tools?: any[]}>} */
const widgets = new Map(Object.entries({ brush: strokeWidget, pen: strokeWidget, page: pictureWidget, picture: pictureWidget, label: labelWidget, mask: maskWidget }));

/** @param {any} slot */
export const widgetOf = (slot) => widgets.get(slot.control?.tool) ?? formWidget;

/** Is this control a picture that the page can be begun with? @param {any} slot */
export const takesPicture = (slot) => widgetOf(slot) === pictureWidget;
