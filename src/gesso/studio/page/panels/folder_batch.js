/** Batch jobs: a folder of pictures is dropped or chosen, uploaded, and submitted as one job. */
import * as api from "../server/api.js";
import { dialog } from "../ui/dialog.js";
import { fill, h } from "../ui/elements.js";
import { chooseFile } from "../ui/files.js";
import { icon } from "../ui/icons.js";
import { notice } from "../ui/messages.js";
import { takesPicture } from "../widgets/registry.js";
import { titleOf, w } from "../words/language.js";

const AT_ONCE = 2;
const PICTURE = /\.(png|jpe?g|webp|gif|bmp|tiff?)$/i;
const natural = new Intl.Collator(undefined, { numeric: true }).compare;

/** @param {HTMLElement} place @param {{open: (id: string) => void, show: () => void}} jobs */
export function folderBatch(place, jobs) {
  const pick = (/** @type {boolean} */ whole) => {
    const input = h("input", { type: "file", multiple: true, accept: "image/*", hidden: true, webkitdirectory: whole, on: { change: () => take([...input.files].filter(ownFile)) } });
    document.body.append(input);
    input.click();
    setTimeout(() => input.remove(), 60_000);
  };
  place.append(
    h("section", { class: "folder", "data-folder": "" },
      icon("grid"),
      h("div", {}, h("h3", {}, w("folder")), h("p", { class: "quiet" }, w("folder_help"))),
      h("button", { type: "button", class: "soft", "data-act": "choose-folder", on: { click: () => pick(true) } }, w("folder_choose")),
      h("button", { type: "button", class: "soft", "data-act": "choose-files", on: { click: () => pick(false) } }, w("folder_files"))),
  );

  // A single picture is handled by the page; a folder, or several pictures, are a batch.
  addEventListener("drop", (event) => {
    const items = [...(event.dataTransfer?.items ?? [])].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
    const folders = items.filter((one) => one?.isDirectory);
    const files = [...(event.dataTransfer?.files ?? [])];
    if (!folders.length && files.filter(isPicture).length < 2) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    Promise.all(folders.map(filesIn)).then((inside) => take([...inside.flat(), ...files.filter((file) => file.size)]));
  }, true);

  /** @param {File[]} files */
  function take(files) {
    const pictures = files.filter(isPicture).sort((a, b) => natural(a.name, b.name));
    if (!pictures.length) return notice(w("folder_empty"), "wrong");
    ask(pictures, jobs).catch((error) => notice(error.message, "wrong"));
  }
  return { take };
}

/** Whether a file is directly in the chosen folder: files in subfolders are left out, as they are when a folder is dropped. */
const ownFile = (/** @type {File} */ file) => file.webkitRelativePath.split("/").length <= 2;

const isPicture = (/** @type {File} */ file) => !file.name.startsWith(".") && (file.type.startsWith("image/") || PICTURE.test(file.name));

/** The files of a folder, without those of its subfolders. @param {any} entry @returns {Promise<File[]>} */
async function filesIn(entry) {
  const reader = entry.createReader();
  const found = [];
  for (;;) {
    const some = await new Promise((done, wrong) => reader.readEntries(done, wrong));
    if (!some.length) break;
    found.push(...some.filter((/** @type {any} */ one) => one.isFile));
  }
  return Promise.all(found.map((one) => new Promise((done, wrong) => one.file(done, wrong))));
}

/** @param {File[]} files @param {{open: (id: string) => void, show: () => void}} jobs */
async function ask(files, jobs) {
  const lines = await api.listRecipes();
  const cards = (await api.readRecipes(lines.filter((/** @type {any} */ one) => one.ready !== false))).cards.filter((one) => one.conditions.some(takesPicture));
  if (!cards.length) return notice(w("folder_no_recipe"), "wrong");
  const started = document.querySelector("[data-recipe][aria-checked=true]")?.getAttribute("data-recipe");
  let card = cards.find((one) => one.name === started) ?? cards[0];
  /** @type {Object<string, string>} */ let given = {};
  let stopped = false;
  const folderName = (files[0].webkitRelativePath || "").split("/")[0];

  const form = h("form", { class: "form folder-form", on: { submit: (/** @type {Event} */ event) => (event.preventDefault(), start()) } });
  const box = dialog(w("folder_title", { num: String(files.length) }), [form]);
  box.addEventListener("close", () => (stopped = true));
  const select = (/** @type {any} */ label, /** @type {any[]} */ options, /** @type {string} */ value, /** @type {(value: string) => void} */ change, name = "") => {
    const chosen = h("select", { "data-field": name, on: { change: () => change(chosen.value) } }, options.map(([key, words]) => h("option", { value: key, props: { selected: key === value } }, words)));
    return h("label", { class: "field" }, h("span", {}, label), chosen);
  };
  let each = "";
  let format = "png";
  let learns = false;
  let weights = "";
  const trained = (await api.listJobs()).filter((/** @type {any} */ one) => one.kind === "train" && one.state === "done");
  const own = await Promise.all(trained.map((/** @type {any} */ one) => api.readJob(one.id)));
  build();

  function build() {
    const slots = card.conditions.filter(takesPicture);
    each = slots.some((/** @type {any} */ one) => one.name === each) ? each : (slots.find((/** @type {any} */ one) => one.required) ?? slots[0]).name;
    const others = card.conditions.filter((/** @type {any} */ one) => takesPicture(one) && one.required && one.name !== each);
    const layered = card.outputs.some((/** @type {any} */ out) => out.medium === "layers");
    const formats = layered ? ["png", "ora", "psd"] : ["png"];
    if (!formats.includes(format)) format = "png";
    const tasks = cards.flatMap((one) => [[one.name, one.title], ...(one.learns_pictures ? [[`+${one.name}`, w("folder_learn", { title: one.title })]] : [])]);
    const task = tasks.length > 1 && select(w("folder_recipe"), tasks, (learns ? "+" : "") + card.name, (name) => ((learns = name[0] === "+"), (card = cards.find((one) => one.name === name.replace("+", ""))), (given = {}), build()), "recipe");
    if (learns) {
      const minutes = h("input", { type: "number", min: 1, max: 10000, value: 60, "data-field": "minutes" });
      return void fill(form, task, h("label", { class: "field" }, h("span", {}, w("folder_minutes")), minutes), h("p", { class: "quiet" }, w("folder_learn_help")),
        h("div", { class: "row end" }, h("button", { type: "submit", class: "primary", "data-act": "start-batch" }, w("folder_start"))));
    }
    const mine = own.filter((one) => one.has_weights && one.asked.recipe === card.name);
    if (!mine.some((one) => one.id === weights)) weights = "";
    fill(form,
      task,
      mine.length > 0 && select(w("folder_weights"), [["", w("folder_shipped")], ...mine.map((one) => [one.id, one.title || w("job_kind_train")])], weights, (id) => (weights = id), "weights"),
      slots.length > 1 && select(w("folder_each"), slots.map((/** @type {any} */ one) => [one.name, titleOf(one)]), each, (name) => ((each = name), build()), "each"),
      others.map((/** @type {any} */ slot) => h("div", { class: "row" }, h("span", {}, titleOf(slot)), h("button", { type: "button", class: "soft", on: { click: () => chooseFile((file) => other(slot.name, file)) } }, given[slot.name] ? w("replace") : w("folder_other")), given[slot.name] ? "✓" : h("small", { class: "warn" }, w("nothing_yet")))),
      layered && select(w("folder_format"), formats.map((one) => [one, { png: w("folder_png"), ora: "OpenRaster (.ora)", psd: "Photoshop (.psd)" }[one]]), format, (value) => (format = value), "format"),
      h("div", { class: "row end" }, h("button", { type: "submit", class: "primary", "data-act": "start-batch", disabled: others.some((/** @type {any} */ slot) => !given[slot.name]) }, w("folder_start"))),
    );
  }

  /** @param {string} name @param {File} file */
  async function other(name, file) {
    await api.upload(file).then(({ id }) => (given[name] = id)).catch((error) => notice(error.message, "wrong"));
    build();
  }

  async function start() {
    const minutes = Number(/** @type {any} */ (form.querySelector("[data-field=minutes]"))?.value) || 60;
    const words = h("p", { role: "status" });
    const inner = h("i", {});
    const troubles = h("ul", { class: "job-failures" });
    fill(form, words, h("span", { class: "job-bar" }, inner), troubles, h("div", { class: "row end" }, h("button", { type: "button", class: "soft", on: { click: () => box.close() } }, w("job_cancel"))));
    let through = 0;
    const sent = await sendAll(files, () => stopped, (file, error) => {
      through += 1;
      inner.style.width = `${Math.round((100 * through) / files.length)}%`;
      fill(words, w("folder_sending", { done: String(through), total: String(files.length) }));
      if (error) troubles.append(h("li", {}, h("b", {}, file.name), " ", h("span", { class: "quiet" }, error.message)));
    });
    const good = sent.filter(Boolean);
    if (stopped) return forget(good);
    try {
      if (!good.length) return void fill(words, w("folder_none"));
      const conditions = Object.fromEntries(Object.entries(given).map(([name, id]) => [name, { upload: id }]));
      const all = { recipe: card.name, files: good, title: folderName.slice(0, 200), client: crypto.randomUUID() };
      const job = await api.submitJob(learns ? { kind: "train", minutes, ...all } : { kind: "batch", each, format, conditions, weights: weights || null, ...all });
      forget(good);
      if (good.length < files.length) notice(w("folder_left", { num: String(files.length - good.length) }), "wrong");
      box.close();
      jobs.show();
      jobs.open(job.id);
    } catch (error) {
      fill(words, /** @type {Error} */ (error).message);
    }
  }
}

/** Upload the files; each becomes {upload, name}, or null if it cannot be read as a picture. @param {File[]} files @param {() => boolean} stopped @param {(file: File, error?: Error) => void} told */
async function sendAll(files, stopped, told) {
  /** @type {any[]} */ const sent = files.map(() => null);
  let next = 0;
  const send = async () => {
    while (next < files.length && !stopped()) {
      const place = next++;
      try {
        sent[place] = { upload: (await patiently(() => api.upload(files[place]))).id, name: files[place].name };
        told(files[place]);
      } catch (error) {
        told(files[place], /** @type {Error} */ (error));
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, send));
  return sent;
}

/** Delete uploads that are no longer needed: a job keeps its own reference, and storage is limited. @param {{upload: string}[]} sent */
async function forget(sent) {
  for (const { upload } of sent) await api.deleteUpload(upload).catch(() => undefined);
}

/** Retry while the server answers that it is busy (503). @param {() => Promise<any>} run */
async function patiently(run) {
  for (let turn = 0; ; turn++) {
    try {
      return await run();
    } catch (error) {
      if (/** @type {any} */ (error).status !== 503 || turn > 30) throw error;
      await new Promise((done) => setTimeout(done, 1500));
    }
  }
}
