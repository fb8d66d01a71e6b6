/**
 * The widget of a control, chosen by the *tool* that the card names, never by recipe or kind.
 * A widget is a function `(editor, view, slot) → {element?, tools?}`: an element for the panel, and tools for the toolbar.
 * A tool without a widget gets a form made from its JSON schema.
 */
import { formWidget } from "./form.js";
import { chordsWidget } from "./chords.js";
import { foundWidget } from "./found.js";
import { labelWidget } from "./label.js";
import { maskWidget } from "./mask.js";
import { notesWidget } from "./notes.js";
import { numberWidget } from "./number.js";
import { orbitWidget } from "./orbit.js";
import { partsWidget } from "./parts.js";
import { pictureWidget } from "./picture.js";
import { slidersWidget } from "./sliders.js";
import { strokeWidget } from "./stroke.js";
import { wordsWidget } from "./words.js";

/** @type {Map<string, (editor: any, view: any, slot: any) => {element?: HTMLElement, tools?: any[]}>} */
const widgets = new Map(Object.entries({ brush: strokeWidget, pen: strokeWidget, page: pictureWidget, picture: pictureWidget, label: labelWidget, mask: maskWidget, notes: notesWidget, number: numberWidget, known_notes: partsWidget, chords: chordsWidget, orbit: orbitWidget, sliders: slidersWidget, latent: foundWidget, words: wordsWidget }));

/** @param {any} slot */
export const widgetOf = (slot) => widgets.get(slot.control?.tool) ?? formWidget;

/** Whether a control takes a picture that a session can start with. @param {any} slot */
export const takesPicture = (slot) => widgetOf(slot) === pictureWidget;
