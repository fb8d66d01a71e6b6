/** The studio: the start page, and the editor. The address names the open session (#session or #session/node). */
import * as api from "./server/api.js";
import { Ink } from "./canvas/ink.js";
import { Pieces } from "./canvas/pieces.js";
import { View } from "./canvas/view.js";
import { listenToKeys } from "./input/keyboard.js";
import { listenToPointers } from "./input/pointer.js";
import { watchConnection } from "./live/connection.js";
import { sendViewport } from "./live/viewport.js";
import { chooserOf, openAlternatives } from "./panels/alternatives.js";
import { beforeAfter } from "./panels/before_after.js";
import { chooseSlot } from "./panels/choose_slot.js";
import { openCompare } from "./panels/compare.js";
import { controls } from "./panels/controls.js";
import { folderBatch } from "./panels/folder_batch.js";
import { isFilm, openFilm, takeFilm } from "./panels/film.js";
import { followers } from "./panels/followers.js";
import { guide, keyTable } from "./panels/guide.js";
import { history } from "./panels/history.js";
import { jobList } from "./panels/jobs.js";
import { minimap } from "./panels/minimap.js";
import { onRequest } from "./panels/on_request.js";
import { player } from "./panels/player.js";
import { progress } from "./panels/progress.js";
import { saveMenu } from "./panels/save_menu.js";
import { openSeedGrid } from "./panels/seed_grid.js";
import { selectionBar } from "./panels/selection_bar.js";
import { startPage } from "./panels/start_page.js";
import { toolbar } from "./panels/toolbar.js";
import { Editor } from "./session/editor.js";
import { fill, h } from "./ui/elements.js";
import { icon, iconButton } from "./ui/icons.js";
import { notice } from "./ui/messages.js";
import { takesPicture } from "./widgets/registry.js";
import { relativeTime, bindText, lang, setLanguage, t, titleOf, w } from "./words/language.js";

const at = (/** @type {string} */ id) => /** @type {any} */ (document.getElementById(id));

document.documentElement.lang = lang();
const editor = new Editor();
const view = new View(at("canvas"), editor);
editor.pieces = new Pieces(editor, view);
editor.ink = new Ink(view);
const held = { space: false, turn: false };
const toolRail = toolbar(editor, view, at("rail"));
const given = controls(editor, view, at("controls"), () => openSeedGrid(editor, view));
const tree = history(editor, at("history"), (a, b) => openCompare(editor, a, b));
const { menu, acts } = saveMenu(editor);
const home = startPage(at("start"), (id, node) => (location.hash = [id, node].filter(Boolean).map(encodeURIComponent).join("/")), (file) => takeFilmFile(file), (id) => (jobs.show(), jobs.open(id)));
const jobs = jobList(/** @type {any} */ (document.querySelector("#start .before")), { film: openFilm }, (id) => (location.hash = encodeURIComponent(id)));
folderBatch(/** @type {any} */ (document.querySelector("#start .do")), jobs);

for (const [id, words] of [["rail", w("page_tools")], ["canvas", w("canvas")], ["panel", w("controls")]]) bindText(at(/** @type {string} */ (id)), () => at(/** @type {string} */ (id)).setAttribute("aria-label", t(words)));

selectionBar(editor, view, at("stage"));
followers(editor, view, at("stage"));
sendViewport(editor, view);
minimap(editor, view, at("stage"));

// The bar at the top
const title = h("input", { class: "title", "aria-label": w("session_title"), maxlength: 120, on: { change: () => rename() } });
const saved = h("span", { class: "quiet saved", role: "status" });
const learned = h("span", { class: "quiet learned" });
const undo = iconButton("undo", w("undo"), () => editor.undo(), { "data-act": "undo" });
const redo = iconButton("redo", w("redo"), () => editor.redo(), { "data-act": "redo" });
const before = iconButton("eye", w("before"), () => undefined, { "data-act": "before", "aria-pressed": "false" }, h("span", { class: "wide-only" }, w("before_short")));
const wiper = beforeAfter(editor, view, at("stage"));
const proposals = iconButton("grid", w("proposals_help"), () => openAlternatives(editor, view), { "data-act": "proposals" }, h("span", { class: "wide-only" }, w("proposals")));
const marks = iconButton("marks", w("marks"), () => showMarks(), { "data-act": "marks", "aria-pressed": "true" });
const languages = () => h("button", { type: "button", class: "language soft", label: w("language"), on: { click: () => setLanguage(lang() === "ko" ? "en" : "ko") } }, () => (lang() === "ko" ? "EN" : "한국어"));
const help = iconButton("help", w("help"), () => keyTable(editor), { "data-act": "help" });
fill(at("bar"), h("h1", { class: "unseen" }, "Gesso"), iconButton("home", w("home"), () => (location.hash = ""), { "data-act": "home" }), title, saved, learned, h("span", { class: "gap" }), undo, redo, before, wiper.button, marks, proposals, h("span", { class: "gap" }), help, languages(), menu);

// The bar at the bottom
const zoom = h("output", { class: "zoom" });
const spot = h("span", { class: "spot" });
const speed = h("span", { class: "quiet speed" });
fill(at("foot"), iconButton("minus", w("zoom_out"), () => view.zoomAt(0.8)), zoom, iconButton("plus", w("zoom_in"), () => view.zoomAt(1.25)), iconButton("fit", w("fit"), () => view.fit(), { "data-act": "fit" }), spot, h("span", { class: "gap" }), speed, h("span", { class: "quiet local" }, w("local")));

progress(editor, at("progress"), speed);
player(editor, at("stage"));
onRequest(editor, at("stage"));

// The tabs of the side panel
const tabs = [["controls", "dials", w("controls")], ["history", "tree", w("history")]].map(([id, sign, words]) =>
  iconButton(/** @type {string} */ (sign), words, () => showTab(/** @type {string} */ (id)), { id: `${id}-tab`, role: "tab", "aria-controls": id, on: { keydown: turnTab } }, words),
);
fill(at("tabs"), tabs);
/** @param {string} id */
function showTab(id) {
  for (const tab of tabs) {
    const chosen = tab.id === `${id}-tab`;
    tab.setAttribute("aria-selected", String(chosen));
    tab.tabIndex = chosen ? 0 : -1;
    at(tab.id.replace("-tab", "")).hidden = !chosen;
  }
}
/** @param {KeyboardEvent} event */
function turnTab(event) {
  if (event.key !== "ArrowLeft" && event.key !== "ArrowRight") return;
  const other = tabs.find((tab) => tab !== document.activeElement);
  other?.click();
  other?.focus();
}
showTab("controls");

/** @param {boolean} shown */
function showBefore(shown) {
  view.showBefore = shown;
  before.setAttribute("aria-pressed", String(shown));
  view.repaint();
}
before.addEventListener("pointerdown", () => showBefore(true));
for (const end of ["pointerup", "pointerleave", "pointercancel", "blur"]) before.addEventListener(end, () => showBefore(false));
before.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => (event.key === " " || event.key === "Enter") && showBefore(true));
before.addEventListener("keyup", () => showBefore(false));

function showMarks() {
  editor.marksShown = !editor.marksShown;
  marks.setAttribute("aria-pressed", String(editor.marksShown));
  editor.emit("marks");
}

async function rename() {
  editor.session.title = title.value.trim();
  await api.renameSession(editor.session.id, editor.session.title).catch((error) => notice(error.message, "wrong"));
}

listenToPointers(view, editor, held, toolRail);
listenToKeys(editor, view, held, {
  save: () => acts.png(),
  copy: () => acts.copy(),
  marks: () => showMarks(),
  proposals: () => chooserOf(editor.card) && openAlternatives(editor, view),
  help: () => keyTable(editor),
  before: () => showBefore(true),
  after: () => showBefore(false),
  wipe: () => before.hidden || wiper.turn(),
  tool: (event) => toolRail.key(event),
  fills: () => editor.tool?.fills && editor.setFills(!editor.fills),
  alone: () => editor.tool?.alones && editor.setAlone(!editor.alone),
});

editor.on("opened", () => {
  showTab("controls");
  toolRail.build(given.build());
  title.value = editor.session.title ?? "";
  const mine = editor.card.trained?.find((/** @type {any} */ one) => one.sha256 === editor.session.weights?.[editor.card.name]);
  fill(learned, mine ? [w("folder_weights"), ": ", mine.title || (() => relativeTime(mine.ended))] : null);
  document.title = `${editor.session.title || t(w("untitled"))} · Gesso`;
  proposals.hidden = !chooserOf(editor.card);
  before.hidden = wiper.button.hidden = !editor.card.conditions.some(takesPicture);
});
editor.on("tree", () => {
  undo.disabled = !editor.canUndo;
  redo.disabled = !editor.canRedo;
});
editor.on("given", () => fill(saved, w(editor.pending.length ? "saving" : "saved")));
editor.on("moved", (camera) => {
  const turned = Math.round((camera.angle * 180) / Math.PI) % 360;
  zoom.textContent = `${Math.round(camera.zoom * 100)}%${turned ? ` · ${turned}°` : ""}`;
});
editor.on("hover", (place) => (spot.textContent = place ? `${Math.floor(place[0])}, ${Math.floor(place[1])}` : ""));
editor.on("tool", () => (at("canvas").dataset.tool = editor.tool?.name ?? ""));
editor.on("wrong", (error) => notice([error.what, error.fix].filter(Boolean).join(". "), "wrong"));
editor.on("missing", (names) => {
  notice(w("still_needed", { names: () => names.map((/** @type {string} */ name) => (editor.slot(name) ? t(titleOf(editor.slot(name))) : name)).join(", ") }));
});
editor.on("notes", ({ notes }) => notes.forEach((/** @type {any} */ one) => notice(one.words, "said")));
editor.on("gone", () => (location.hash = ""));
watchConnection(editor);

// The input picture, for before and after
let original = "";
editor.on("given", async () => {
  const slot = editor.card.conditions.find(takesPicture);
  const address = slot ? editor.pictureOf(slot.name) : null;
  if (address === original && view.before) return;
  original = address ?? "";
  if (!address) return view.setBefore(null);
  const given = await api.readGivenPicture(address).catch(() => null);
  if (address === original && given) view.setBefore(given.picture, given.page);
});

// Pictures that are dropped or pasted anywhere on the page
addEventListener("dragover", (event) => event.preventDefault());
addEventListener("drop", (event) => {
  if (event.defaultPrevented) return;
  event.preventDefault();
  const file = event.dataTransfer?.files[0];
  if (file) takeFile(file);
});
addEventListener("paste", (event) => {
  const file = [...(event.clipboardData?.files ?? [])].find((one) => one.type.startsWith("image/"));
  if (file) takeFile(file);
});

/** @param {File} file */
function takeFilmFile(file) {
  const wanted = editor.session ? editor.card.name : home.chosen();
  takeFilm(file, wanted, (job) => (jobs.show(), openFilm(job.id, jobs.show))).catch((error) => notice(error.message, "wrong"));
}

/** @param {File} file */
async function takeFile(file) {
  if (isFilm(file)) return takeFilmFile(file);
  if (editor.session) return chooseSlot(editor, file, () => begin(file));
  await begin(file);
}

/** @param {File} file */
async function begin(file) {
  if (editor.session) location.hash = "";
  await shown;
  home.takeFile(file);
}

// Navigation by the address
let shown = Promise.resolve();
async function visit() {
  const [id, node] = location.hash.slice(1).split("/").map(plain);
  at("start").hidden = Boolean(id);
  at("editor").hidden = !id;
  if (!id) {
    editor.leave();
    document.title = "Gesso";
    return home.show();
  }
  try {
    if (!(await editor.open(id))) return;
    view.resized();
    if (node) editor.show(node);
    tree.show();
    at("canvas").focus({ preventScroll: true });
    setTimeout(() => editor.session && guide(editor, asksGuide.splice(0).length > 0), 900);
  } catch (error) {
    if (plain(location.hash.slice(1).split("/")[0]) !== id) return; // the user has gone elsewhere meanwhile
    notice(String(/** @type {Error} */ (error).message), "wrong");
    location.hash = "";
  }
}

/** A part of the address, decoded; unchanged if it is malformed. @param {string} part */
function plain(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
addEventListener("hashchange", () => (shown = visit()));
/** @type {boolean[]} */
const asksGuide = [];
document.querySelector("#start .hello")?.append(
  h("button", { type: "button", class: "soft", "data-act": "guide", on: { click: () => (asksGuide.push(true), home.tryOut()) } }, icon("help"), w("guide")),
  languages(),
);
shown = visit();

// Without a login, only the instructions for logging in are shown
document.addEventListener("locked", () => {
  if (document.querySelector(".locked")) return;
  document.body.append(h("div", { class: "locked", role: "alert" }, h("div", {}, icon("lock"), h("h2", {}, w("locked_title")), h("p", {}, w("locked_help")), h("code", {}, "gesso studio"), languages())));
});
