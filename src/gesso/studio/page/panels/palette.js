/** Swatches: the picture's colours, and own palettes with names. */
import { download, fill, h, iconButton, notice } from "../dom.js";
import { coloursIn, fromGpl, keepPalettes, palettes, toGpl } from "../palette.js";
import { askForFile } from "../widgets/picture.js";
import { t, w } from "../words.js";

/** @param {import("../room.js").Room} room */
export function palettePanel(room) {
  let own = palettes();
  let now = 0;
  const here = h("div", { class: "swatches", role: "group", "aria-label": w("colours_here") });
  const mine = h("div", { class: "swatches", role: "group", "aria-label": w("own_palette") });
  const names = h("select", { "aria-label": w("palette"), on: { change: () => show((now = names.selectedIndex)) } });
  const title = h("input", { class: "palette-name", placeholder: w("palette_name"), "aria-label": w("palette_name"), maxlength: 80, on: { change: () => change({ name: title.value }) } });

  /** @param {string} colour @param {(() => void) | null} remove */
  function swatch(colour, remove) {
    const pick = h("button", { type: "button", class: "swatch", style: { backgroundColor: colour }, label: w("set_colour", { colour }), "data-colour": colour, on: { click: () => room.setColour(colour) } });
    if (remove) {
      pick.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => event.key === "Delete" && remove());
      pick.addEventListener("contextmenu", (/** @type {Event} */ event) => (event.preventDefault(), remove()));
    }
    return pick;
  }

  /** @param {Partial<import("../palette.js").Palette>} what */
  function change(what) {
    own[now] = { ...own[now], ...what };
    keepPalettes(own);
    show(now);
  }

  /** @param {import("../palette.js").Palette} palette */
  function put(palette) {
    own.push(palette);
    keepPalettes(own);
    show((now = own.length - 1));
  }

  function show(/** @type {number} */ at) {
    const palette = own[at] ?? own[0];
    fill(names, own.map((one, i) => h("option", { value: i, selected: i === at }, one.name || w("own_palette"))));
    title.value = palette.name;
    const keep = iconButton("plus", w("add_colour"), () => palette.colours.includes(room.colour) || change({ colours: [...palette.colours, room.colour] }), { class: "swatch add" });
    fill(mine, palette.colours.map((c) => swatch(c, () => change({ colours: palette.colours.filter((one) => one !== c) }))), keep);
    mark();
  }

  function mark() {
    for (const one of element.querySelectorAll("[data-colour]")) one.setAttribute("aria-pressed", String(one.getAttribute("data-colour") === room.colour));
  }

  let timer = 0;
  function look() {
    clearTimeout(timer);
    timer = setTimeout(() => {
      if (!element.isConnected) return;
      fill(here, coloursIn(room.live?.picture).map((c) => swatch(c, null)));
      mark();
    }, 250);
  }

  const more = h(
    "details",
    { class: "more" },
    h("summary", { "aria-label": w("palette") }, "⋯"),
    h("div", { class: "menu" }, title,
      h("button", { type: "button", on: { click: () => put({ name: t(w("new_palette")), colours: coloursIn(room.live?.picture) }) } }, w("new_palette")),
      h("button", { type: "button", on: { click: () => askForFile(open, ".gpl") } }, w("palette_open")),
      h("button", { type: "button", on: { click: () => download(new Blob([toGpl(own[now])], { type: "text/plain" }), `${own[now].name || "gesso"}.gpl`) } }, w("palette_save")),
      h("button", { type: "button", on: { click: () => own.length > 1 && (own.splice(now, 1), keepPalettes(own), show((now = 0))) } }, w("palette_remove"))),
  );

  /** @param {Blob} file */
  async function open(file) {
    const palette = file.size < 1 << 20 ? fromGpl(await file.text()) : null;
    if (palette?.colours.length) put(palette);
    else notice(w("cannot_open"), "wrong");
  }

  const element = h("section", { class: "part palette" }, h("h3", {}, w("colours_here")), here, h("div", { class: "row palette-row" }, names, more), mine);
  room.when("colour", () => element.isConnected && mark());
  room.when("frame", (detail) => detail.final !== false && element.isConnected && look());
  show(0);
  look();
  return element;
}
