/** What a user learned: a choice of trained weights, a weights file, and learning with the examples of a folder on this machine. */
import * as api from "../server/api.js";
import { h } from "../ui/elements.js";
import { chooseFile } from "../ui/files.js";
import { iconButton } from "../ui/icons.js";
import { notice } from "../ui/messages.js";
import { relativeTime, t, w } from "../words/language.js";

export const WEIGHTS = `.safetensors`;
const MINUTES = 10;

/** A choice of weights and a button for a file; null if the card has no weights. @param {any} card @param {string} chosen SHA-256, or "" for the shipped ones @param {(hash: string) => void} choose @param {(file: File) => void} take @param {(hash: string) => void} forget called with weights that were deleted */
export function weightsChoice(card, chosen, choose, take, forget) {
  const own = card.trained ?? [];
  const file = h("button", { type: "button", class: "soft", "data-act": "open-weights", title: () => t(w("weights_open_help")), on: { click: () => chooseFile(take, WEIGHTS) } }, w("weights_open"));
  const opens = Boolean(card.fits_data?.length || card.missing?.length);
  if (!own.length) return opens ? h("div", { class: "row start-weights" }, file) : null;
  const nameOf = (/** @type {any} */ mine) => mine.title || (() => `${t(w("job_kind_train"))} · ${relativeTime(mine.ended)}`);
  const options = [...(card.missing?.length ? [] : [["", w("folder_shipped")]]), ...own.map((/** @type {any} */ mine) => [mine.sha256, nameOf(mine)])];
  const select = h("select", { "data-field": "weights", on: { change: () => choose(select.value) } }, options.map(([key, words]) => h("option", { value: key, props: { selected: key === chosen } }, words)));
  const sent = own.find((/** @type {any} */ mine) => mine.sha256 === chosen && !mine.id);
  const drop = sent && iconButton("trash", w("weights_delete"), async () => {
    if (!confirm(t(w("weights_delete_sure")))) return;
    await api.deleteWeights(sent.sha256).then(() => forget(sent.sha256), (/** @type {Error} */ error) => notice(error.message, "wrong"));
  });
  return h("div", { class: "row start-weights" }, h("label", { class: "field" }, h("span", {}, w("folder_weights")), select), drop, file);
}

/** Learning with a folder of this machine, as a job: a fit, or a training; null if the recipe reads none. @param {any} card @param {(job: string) => void} openJob */
export function learnPanel(card, openJob) {
  const fits = Boolean(card.fits_data?.length);
  if (!fits && !card.trains_data?.length) return null;
  const folders = card.folders ?? [];
  if (!folders.length) return h("section", { class: "learn" }, h("h3", {}, w("learn")), h("p", { class: "quiet" }, card.layout ?? ""), h("p", { class: "quiet" }, w("learn_where")));
  const folder = h("select", { "data-field": "data" }, folders.map((/** @type {string} */ name) => h("option", { value: name, "data-own": "" }, name)));
  const minutes = h("input", { type: "number", min: 1, max: 10000, value: MINUTES, "data-field": "minutes" });
  const start = h("button", { type: "button", class: "primary", "data-act": "learn", on: { click: () => learn() } }, w("folder_start"));

  async function learn() {
    start.disabled = true;
    const most = Number(minutes.value) || MINUTES;
    const how = fits ? { kind: "fit", settings: card.settings?.properties?.minutes ? { minutes: most } : {} } : { kind: "train", minutes: most };
    try {
      const job = await api.submitJob({ ...how, recipe: card.name, data: folder.value, title: folder.value, client: crypto.randomUUID() });
      openJob(job.id);
    } catch (error) {
      notice(String(/** @type {Error} */ (error).message), "wrong");
    } finally {
      start.disabled = false;
    }
  }

  return h("section", { class: "learn" }, h("h3", {}, w("learn")), h("p", { class: "quiet" }, fits ? w("learn_help") : w("train_help")),
    h("div", { class: "row" }, h("label", { class: "field" }, h("span", {}, w("learn_folder")), folder), h("label", { class: "field" }, h("span", {}, w("folder_minutes")), minutes), start));
}
