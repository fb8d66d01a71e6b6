/** The studio: the start, and the room that opens from it. Which session is open is in the address (#session). */
import * as api from "./api.js";
import { fill, h, icon, iconButton, notice } from "./dom.js";
import { listenToKeys } from "./keys.js";
import { openChoices, chooserOf } from "./panels/choices.js";
import { chosenBar } from "./panels/chosen.js";
import { openCompare } from "./panels/compare.js";
import { controls } from "./panels/controls.js";
import { folder } from "./panels/folder.js";
import { followers } from "./panels/followers.js";
import { guide, keyTable } from "./panels/guide.js";
import { making } from "./panels/making.js";
import { history } from "./panels/history.js";
import { jobs } from "./panels/jobs.js";
import { askWhere } from "./panels/place.js";
import { rail } from "./panels/rail.js";
import { saving } from "./panels/save.js";
import { stripMap } from "./panels/strip.js";
import { start } from "./panels/start.js";
import { wipe } from "./panels/wipe.js";
import { Ink } from "./ink.js";
import { Pieces } from "./pieces.js";
import { watchLine } from "./line.js";
import { listenToPointers } from "./pointer.js";
import { Room } from "./room.js";
import { sight } from "./sight.js";
import { View } from "./view.js";
import { takesPicture } from "./widgets/registry.js";
import { ago, keepSaying, lang, speak, t, titleOf, w } from "./words.js";

const at = (/** @type {string} */ id) => /** @type {any} */ (document.getElementById(id));

document.documentElement.lang = lang();
const room = new Room();
const view = new View(at("canvas"), room);
room.pieces = new Pieces(room, view);
room.ink = new Ink(view);
const held = { space: false, turn: false };
const toolRail = rail(room, view, at("rail"));
const given = controls(room, view, at("controls"), (kind) => openChoices(room, view, kind));
const tree = history(room, at("history"), (a, b) => openCompare(room, a, b));
const { menu, acts } = saving(room);
const home = start(at("start"), (id, node) => (location.hash = [id, node].filter(Boolean).map(encodeURIComponent).join("/")));
folder(/** @type {any} */ (document.querySelector("#start .do")), jobs(/** @type {any} */ (document.querySelector("#start .before"))));

for (const [id, words] of [["rail", w("page_tools")], ["canvas", w("canvas")], ["panel", w("controls")]]) keepSaying(at(/** @type {string} */ (id)), () => at(/** @type {string} */ (id)).setAttribute("aria-label", t(words)));

chosenBar(room, view, at("stage"));
followers(room, view, at("stage"));
sight(room, view);
stripMap(room, view, at("stage"));

// The bar above
const title = h("input", { class: "title", "aria-label": w("session_title"), maxlength: 120, on: { change: () => rename() } });
const saved = h("span", { class: "quiet saved", role: "status" });
const learned = h("span", { class: "quiet learned" });
const undo = iconButton("undo", w("undo"), () => room.undo(), { "data-act": "undo" });
const redo = iconButton("redo", w("redo"), () => room.redo(), { "data-act": "redo" });
const before = iconButton("eye", w("before"), () => undefined, { "data-act": "before", "aria-pressed": "false" }, h("span", { class: "wide-only" }, w("before_short")));
const wiper = wipe(room, view, at("stage"));
const proposals = iconButton("grid", w("proposals_help"), () => openChoices(room, view, "proposals"), { "data-act": "proposals" }, h("span", { class: "wide-only" }, w("proposals")));
const marks = iconButton("marks", w("marks"), () => showMarks(), { "data-act": "marks", "aria-pressed": "true" });
const languages = () => h("button", { type: "button", class: "language soft", label: w("language"), on: { click: () => speak(lang() === "ko" ? "en" : "ko") } }, () => (lang() === "ko" ? "EN" : "한국어"));
const help = iconButton("help", w("help"), () => keyTable(room), { "data-act": "help" });
fill(at("bar"), h("h1", { class: "unseen" }, "Gesso"), iconButton("home", w("home"), () => (location.hash = ""), { "data-act": "home" }), title, saved, learned, h("span", { class: "gap" }), undo, redo, before, wiper.button, marks, proposals, h("span", { class: "gap" }), help, languages(), menu);

// The foot below
const zoom = h("output", { class: "zoom" });
const spot = h("span", { class: "spot" });
const speed = h("span", { class: "quiet speed" });
fill(at("foot"), iconButton("minus", w("zoom_out"), () => view.zoomAt(0.8)), zoom, iconButton("plus", w("zoom_in"), () => view.zoomAt(1.25)), iconButton("fit", w("fit"), () => view.fit(), { "data-act": "fit" }), spot, h("span", { class: "gap" }), speed, h("span", { class: "quiet local" }, w("local")));

making(room, at("progress"), speed);

// Two tabs beside the page
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
  view.ask();
}
before.addEventListener("pointerdown", () => showBefore(true));
for (const end of ["pointerup", "pointerleave", "pointercancel", "blur"]) before.addEventListener(end, () => showBefore(false));
before.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => (event.key === " " || event.key === "Enter") && showBefore(true));
before.addEventListener("keyup", () => showBefore(false));

function showMarks() {
  room.marksShown = !room.marksShown;
  marks.setAttribute("aria-pressed", String(room.marksShown));
  room.say("marks");
}

async function rename() {
  room.session.title = title.value.trim();
  await api.rename(room.session.id, room.session.title).catch((error) => notice(error.message, "wrong"));
}

listenToPointers(view, room, held, toolRail);
listenToKeys(room, view, held, {
  save: () => acts.png(),
  copy: () => acts.copy(),
  marks: () => showMarks(),
  proposals: () => chooserOf(room.card) && openChoices(room, view, "proposals"),
  help: () => keyTable(room),
  before: () => showBefore(true),
  after: () => showBefore(false),
  wipe: () => before.hidden || wiper.turn(),
  tool: (event) => toolRail.key(event),
  fills: () => room.tool?.fills && room.setFills(!room.fills),
  alone: () => room.tool?.alones && room.setAlone(!room.alone),
});

room.when("opened", () => {
  showTab("controls");
  toolRail.build(given.build());
  title.value = room.session.title ?? "";
  const mine = room.card.trained?.find((/** @type {any} */ one) => one.sha256 === room.session.weights?.[room.card.name]);
  fill(learned, mine ? [w("folder_weights"), ": ", mine.title || (() => ago(mine.ended))] : null);
  document.title = `${room.session.title || t(w("untitled"))} · Gesso`;
  proposals.hidden = !chooserOf(room.card);
  before.hidden = wiper.button.hidden = !room.card.conditions.some(takesPicture);
});
room.when("tree", () => {
  undo.disabled = !room.canUndo;
  redo.disabled = !room.canRedo;
});
room.when("given", () => fill(saved, w(room.pending.length ? "saving" : "saved")));
room.when("camera", (camera) => {
  const turned = Math.round((camera.angle * 180) / Math.PI) % 360;
  zoom.textContent = `${Math.round(camera.zoom * 100)}%${turned ? ` · ${turned}°` : ""}`;
});
room.when("hover", (place) => (spot.textContent = place ? `${Math.floor(place[0])}, ${Math.floor(place[1])}` : ""));
room.when("tool", () => (at("canvas").dataset.tool = room.tool?.name ?? ""));
room.when("wrong", (error) => notice([error.what, error.fix].filter(Boolean).join(". "), "wrong"));
room.when("missing", (names) => {
  notice(w("still_needed", { names: () => names.map((/** @type {string} */ name) => (room.slot(name) ? t(titleOf(room.slot(name))) : name)).join(", ") }));
});
room.when("notes", ({ notes }) => notes.forEach((/** @type {any} */ one) => notice(one.words, "said")));
room.when("gone", () => (location.hash = ""));
watchLine(room);

// The picture as it was given, under everything
let original = "";
room.when("given", async () => {
  const slot = room.card.conditions.find(takesPicture);
  const address = slot ? room.pictureOf(slot.name) : null;
  if (address === original && view.before) return;
  original = address ?? "";
  if (!address) return view.setBefore(null);
  const given = await api.givenAt(address).catch(() => null);
  if (address === original && given) view.setBefore(given.picture, given.page);
});

// Pictures that are dropped or pasted anywhere
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
async function takeFile(file) {
  if (room.session) return askWhere(room, file, () => begin(file));
  await begin(file);
}

/** @param {File} file */
async function begin(file) {
  if (room.session) location.hash = "";
  await shown;
  home.takeFile(file);
}

// The address says what is open
let shown = Promise.resolve();
async function visit() {
  const [id, node] = location.hash.slice(1).split("/").map(plain);
  at("start").hidden = Boolean(id);
  at("room").hidden = !id;
  if (!id) {
    room.leave();
    document.title = "Gesso";
    return home.show();
  }
  try {
    if (!(await room.open(id))) return;
    view.resized();
    if (node) room.show(node);
    tree.show();
    at("canvas").focus({ preventScroll: true });
    setTimeout(() => room.session && guide(room, asksGuide.splice(0).length > 0), 900);
  } catch (error) {
    if (plain(location.hash.slice(1).split("/")[0]) !== id) return; // somebody went on
    notice(String(/** @type {Error} */ (error).message), "wrong");
    location.hash = "";
  }
}

/** A part of the address, which anybody may have typed. @param {string} part */
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

// Whoever comes without the link's key sees what to do, and nothing else
document.addEventListener("locked", () => {
  if (document.querySelector(".locked")) return;
  document.body.append(h("div", { class: "locked", role: "alert" }, h("div", {}, icon("lock"), h("h2", {}, w("locked_title")), h("p", {}, w("locked_help")), h("code", {}, "gesso studio"), languages())));
});
