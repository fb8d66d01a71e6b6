/**
 * A value that a fit finds: the user gives a picture, a job looks for the value that makes it, and the value becomes an edit.
 * The card's `fit_conditions` tell what the fit reads; the control's `finds` names the one that is given here.
 */
import * as api from "../server/api.js";
import { fill, h } from "../ui/elements.js";
import { chooseFile } from "../ui/files.js";
import { notice } from "../ui/messages.js";
import { t, titleOf, w } from "../words/language.js";
import { uploadValue } from "./picture.js";

const LOOK = 500;
const over = (/** @type {any} */ job) => job.state !== "queued" && job.state !== "running";

/** @param {import("../session/editor.js").Editor} editor @param {any} _view @param {any} slot */
export function foundWidget(editor, _view, slot) {
  const { card } = editor;
  const wanted = (card.fit_conditions ?? []).find((/** @type {any} */ one) => one.name === slot.control.finds);
  const state = h("span", { class: "quiet", role: "status" });
  const far = h("progress", { max: 1, value: 0, hidden: true, "aria-label": titleOf(slot) });
  const choose = h("button", { type: "button", class: "soft", "data-act": "find", on: { click: () => chooseFile(find) } }, wanted ? titleOf(wanted) : w("replace"), "…");
  const stop = h("button", { type: "button", class: "soft", "data-act": "stop", hidden: true, on: { click: () => searching && api.cancelJob(searching) } }, w("job_cancel"));
  const clear = h("button", { type: "button", class: "soft", "data-act": "clear", on: { click: () => editor.commit({ op: "drop", slot: slot.name }) } }, w("clear"));
  const element = h("div", { class: "slot-row", "data-slot": slot.name, "data-drop": slot.name, role: "group", "aria-label": titleOf(slot) }, h("div", { class: "slot-acts" }, choose, stop, clear), far, state);
  let searching = "";
  element.addEventListener("dragover", (event) => event.preventDefault());
  element.addEventListener("drop", (/** @type {DragEvent} */ event) => {
    const file = event.dataTransfer?.files[0];
    if (!file?.type.startsWith("image/")) return;
    event.preventDefault();
    event.stopPropagation();
    find(file);
  });

  /** @param {Blob} file */
  async function find(file) {
    if (searching || !wanted) return;
    const here = editor.live;
    try {
      const { id } = await api.upload(file);
      const own = editor.session?.weights?.[card.name];
      const job = await api.submitJob({
        kind: "fit", recipe: card.name, conditions: { [wanted.name]: uploadValue(wanted, id) }, seed: editor.given.seed, weights: own || null,
        title: t(titleOf(wanted)), client: crypto.randomUUID(),
      });
      searching = job.id;
      show();
      const value = await found(job.id);
      if (value) editor.commit({ op: "set", slot: slot.name, value }, here);
    } catch (error) {
      notice(String(/** @type {Error} */ (error).message), "wrong");
    } finally {
      searching = "";
      show();
    }
  }

  /** The value, when the job has found it; null if it was stopped. @param {string} id */
  async function found(id) {
    for (;;) {
      const job = await api.readJob(id);
      far.value = job.total ? job.done / job.total : 0;
      if (job.state === "failed") throw new Error([job.error?.what, job.error?.fix].filter(Boolean).join(" — "));
      if (over(job)) return job.state === "done" ? (await api.readJobJson(id, "request")).conditions[slot.name] : null;
      await new Promise((done) => setTimeout(done, LOOK));
    }
  }

  function show() {
    const given = Boolean(editor.given.conditions[slot.name]);
    far.hidden = stop.hidden = !searching;
    choose.disabled = Boolean(searching);
    clear.hidden = !given || Boolean(searching);
    fill(state, searching ? w("finding") : given ? w("found_it") : w("nothing_yet"));
  }
  editor.on("given", () => element.isConnected && show());
  show();
  return { element };
}
