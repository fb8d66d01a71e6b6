/** How far a job is, in words and as a bar: for the list of jobs, and the dialogs of one. */
import { h } from "../ui/elements.js";
import { t, w } from "../words/language.js";

export const isActive = (/** @type {any} */ job) => job.state === "queued" || job.state === "running";

/** A job's title, or a description if it has none. @param {any} job */
export const nameOf = (job) => job.title || (job.kind === "batch" ? w("folder_title", { num: String(job.total) }) : w(`job_kind_${job.kind}`));

/** @param {any} job */
export const stateOf = (job) => (job.stopping ? w("job_stopping") : w(`job_state_${job.state}`));

/** @param {any} job */
export function bar(job) {
  const share = job.total ? job.done / job.total : 0;
  const known = job.state === "running" && job.total > 0;
  const inner = h("i", {});
  inner.style.width = known ? `${Math.round(100 * share)}%` : "";
  return h("span", { class: known ? "job-bar" : "job-bar unknown", role: "progressbar", "aria-valuemin": 0, "aria-valuemax": 100, "aria-valuenow": Math.round(100 * share), "aria-label": nameOf(job) }, inner);
}

/** @param {any} job */
export function farOf(job) {
  if (!job.total) return "";
  const far = `${job.done} / ${job.total}`;
  return job.seconds_left === null ? far : [far, " · ", w("job_left", { time: () => span(job.seconds_left) })];
}

/** @param {number} seconds */
function span(seconds) {
  if (seconds < 60) return t(w("job_seconds", { num: String(Math.max(1, Math.round(seconds))) }));
  if (seconds < 3600) return t(w("job_minutes", { num: String(Math.round(seconds / 60)) }));
  return t(w("job_hours", { num: (seconds / 3600).toFixed(1) }));
}
