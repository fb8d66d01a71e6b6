/** The server's HTTP routes. No other module contains their addresses. */

export class ApiError extends Error {
  /** @param {{what: string, where?: string, fix?: string}} error @param {number} status */
  constructor(error, status) {
    super([error.where, error.what].filter(Boolean).join(": ") + (error.fix ? ` (${error.fix})` : ""));
    this.status = status;
  }
}

/** @param {string} path @param {RequestInit} [options] @returns {Promise<Response>} */
async function request(path, options = {}) {
  const answer = await fetch(path, { credentials: "same-origin", ...options });
  if (answer.ok) return answer;
  let error = { what: answer.statusText || String(answer.status) };
  try {
    error = (await answer.json()).error ?? error;
  } catch {
    // not JSON: only the status is known
  }
  if (answer.status === 401) document.dispatchEvent(new Event("locked"));
  throw new ApiError(error, answer.status);
}

const get = async (/** @type {string} */ path) => (await request(path)).json();

const send = async (/** @type {string} */ method, /** @type {string} */ path, /** @type {any} */ body) => {
  const answer = await request(path, { method, headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
  return answer.status === 204 ? null : answer.json();
};

const enc = encodeURIComponent;
const listOf = (/** @type {any} */ answer, /** @type {string} */ name) => (Array.isArray(answer) ? answer : (answer[name] ?? []));

export const listRecipes = async () => listOf(await get("/api/recipes"), "recipes");
/** A recipe's card; with the hash of weights of one's own, with what those know of their data. @param {string} name */
export const readRecipe = (name, weights = "") => get(`/api/recipes/${enc(name)}${weights && `?weights=${enc(weights)}`}`);
/** The cards of those recipes that can be read, and the first error of the others, or null. @param {any[]} lines of `listRecipes` @returns {Promise<{cards: any[], error: Error | null}>} */
export async function readRecipes(lines) {
  const told = await Promise.allSettled(lines.map((one) => readRecipe(one.name)));
  const cards = told.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
  const [error = null] = told.flatMap((one) => (one.status === "rejected" ? [one.reason] : []));
  if (!cards.length && error) throw error;
  return { cards, error };
}
export const listSamples = async () => listOf(await get("/api/samples"), "samples");
export const sampleUrl = (/** @type {string} */ id) => `/samples/${enc(id)}.png`;

export const listSessions = async () => listOf(await get("/api/sessions"), "sessions");
/** The session of an answer, with its nodes. @param {any} answer */
const withTree = (answer) => ({ ...answer.session, nodes: answer.nodes });
export const readSession = async (/** @type {string} */ id) => withTree(await get(`/api/sessions/${enc(id)}`));
export const createSession = async (/** @type {any} */ body) => withTree(await send("POST", "/api/sessions", body));
export const deleteSession = (/** @type {string} */ id) => request(`/api/sessions/${enc(id)}`, { method: "DELETE", keepalive: true });
export const search = async (/** @type {string} */ text) => listOf(await get(`/api/search?q=${enc(text)}`), "found");

export const updateNode = (/** @type {string} */ id, /** @type {any} */ node, /** @type {any} */ change) => send("PATCH", `/api/sessions/${enc(id)}/nodes/${enc(node)}`, change);
/** Merge the branch of a node into another node. @returns {Promise<{node: any, both: string[], missing: string[]}>} */
export const mergeBranch = (/** @type {string} */ id, /** @type {any} */ node, /** @type {any} */ into) => send("POST", `/api/sessions/${enc(id)}/merge`, { node, into });
/** How well a node's picture fits its words with each seed, the best first. @param {string} id @param {any} node @param {number[]} seeds @returns {Promise<{seed: number, fit: number}[]>} */
export const rankSeeds = async (id, node, seeds) => listOf(await send("POST", `/api/sessions/${enc(id)}/ranks/${enc(node)}`, { seeds }), "ranked");
export const compareNodes = async (/** @type {string} */ id, /** @type {any} */ a, /** @type {any} */ b) => listOf(await get(`/api/sessions/${enc(id)}/compare?a=${enc(a)}&b=${enc(b)}`), "differences");
/** The URL of a node's output, a PNG; `how` is a query: max_side=…, clean=true, index=…. */
export const outputUrl = (/** @type {string} */ id, /** @type {any} */ node, /** @type {string} */ output, /** @type {string} */ how = "") =>
  `/api/sessions/${enc(id)}/nodes/${enc(node)}/${enc(output)}${how && `?${how}`}`;

/** The value of an output, as JSON. @param {string} id @param {any} node @param {string} output */
export const readOutputValue = async (id, node, output) => (await get(outputUrl(id, node, output, "format=json"))).value;

export const readBlob = async (/** @type {string} */ path) => (await request(path)).blob();
/** Read a file: its bytes, how it is signed ("inside", "beside", "clean", or "no; why"), and the URL of its manifest if that is a separate file. @param {string} path */
export async function readSignedFile(path) {
  const answer = await request(path);
  const manifest = (answer.headers.get("link") ?? "").match(/<(\/api\/outputs\/[\w-]+)>; rel="c2pa-manifest"/)?.[1] ?? null;
  return { blob: await answer.blob(), signed: answer.headers.get("gesso-signed") ?? "", manifest };
}
export const readSigning = () => get("/api/signing");
export const exportSession = (/** @type {string} */ id) => readBlob(`/api/sessions/${enc(id)}/export`);
export const importSession = async (/** @type {Blob} */ file) =>
  withTree(await (await request("/api/sessions/import", { method: "POST", headers: { "content-type": "application/zip" }, body: file })).json());

/** Upload a picture; a condition refers to it as `{"upload": id}`. @param {Blob} file @returns {Promise<{id: string, width: number, height: number}>} */
export const upload = async (file) =>
  (await request("/api/uploads", { method: "POST", headers: { "content-type": file.type || "application/octet-stream" }, body: file })).json();

/** Delete weights that the user sent. @param {string} hash */
export const deleteWeights = (hash) => request(`/api/weights/${enc(hash)}`, { method: "DELETE" });
/** Send a weights file of the user's own. @param {Blob} file @returns {Promise<{sha256: string, recipe: string}>} */
export const sendWeights = async (file) =>
  (await request("/api/weights", { method: "POST", headers: { "content-type": "application/octet-stream" }, body: file })).json();
export const uploadUrl = (/** @type {string} */ id) => `/api/uploads/${enc(id)}`;
export const madeUrl = (/** @type {string} */ id) => `/api/outputs/${enc(id)}`;

/** Make what a request asks for. @param {any} body @param {AbortSignal} signal */
export const generate = async (body, signal) =>
  (await request("/api/generate", { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body), signal })).json();

/** Upload a film. @param {File} file @param {(share: number) => void} sent @param {AbortSignal} signal @returns {Promise<any>} what it is */
export function uploadFilm(file, sent, signal) {
  return new Promise((done, wrong) => {
    const asked = new XMLHttpRequest(); // fetch does not tell how much was sent
    asked.open("POST", "/api/films");
    asked.setRequestHeader("content-type", "application/octet-stream");
    asked.responseType = "json";
    asked.upload.onprogress = (event) => sent(event.loaded / Math.max(1, event.total));
    asked.onload = () => (asked.status === 201 ? done(asked.response) : wrong(new ApiError(asked.response?.error ?? { what: String(asked.status) }, asked.status)));
    asked.onerror = asked.onabort = () => wrong(new ApiError({ what: "the connection ended" }, 0));
    signal.addEventListener("abort", () => asked.abort());
    asked.send(file);
  });
}
export const deleteFilm = (/** @type {string} */ id) => request(`/api/films/${enc(id)}`, { method: "DELETE", keepalive: true });

/** Upload a MIDI file: its notes, what its voices are called, and what was changed. @param {Blob} file @returns {Promise<{id: string, score: any, voices: any[], moved: number, dropped: number}>} */
export const uploadMusic = async (file) => (await request("/api/uploads", { method: "POST", headers: { "content-type": "audio/midi" }, body: file })).json();

export const deleteUpload = (/** @type {string} */ id) => request(`/api/uploads/${enc(id)}`, { method: "DELETE", keepalive: true });

/**
 * The URL of the pixels in a condition's value: a data URL, an upload, or a picture that the session stores.
 * @param {any} value a condition's value @param {{session: string, node: any, slot: string, part?: string}} where the value was set @returns {string | null}
 */
export function pictureUrl(value, { session: id, node, slot, part = "pixels" }) {
  const pixels = value?.upload ? value : value?.[part];
  if (pixels?.upload) return `/api/uploads/${enc(pixels.upload)}`;
  if (pixels && node !== null && node !== undefined) return `/api/sessions/${enc(id)}/nodes/${enc(node)}/given/${enc(slot)}?part=${enc(part)}`;
  return typeof pixels === "string" && pixels.startsWith("data:image/") ? pixels : null;
}

/** The URL of an input picture at the size of a panel. @param {string} address */
export const previewUrl = (address) => (address.startsWith("/api/sessions/") ? `${address}&max_side=256` : address);

/** Read an input picture, at most 2048 pixels a side, and the size of the original. @param {string} address @returns {Promise<{picture: ImageBitmap, page: [number, number]}>} */
export async function readGivenPicture(address) {
  const answer = await request(address.startsWith("/api/sessions/") ? `${address}&max_side=2048` : address);
  const picture = await createImageBitmap(await answer.blob());
  const [width, height] = (answer.headers.get("X-Page") ?? "").split(" ").map(Number);
  return { picture, page: width && height ? [width, height] : [picture.width, picture.height] };
}

/** The URL of a node's thumbnail, if one exists already. */
export const thumbnailUrl = (/** @type {string} */ id, /** @type {any} */ node) => `/api/sessions/${enc(id)}/thumbs/${enc(node)}?make=false`;

/** Read a node's thumbnail; null if there is none. @param {string} id @param {any} node @param {RequestInit} [options] @param {boolean} [make] */
export async function readThumbnail(id, node, options, make = true) {
  const answer = await request(`/api/sessions/${enc(id)}/thumbs/${enc(node)}?make=${make}`, options);
  return answer.status === 200 ? answer.blob() : null;
}

export const liveUrl = (/** @type {string} */ id) => {
  const url = new URL(`/api/live?session=${enc(id)}`, location.href);
  url.protocol = location.protocol === "https:" ? "wss:" : "ws:";
  return url.href;
};

export const renameSession = (/** @type {string} */ id, /** @type {string} */ title) => send("PATCH", `/api/sessions/${enc(id)}`, { title });

export const listJobs = async () => (await get("/api/jobs")).jobs;
export const readJob = (/** @type {string} */ id) => get(`/api/jobs/${enc(id)}`);
export const submitJob = (/** @type {any} */ ask) => send("POST", "/api/jobs", ask);
export const cancelJob = async (/** @type {string} */ id) => (await request(`/api/jobs/${enc(id)}/cancel`, { method: "POST" })).json();
export const resumeJob = async (/** @type {string} */ id) => (await request(`/api/jobs/${enc(id)}/resume`, { method: "POST" })).json();
export const deleteJob = (/** @type {string} */ id) => request(`/api/jobs/${enc(id)}`, { method: "DELETE" });
export const readJobLog = (/** @type {string} */ id, /** @type {number} */ after) => get(`/api/jobs/${enc(id)}/log?after=${after}`);
export const readJobCurve = async (/** @type {string} */ id) => (await get(`/api/jobs/${enc(id)}/curve`)).curve;
export const listJobSamples = async (/** @type {string} */ id) => (await get(`/api/jobs/${enc(id)}/samples`)).samples;
export const jobSampleUrl = (/** @type {string} */ id, /** @type {string} */ sample) => `/api/jobs/${enc(id)}/samples/${enc(sample)}`;
export const listJobOutputs = async (/** @type {string} */ id) => (await get(`/api/jobs/${enc(id)}/outputs`)).outputs;
export const jobOutputUrl = (/** @type {string} */ id, /** @type {string} */ output) => `/api/jobs/${enc(id)}/outputs/${enc(output)}`;
export const readJobJson = (/** @type {string} */ id, /** @type {string} */ output) => get(jobOutputUrl(id, output));
export const jobZipUrl = (/** @type {string} */ id) => `/api/jobs/${enc(id)}/zip`;

export const listPalettes = async () => listOf(await get("/api/palettes"), "palettes");
/** Create a palette, or replace the one of this id. @param {any} palette @returns {Promise<any>} */
export const savePalette = ({ id, name, colours }) => (id ? send("PUT", `/api/palettes/${enc(id)}`, { name, colours }) : send("POST", "/api/palettes", { name, colours }));
export const deletePalette = (/** @type {string} */ id) => request(`/api/palettes/${enc(id)}`, { method: "DELETE" });
export const paletteUrl = (/** @type {string} */ id, /** @type {string} */ format) => `/api/palettes/${enc(id)}/file?format=${enc(format)}`;
export const importPalette = async (/** @type {Blob} */ file, /** @type {string} */ name) =>
  (await request(`/api/palettes/file?name=${enc(name)}`, { method: "POST", headers: { "content-type": "application/octet-stream" }, body: file })).json();
