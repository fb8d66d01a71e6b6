/**
 * Films: one is dropped or chosen, its first frame is made and compared at once, and the whole is made as a job, which can be stopped,
 * continued, played beside the original and downloaded.
 */
import * as api from "../server/api.js";
import { bar, farOf, isActive, stateOf } from "./job_words.js";
import { dialog } from "../ui/dialog.js";
import { fill, h } from "../ui/elements.js";
import { chooseFile } from "../ui/files.js";
import { icon, iconButton } from "../ui/icons.js";
import { notice } from "../ui/messages.js";
import { clock, filmViewer } from "../viewers/film.js";
import { fieldOf } from "../widgets/form.js";
import { uploadValue } from "../widgets/picture.js";
import { takesPicture } from "../widgets/registry.js";
import { t, titleOf, w } from "../words/language.js";

const LOOK = 1200;
const FILM = /\.(mp4|m4v|mov|mkv|webm|avi|mpe?g|ts)$/i;
const FILM_FILES = "video/*,.mkv,.mov,.m4v";

export const isFilm = (/** @type {File} */ file) => file.type.startsWith("video/") || FILM.test(file.name);
export const chooseFilm = (/** @type {(file: File) => void} */ take) => chooseFile(take, FILM_FILES);

/** A sheet with a viewer, and what changes below it. @param {any} title */
function sheet(title) {
  const viewer = filmViewer();
  const below = h("div", { class: "film-below" });
  const box = dialog(title, [viewer.element, below], "wide film-sheet");
  box.addEventListener("close", viewer.close);
  return { box, viewer, below };
}

/** Take a film: show it, and offer to make it. @param {File} file @param {string} wanted a recipe's name @param {(job: any) => void} made */
export async function takeFilm(file, wanted, made) {
  const lines = await api.listRecipes();
  const cards = (await api.readRecipes(lines)).cards.filter((one) => one.film && one.ready !== false);
  if (!cards.length) return notice(w("film_no_recipe"), "wrong");
  let card = cards.find((one) => one.name === wanted) ?? cards[0];
  const { box, viewer, below } = sheet(file.name);
  const stopper = new AbortController();
  const local = URL.createObjectURL(file);
  viewer.show({ before: { src: local } }, [16, 9]); // plays while it is sent, where the browser can
  /** @type {any} */ let film = null;
  const leave = (/** @type {PageTransitionEvent} */ event) => film && !event.persisted && forget(film); // a page in the browser's cache may come back
  addEventListener("pagehide", leave);
  box.addEventListener("close", () => {
    removeEventListener("pagehide", leave);
    stopper.abort();
    URL.revokeObjectURL(local);
    if (film) forget(film);
  });

  const words = h("span", { class: "quiet", role: "status" });
  const inner = h("i", {});
  const sending = (/** @type {number} */ share) => {
    inner.style.width = `${Math.round(100 * share)}%`;
    fill(words, share < 1 ? w("film_sending", { share: String(Math.round(100 * share)) }) : w("film_reading"));
  };
  fill(below, h("div", { class: "film-far" }, h("span", { class: "job-bar" }, inner), words));
  sending(0);
  try {
    film = await api.uploadFilm(file, sending, stopper.signal);
  } catch (error) {
    if (!stopper.signal.aborted) fill(below, h("p", { class: "warn", role: "alert" }, /** @type {Error} */ (error).message));
    return;
  }
  if (stopper.signal.aborted) return forget(film);

  /** @type {Object<string, any>} */ let settings = {};
  let preset = "";
  let turn = 0; // the latest preview that was asked for
  const before = { src: api.uploadUrl(film.first.id), still: true };
  const size = h("span", { class: "quiet", role: "status" });
  const form = h("form", { class: "film-form", on: { submit: (/** @type {Event} */ event) => (event.preventDefault(), start()) } });
  const strip = h("div", { class: "film-strip", "aria-label": w("film_frames"), role: "group" }, film.frames.map((/** @type {any} */ one) => h("figure", {}, h("img", { src: one.picture, alt: "" }), h("figcaption", {}, clock(one.seconds)))));
  viewer.show({ before }, [film.width, film.height]);
  fill(below, h("p", {}, facts(film), " ", size), film.frames.length ? strip : null, form);
  build();
  preview();

  function build() {
    const one = card.settings ?? {};
    const fields = Object.entries(one.properties ?? {}).map(([name, schema]) => {
      const field = fieldOf(name, /** @type {any} */ (schema), { look: () => undefined, keep: (value) => ((settings = { ...settings, [name]: value }), preview()) }, one.$defs);
      field.show(settings[name] ?? /** @type {any} */ (schema).default ?? null);
      return field.element;
    });
    const presets = card.ready_presets ?? [];
    const quality = h("select", { "data-field": "preset", on: { change: () => ((preset = quality.value), preview()) } }, presets.map((/** @type {string} */ name) => h("option", { value: name, props: { selected: name === preset } }, w(`preset_${name}`))));
    const select = h("select", { "data-field": "recipe", on: { change: () => ((card = cards[select.selectedIndex]), (settings = {}), (preset = ""), build(), preview()) } }, cards.map((each) => h("option", { props: { selected: each === card } }, each.title)));
    fill(form, cards.length > 1 ? h("label", { class: "field" }, h("span", {}, w("folder_recipe")), select) : null, fields,
      presets.length > 1 ? h("label", { class: "field" }, h("span", {}, w("film_quality")), quality) : null, h("span", { class: "gap" }),
      h("button", { type: "submit", class: "primary", "data-act": "film-start", disabled: !film.formats.length }, icon("film"), w("film_start")));
    if (!film.formats.length) form.append(h("p", { class: "warn" }, t(w("film_no_format", { sound: film.sound.join(", ") }))));
  }

  /** The first frame, made with these settings, beside the original. */
  async function preview() {
    const mine = ++turn;
    fill(size, w("film_first"));
    const slot = card.conditions.find((/** @type {any} */ one) => takesPicture(one) && one.required) ?? card.conditions.find(takesPicture);
    try {
      const made = await api.generate({ recipe: card.name, preset, settings, conditions: { [slot.name]: uploadValue(slot, film.first.id) } }, stopper.signal);
      const shown = card.outputs.find((/** @type {any} */ out) => out.medium === "picture");
      if (mine !== turn || !box.isConnected) return;
      const src = api.madeUrl(made.outputs[shown.name].id);
      const { naturalWidth, naturalHeight } = await loaded(src);
      if (mine !== turn || !box.isConnected) return;
      viewer.show({ before, after: { src, still: true } }, [film.width, film.height]);
      fill(size, w("film_becomes", { size: `${naturalWidth} × ${naturalHeight}` }));
    } catch (error) {
      if (mine === turn && box.isConnected) fill(size, /** @type {Error} */ (error).message);
    }
  }

  async function start() {
    const [button] = form.querySelectorAll("[data-act=film-start]");
    button.disabled = true;
    try {
      const ask = { kind: "film", recipe: card.name, preset, settings, files: [{ upload: film.id, name: file.name }], format: film.formats[0], title: file.name.slice(0, 200), client: crypto.randomUUID() };
      const job = await api.submitJob(ask);
      box.close();
      made(job);
    } catch (error) {
      button.disabled = false;
      notice(String(/** @type {Error} */ (error).message), "wrong");
    }
  }
}

/** Delete uploads that are no longer needed: a job keeps its own reference. @param {any} film */
async function forget(film) {
  await Promise.allSettled([api.deleteFilm(film.id), api.deleteUpload(film.first.id)]); // both at once: a page that closes sends no later request
}

/** @param {string} src @returns {Promise<HTMLImageElement>} */
function loaded(src) {
  const image = new Image();
  image.src = src;
  return image.decode().then(() => image);
}

/** What a film is, in a line. @param {any} film */
function facts(film) {
  const sound = () => t(w(film.sound.length ? "film_with_sound" : "film_silent"));
  return w("film_facts", { size: `${film.width} × ${film.height}`, time: clock(film.seconds), rate: String(Math.round(100 * film.rate) / 100), sound });
}

/** The job of a film: its progress, the two films side by side, and what can be done. @param {string} id @param {() => void} changed */
export function openFilm(id, changed) {
  const title = h("span", {});
  const { box, viewer, below } = sheet(() => title.textContent ?? "");
  box.querySelector("h2")?.replaceChildren(title);
  const head = h("div", { class: "film-far" });
  const acts = h("div", { class: "row job-acts" });
  const lines = h("pre", { class: "job-log", tabindex: 0 });
  const log = h("details", { class: "part" }, h("summary", {}, w("job_log")), lines);
  fill(below, head, acts, log);
  let timer = 0;
  let after = 0;
  let last = "";
  let shown = "";

  const act = (/** @type {(id: string) => Promise<any>} */ run) => async () => {
    await run(id).catch((error) => notice(error.message, "wrong"));
    changed();
    look();
  };

  async function look() {
    clearTimeout(timer);
    if (!box.isConnected) return;
    try {
      const job = await api.readJob(id);
      const made = isActive(job) ? null : (await api.listJobOutputs(id)).find((/** @type {any} */ one) => one.state === "done");
      fill(title, job.title || w("job_kind_film"));
      box.setAttribute("aria-label", title.textContent);
      fill(head, h("span", { class: `job-state ${job.state}` }, stateOf(job)), isActive(job) ? [bar(job), h("span", { class: "quiet" }, farOf(job))] : null,
        job.state === "cancelled" && job.done && made ? h("span", { class: "quiet" }, w("film_part", { done: String(job.done), total: String(job.total) })) : null,
        job.error ? h("p", { class: "warn" }, [job.error.what, job.error.fix].filter(Boolean).join(" — ")) : null);
      const now = `${job.state} ${job.stopping}`;
      if (last !== now) fill(acts, actsOf(job, made));
      await Promise.all([showFilms(job, made), showLog()]);
      if (last !== now) changed();
      last = now;
      if (isActive(job)) timer = setTimeout(look, LOOK);
    } catch (error) {
      if (/** @type {any} */ (error).status === 404) return box.close();
      timer = setTimeout(look, 3 * LOOK);
    }
  }

  /** @param {any} job @param {any} made its output, if there is one */
  function actsOf(job, made) {
    const over = !isActive(job);
    return [
      !over && h("button", { type: "button", class: "soft", "data-act": "cancel-job", disabled: job.stopping, on: { click: act(api.cancelJob) } }, icon("close"), w("job_cancel")),
      over && job.state !== "done" && h("button", { type: "button", class: "primary", "data-act": "resume-job", on: { click: act(api.resumeJob) } }, icon("turn"), w("job_resume")),
      made && h("a", { class: "button soft", href: api.jobOutputUrl(id, made.id), download: made.name, "data-act": "film-download" }, icon("save"), w(job.state === "done" ? "film_download" : "film_download_part")),
      h("span", { class: "gap" }),
      over && iconButton("trash", w("job_delete"), async () => confirm(t(w("job_delete_sure"))) && (await act(api.deleteJob)(), box.close())),
    ];
  }

  /** The original while it is being made, and both once there is something to compare it with. @param {any} job @param {any} made */
  async function showFilms(job, made) {
    const now = made ? `${made.id} ${job.attempt}` : "before";
    if (now === shown) return;
    shown = now;
    const { width, height } = job.asked;
    const after = made ? { src: `${api.jobOutputUrl(id, made.id)}?attempt=${job.attempt}` } : null;
    viewer.show({ before: { src: api.jobOutputUrl(id, "source") }, after }, [width || 16, height || 9]);
  }

  async function showLog() {
    const told = await api.readJobLog(id, after);
    after = told.next;
    lines.append(told.lines.map((/** @type {string} */ one) => `${one}\n`).join(""));
  }

  box.addEventListener("close", () => clearTimeout(timer));
  look();
}
