/** Music from a file: a MIDI file is uploaded and becomes the notes of a slot; what was chosen or changed is said. */
import * as api from "../server/api.js";
import { h } from "../ui/elements.js";
import { chooseFile } from "../ui/files.js";
import { notice } from "../ui/messages.js";
import { t, w } from "../words/language.js";

const ENDINGS = [".mid", ".midi"];

/** Whether a control takes this file. @param {any} slot @param {{name: string}} file */
export const takesFile = (slot, file) => Boolean(slot.control?.files?.some((/** @type {string} */ ending) => file.name.toLowerCase().endsWith(ending)));

/** @param {{name: string}} file */
export const isMusic = (file) => ENDINGS.some((ending) => file.name.toLowerCase().endsWith(ending));

/** The value of a slot from a score: its highest voice, or as many voices as the control has. @param {any} slot @param {{steps: number, voices: number[][][]}} score */
export function valueOf(slot, score) {
  if (!("spans" in (slot.control.schema?.properties ?? {}))) return { steps: score.steps, notes: score.voices[0] };
  const num = slot.control.voices ?? score.voices.length;
  const voices = Array.from({ length: num }, (_, n) => score.voices[n] ?? []);
  return { steps: score.steps, voices, spans: voices.map((_, n) => (n < score.voices.length ? [[0, score.steps]] : [])) };
}

/** Upload a file: a slot's value, and notes for the user. @param {any} slot @param {File} file @returns {Promise<{value: any, said: any[]}>} */
export async function readMusic(slot, file) {
  const about = await api.uploadMusic(file);
  await api.deleteUpload(about.id).catch(() => undefined); // its notes are in the value
  const value = valueOf(slot, about.score);
  const used = value.voices ? Math.min(value.voices.length, about.voices.length) : 1;
  const names = about.voices.slice(0, used).map((/** @type {any} */ one, /** @type {number} */ n) => one.name || `${t(w("music_track"))} ${n + 1}`);
  const said = [w(about.voices.length > used ? "music_used" : "music_read", { names: names.join(", "), num: String(about.voices.length) })];
  if (about.moved) said.push(w("music_moved", { num: String(about.moved) }));
  if (about.dropped) said.push(w("music_dropped", { num: String(about.dropped) }));
  return { value, said };
}

/** Upload a file and set it as the value of a slot. @param {import("../session/editor.js").Editor} editor @param {any} slot @param {File} file */
export async function putMusic(editor, slot, file) {
  const here = editor.live;
  try {
    const { value, said } = await readMusic(slot, file);
    editor.commit({ op: "set", slot: slot.name, value }, here);
    notice(() => said.map(t).join(" "), "said");
  } catch (error) {
    notice(String(/** @type {Error} */ (error).message), "wrong");
  }
}

/** A button that opens a file, for a slot whose control takes one. @param {import("../session/editor.js").Editor} editor @param {any} slot */
export const openButton = (editor, slot) =>
  slot.control?.files ? h("button", { type: "button", class: "soft", "data-act": `open-${slot.name}`, on: { click: () => chooseFile((file) => putMusic(editor, slot, file), slot.control.files.join(",")) } }, w("music_open")) : null;
