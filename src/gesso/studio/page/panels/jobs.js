/** Background jobs: a list with their progress, and a dialog for one job with its curve, pictures, failures and log. */
import * as api from "../server/api.js";
import { bar, farOf, isActive, nameOf, stateOf } from "./job_words.js";
import { trainingCurve } from "./training_curve.js";
import { dialog } from "../ui/dialog.js";
import { fill, h } from "../ui/elements.js";
import { icon, iconButton } from "../ui/icons.js";
import { notice } from "../ui/messages.js";
import { relativeTime, t, w } from "../words/language.js";

const LOOK = 1200;
const MOST_SHOWN = 400;

/**
 * @param {HTMLElement} place the list's container; the list is updated while it is visible
 * @param {Record<string, (id: string, changed: () => void) => void>} dialogs of kinds of jobs that have one of their own
 * @param {(session: string) => void} begun called with a session that began with what a job learned
 */
export function jobList(place, dialogs, begun) {
  const list = h("div", { class: "jobs" });
  const section = h("section", { class: "jobs-part", hidden: true }, h("h2", {}, w("jobs")), list);
  place.append(section);
  let timer = 0;

  async function show() {
    clearTimeout(timer);
    try {
      const all = await api.listJobs();
      section.hidden = !all.length;
      fill(list, all.map(line));
      if (all.some(isActive) && place.offsetParent) timer = setTimeout(show, LOOK);
    } catch {
      timer = setTimeout(show, 5 * LOOK); // the server may be restarting
    }
  }

  /** @param {any} job */
  const line = (job) =>
    h("button", { type: "button", class: "job-line", "data-job": job.id, on: { click: () => open(job) } },
      h("span", { class: "job-top" }, h("b", job.title ? { "data-own": "" } : {}, nameOf(job)), h("small", { class: `job-state ${job.state}` }, stateOf(job))),
      isActive(job) ? bar(job) : null,
      h("small", { class: "quiet" }, w(`job_kind_${job.kind}`), " · ", isActive(job) ? farOf(job) : () => relativeTime(job.ended ?? job.made)));

  const open = (/** @type {any} */ job) => (dialogs[job.kind] ? dialogs[job.kind](job.id, show) : openJob(job.id, show, begun));

  new IntersectionObserver((seen) => seen.some((one) => one.isIntersecting) && show()).observe(place);
  show();
  return { show, open: (/** @type {string} */ id) => openJob(id, show, begun) };
}

/** What a sign of trouble in a training means: in the page's language where its kind is known, else as the server says it. @param {string} sign @param {string} reason */
function signWords(sign, reason) {
  const [kind, ...of] = sign.split(" ");
  const known = { collapse: w("job_sign_collapse"), overfit: w("job_sign_overfit"), leap: w("job_sign_leap"), still: w("job_sign_still"), stale: w("job_sign_stale") };
  return kind in known ? [/** @type {any} */ (known)[kind], of.length ? h("span", { class: "quiet" }, ` (${of.join(" ")})`) : null] : reason;
}

/** @param {string} id @param {() => void} changed @param {(session: string) => void} begun */
function openJob(id, changed, begun) {
  const head = h("div", { class: "job-head" });
  const acts = h("div", { class: "row job-acts" });
  const drawn = h("div", { class: "job-curve", hidden: true });
  const failures = h("div", { class: "job-failures", hidden: true });
  const unsigned = h("p", { class: "warn", hidden: true });
  const pictures = h("div", { class: "job-pictures" });
  const lines = h("pre", { class: "job-log", tabindex: 0 });
  const log = h("details", { class: "part" }, h("summary", {}, w("job_log")), lines);
  const title = h("span", {});
  const box = dialog(() => title.textContent ?? "", [head, acts, unsigned, failures, drawn, pictures, log], "wide job");
  box.querySelector("h2")?.replaceChildren(title);
  let timer = 0;
  let after = 0;
  /** @type {Map<string, any>} */ const shown = new Map();
  let last = "";

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
      fill(title, nameOf(job));
      box.setAttribute("aria-label", t(nameOf(job)));
      fill(head, h("span", { class: `job-state ${job.state}` }, stateOf(job)), h("span", { class: "quiet" }, w(`job_kind_${job.kind}`)), isActive(job) ? [bar(job), h("span", { class: "quiet" }, farOf(job))] : null,
        Object.entries(job.signs ?? {}).map(([sign, reason]) => h("p", { class: "warn", role: "status", "data-sign": sign, title: reason }, signWords(sign, reason))),
        job.error ? h("p", { class: "warn" }, [job.error.what, job.error.fix].filter(Boolean).join(" — ")) : null);
      if (last !== `${job.state} ${job.stopping} ${job.num_failed}`) fill(acts, actsOf(job));
      await Promise.all([showPictures(job), showCurve(job), showLog()]);
      if (last !== `${job.state} ${job.stopping} ${job.num_failed}`) changed();
      last = `${job.state} ${job.stopping} ${job.num_failed}`;
      if (isActive(job)) timer = setTimeout(look, LOOK);
    } catch (error) {
      if (/** @type {any} */ (error).status === 404) return box.close();
      timer = setTimeout(look, 3 * LOOK);
    }
  }

  /** @param {any} job */
  function actsOf(job) {
    const over = !isActive(job);
    const again = job.state === "done" && job.num_failed ? w("job_retry", { num: String(job.num_failed) }) : w("job_resume");
    return [
      !over && h("button", { type: "button", class: "soft", "data-act": "cancel-job", disabled: job.stopping, on: { click: act(api.cancelJob) } }, icon("close"), w("job_cancel")),
      over && (job.state !== "done" || job.num_failed > 0 || job.words === "minutes") && h("button", { type: "button", class: "primary", "data-act": "resume-job", on: { click: act(api.resumeJob) } }, icon("turn"), again),
      over && job.kind === "fit" && job.has_weights && h("button", { type: "button", class: "primary", "data-act": "begin-learned", on: { click: () => beginWith(job) } }, w("begin")),
      job.kind === "batch" && job.done > 0 && h("a", { class: "button soft", href: api.jobZipUrl(id), download: "", "data-act": "job-zip" }, icon("save"), w("job_download")),
      job.kind !== "batch" && job.state === "done" && h("a", { class: "button soft", href: api.jobZipUrl(id), download: "" }, icon("save"), w("job_download")),
      job.kind === "batch" && job.state === "done" && h("a", { class: "button soft", href: api.jobOutputUrl(id, "sheet"), download: "", "data-act": "job-sheet" }, icon("grid"), w("job_sheet")),
      h("span", { class: "gap" }),
      over && iconButton("trash", w("job_delete"), async () => confirm(t(w("job_delete_sure"))) && (await act(api.deleteJob)(), box.close())),
    ];
  }

  /** A session with the weights that a job learned. @param {any} job */
  async function beginWith(job) {
    try {
      const name = job.asked.recipe;
      const { trained } = await api.readRecipe(name);
      const { sha256 } = trained.find((/** @type {any} */ one) => one.id === id);
      const session = await api.createSession({ recipe: name, title: job.title, weights: { [name]: sha256 } });
      box.close();
      begun(session.id);
    } catch (error) {
      notice(/** @type {Error} */ (error).message, "wrong");
    }
  }

  /** @param {any} job */
  async function showPictures(job) {
    const samples = (await api.listJobSamples(id)).slice(-MOST_SHOWN);
    const batch = job.kind === "batch";
    for (const one of samples) {
      if (shown.has(one.id)) continue;
      const image = h("img", { src: api.jobSampleUrl(id, one.id), alt: one.name, loading: "lazy" });
      const cell = h(batch ? "a" : "span", { class: batch ? "job-picture" : "job-picture large", title: one.name, "data-place": one.id, ...(batch ? { href: api.jobOutputUrl(id, one.id), download: "" } : {}) }, image, h("small", {}, batch ? one.name : w("job_step", { num: one.name })));
      shown.set(one.id, cell);
      // A picture that failed and was made later goes to its place in the order.
      const next = batch ? [...pictures.children].find((/** @type {any} */ other) => Number(other.dataset.place) > Number(one.id)) : pictures.firstChild;
      pictures.insertBefore(cell, next ?? null);
    }
    if (!batch) return;
    const outputs = await api.listJobOutputs(id);
    const bad = outputs.filter((/** @type {any} */ one) => one.state === "failed");
    const bare = outputs.filter((/** @type {any} */ one) => one.unsigned);
    unsigned.hidden = !bare.length;
    if (bare.length) fill(unsigned, w("job_unsigned", { num: String(bare.length), why: bare[0].unsigned }));
    failures.hidden = !bad.length;
    fill(failures, h("h3", {}, w("job_failed", { num: String(bad.length) })), h("ul", {}, bad.map((/** @type {any} */ one) => h("li", {}, h("b", {}, one.name), " ", h("span", { class: "quiet" }, one.why)))));
  }

  /** @param {any} job */
  async function showCurve(job) {
    if (job.kind !== "train" && job.kind !== "fit") return;
    const points = await api.readJobCurve(id);
    drawn.hidden = points.length < 2;
    if (points.length > 1) fill(drawn, trainingCurve(points));
  }

  async function showLog() {
    const told = await api.readJobLog(id, after);
    after = told.next;
    if (!told.lines.length) return;
    const below = lines.scrollHeight - lines.scrollTop - lines.clientHeight < 30;
    lines.append(told.lines.map((/** @type {string} */ one) => `${one}\n`).join(""));
    if (below) lines.scrollTop = lines.scrollHeight;
  }

  box.addEventListener("close", () => clearTimeout(timer));
  look();
}
