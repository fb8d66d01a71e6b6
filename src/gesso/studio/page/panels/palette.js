/** Swatches: the main colours of the picture, and the user's own palettes. */
import * as api from "../server/api.js";
import { mainColours } from "../canvas/main_colours.js";
import { defaultPalette, loadPalettes, toSwatches } from "../server/palettes.js";
import { fill, h } from "../ui/elements.js";
import { chooseFile, download } from "../ui/files.js";
import { iconButton } from "../ui/icons.js";
import { notice } from "../ui/messages.js";
import { t, w } from "../words/language.js";

const FILES = ["gpl", "ase", "aco"];
const CHOSEN = "gesso.palette";

/** @param {import("../session/editor.js").Editor} editor */
export function palettePanel(editor) {
  /** @type {import("../server/palettes.js").Palette[]} */ let own = [defaultPalette()];
  let now = 0;
  let saving = Promise.resolve();
  const here = h("div", { class: "swatches", role: "group", "aria-label": w("colours_here") });
  const mine = h("div", { class: "swatches", role: "group", "aria-label": w("own_palette") });
  const names = h("select", { "aria-label": w("palette"), on: { change: () => show((now = names.selectedIndex)) } });
  const title = h("input", { class: "palette-name", placeholder: w("palette_name"), "aria-label": w("palette_name"), maxlength: 80, on: { change: () => change({ name: title.value.trim() }) } });
  const label = h("input", { class: "palette-name", placeholder: w("swatch_name"), "aria-label": w("swatch_name"), maxlength: 80, on: { change: () => nameColour(label.value.trim()) } });

  /** @param {import("../server/palettes.js").Swatch} one @param {(() => void) | null} remove */
  function swatch({ color, name }, remove) {
    const says = () => (name ? `${name} · ${color}` : t(w("set_colour", { colour: color })));
    const pick = h("button", { type: "button", class: "swatch", style: { backgroundColor: color }, label: says, "data-colour": color, on: { click: () => editor.setColour(color) } });
    if (remove) {
      pick.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => event.key === "Delete" && remove());
      pick.addEventListener("contextmenu", (/** @type {Event} */ event) => (event.preventDefault(), remove()));
    }
    return pick;
  }

  /** Save in order, so that the newest version is saved last. @param {() => Promise<any>} run */
  const inTurn = (run) => (saving = saving.then(run).catch((error) => void notice(error.message, "wrong")));

  /** @param {Partial<import("../server/palettes.js").Palette>} what */
  function change(what) {
    const palette = Object.assign(own[now], what);
    show(now);
    inTurn(async () => (palette.id = (await api.savePalette(palette)).id));
  }

  /** @param {string} name */
  const nameColour = (name) => change({ colours: own[now].colours.map((one) => (one.color === editor.colour ? { ...one, name } : one)) });

  function put(/** @type {import("../server/palettes.js").Palette} */ palette) {
    own.push(palette);
    show((now = own.length - 1));
  }

  function add() {
    put({ id: null, name: t(w("new_palette")), colours: toSwatches(mainColours(editor.live?.picture)) });
    change({});
    more.open = true;
    title.select();
  }

  function remove() {
    const [gone] = own.splice(now, 1);
    if (!own.length) own.push(defaultPalette());
    show((now = 0));
    inTurn(async () => gone.id && api.deletePalette(gone.id));
  }

  /** @param {string} format */
  async function save(format) {
    await saving;
    try {
      const palette = own[now];
      palette.id ??= (await api.savePalette(palette)).id;
      const plain = palette.name.replace(/[^\p{L}\p{N} _-]+/gu, "").trim() || "gesso";
      download(await api.readBlob(api.paletteUrl(/** @type {string} */ (palette.id), format)), `${plain}.${format}`);
    } catch (error) {
      notice(String(/** @type {Error} */ (error).message), "wrong");
    }
  }

  /** @param {File} file */
  async function open(file) {
    try {
      put(await api.importPalette(file, file.name.replace(/\.\w{2,4}$/, "")));
    } catch (error) {
      notice(String(/** @type {Error} */ (error).message), "wrong");
    }
  }

  function show(/** @type {number} */ at) {
    const palette = own[at] ?? own[0];
    localStorage.setItem(CHOSEN, palette.id ?? "");
    fill(names, own.map((one, i) => h("option", { value: i, selected: i === at }, one.name || w("own_palette"))));
    title.value = palette.name;
    const has = () => palette.colours.some((one) => one.color === editor.colour);
    const keep = iconButton("plus", w("add_colour"), () => has() || change({ colours: [...palette.colours, { color: editor.colour, name: "" }] }), { class: "swatch add" });
    fill(mine, palette.colours.map((one) => swatch(one, () => change({ colours: palette.colours.filter((other) => other !== one) }))), keep);
    mark();
  }

  function mark() {
    for (const one of element.querySelectorAll("[data-colour]")) one.setAttribute("aria-pressed", String(one.getAttribute("data-colour") === editor.colour));
    const chosen = own[now]?.colours.find((one) => one.color === editor.colour);
    label.disabled = !chosen;
    label.value = chosen?.name ?? "";
  }

  let timer = 0;
  function look() {
    clearTimeout(timer);
    timer = setTimeout(() => {
      if (!element.isConnected) return;
      fill(here, toSwatches(mainColours(editor.live?.picture)).map((one) => swatch(one, null)));
      mark();
    }, 250);
  }

  const button = (/** @type {any} */ words, /** @type {() => void} */ run, /** @type {any} */ attrs = {}) => h("button", { type: "button", ...attrs, on: { click: run } }, words);
  const more = h(
    "details",
    { class: "more" },
    h("summary", { "aria-label": w("palette") }, "⋯"),
    h("div", { class: "menu" }, title, label,
      button(w("palette_new"), add, { "data-act": "palette-new" }),
      button(w("palette_open"), () => chooseFile(open, FILES.map((one) => `.${one}`).join()), { "data-act": "palette-open" }),
      h("div", { class: "menu-row" }, h("span", { class: "quiet" }, w("palette_save")), FILES.map((one) => button(`.${one}`, () => save(one), { class: "chip", "data-palette": one }))),
      button(w("palette_remove"), remove, { "data-act": "palette-remove" })),
  );

  const element = h("section", { class: "part palette" }, h("h3", {}, w("colours_here")), here, h("div", { class: "row palette-row" }, names, more), mine);
  element.addEventListener("drop", (/** @type {DragEvent} */ event) => {
    const file = [...(event.dataTransfer?.files ?? [])].find((one) => FILES.some((kind) => one.name.toLowerCase().endsWith(`.${kind}`)));
    if (!file) return;
    event.preventDefault();
    event.stopPropagation();
    open(file);
  });
  editor.on("colour", () => element.isConnected && mark());
  editor.on("frame", (detail) => detail.final !== false && element.isConnected && look());
  const chosen = localStorage.getItem(CHOSEN);
  show(0);
  look();
  loadPalettes().then(
    (found) => {
      own = found;
      const at = own.findIndex((one) => one.id === chosen);
      show((now = Math.max(0, at)));
    },
    (error) => notice(error.message, "wrong"),
  );
  return element;
}
