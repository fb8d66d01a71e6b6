/**
 * Nine seeds of the same request side by side. A click takes one; those that are kept stay while the others get new seeds, and are
 * still there when the grid is opened again. Each picture is a preview; only the one taken becomes a node. Where words are given, the
 * server says which picture fits them best.
 */
import { rankSeeds } from "../server/api.js";
import { randomSeed } from "../session/editor.js";
import { copyCanvas } from "../ui/copy_canvas.js";
import { dialog } from "../ui/dialog.js";
import { fill, h } from "../ui/elements.js";
import { icon, iconButton } from "../ui/icons.js";
import { refreshText, t, w } from "../words/language.js";

const NUM = 9;
const SMALL = 100; // pixels: narrower pictures are shown with square pixels
const SIDE = 520; // pixels, of what is kept of each picture

/** @typedef {{seed: number, kept: boolean, box: HTMLElement, take: any, keep: any, picture: HTMLCanvasElement | null}} Tile */

/** @type {Map<string, number[]>} the seeds that are kept, by session */
const keptSeeds = new Map();

/** @param {import("../session/editor.js").Editor} editor @param {import("../canvas/view.js").View} view */
export function openSeedGrid(editor, view) {
  const { live, session } = editor;
  if (!live || document.querySelector(".choices-sheet")) return;
  const now = editor.given.seed;
  const kept = keptSeeds.get(session.id) ?? [];
  const seeds = [now, ...kept.filter((seed) => seed !== now)].slice(0, NUM);
  const tiles = Array.from({ length: NUM }, (_, i) => tileOf(seeds[i] ?? randomSeed(), i));
  let over = false;
  let taken = false;
  let making = false;
  const waiting = () => tiles.find((one) => !one.picture);
  const line = h("p", { class: "quiet", role: "status" });
  const vary = iconButton("dice", w("seeds_vary"), varyOthers, { class: "soft", "data-act": "vary-others" }, w("seeds_vary"));
  const worded = editor.card.conditions.find((/** @type {any} */ slot) => slot.control?.schema?.properties?.text);
  const hasWords = worded && editor.given.conditions[worded.name];
  const rank = hasWords && iconButton("star", w("seeds_rank"), chooseByWords, { class: "soft", "data-act": "rank-seeds" }, w("seeds_rank"));
  const box = dialog(w("seed_grid"), [h("div", { class: `choices of-${NUM}` }, tiles.map((one) => one.box)), h("div", { class: "row" }, vary, rank, line)], "wide choices-sheet");
  view.frozen = copyCanvas(live.picture);
  box.addEventListener("close", () => {
    over = true;
    if (!taken) live.show(live.head);
    setTimeout(() => ((view.frozen = null), view.repaint()), 400);
  });
  make();

  /** @param {number} seed @param {number} place @returns {Tile} */
  function tileOf(seed, place) {
    /** @type {any} */
    const tile = { seed, kept: kept.includes(seed), picture: null };
    tile.take = h("button", { type: "button", class: "choice", "data-choice": place, "aria-label": w("choice_nth", { num: String(place + 1) }), on: { click: () => choose(tile) } });
    tile.keep = iconButton("lock", () => t(w(tile.kept ? "seeds_free" : "seeds_keep")), () => setKept(tile, !tile.kept), { class: "plain keep", "data-keep": place });
    tile.box = h("div", { class: "choice-tile" }, tile.take, tile.keep);
    mark(tile);
    empty(tile);
    return tile;
  }

  /** @param {Tile} tile @param {boolean} on */
  function setKept(tile, on) {
    tile.kept = on;
    mark(tile);
    keptSeeds.set(session.id, tiles.filter((one) => one.kept).map((one) => one.seed));
  }

  /** @param {Tile} tile */
  function mark(tile) {
    tile.keep.setAttribute("aria-pressed", String(tile.kept));
    refreshText(tile.keep);
    tile.box.classList.toggle("kept", tile.kept);
  }

  /** @param {Tile} tile */
  function empty(tile) {
    tile.picture = null;
    tile.box.classList.remove("best");
    tile.take.disabled = true;
    tile.take.setAttribute("aria-current", String(tile.seed === now));
    fill(tile.take, h("span", { class: "choice-wait" }, icon("dice")));
  }

  /** @param {Tile} tile */
  function choose(tile) {
    taken = tile.seed !== now;
    if (taken) editor.commit({ op: "seed", value: tile.seed });
    box.close();
  }

  function varyOthers() {
    for (const tile of tiles.filter((one) => !one.kept)) {
      tile.seed = randomSeed();
      empty(tile);
    }
    if (!making) make();
  }

  /** Mark the picture that fits the words best. */
  async function chooseByWords() {
    if (!rank) return;
    rank.disabled = true;
    fill(line, w("seeds_ranking"));
    try {
      const [first] = await rankSeeds(session.id, live?.head, tiles.map((tile) => tile.seed));
      if (over || editor.live !== live) return;
      for (const tile of tiles) tile.box.classList.toggle("best", tile.seed === first.seed);
      const place = tiles.findIndex((tile) => tile.seed === first.seed);
      fill(line, w("seeds_best", { num: String(place + 1) }));
      tiles[place]?.take.focus();
    } catch (error) {
      if (!over) fill(line, error instanceof Error ? error.message : String(error));
    } finally {
      rank.disabled = false;
    }
  }

  /** Make the pictures that are not made yet, one after the other. */
  async function make() {
    making = true;
    for (let tile = waiting(); tile; tile = waiting()) {
      fill(line, w("trying", { now: String(tiles.filter((one) => one.picture).length + 1), all: String(NUM) }));
      const { seed } = tile;
      const made = await live.probe({ op: "seed", value: seed });
      if (over || editor.live !== live) return;
      if (tile.seed !== seed) continue; // it was given a new one meanwhile
      const pixelated = made.width < SMALL;
      tile.picture = pixelated ? made : copyCanvas(made, SIDE);
      tile.take.replaceChildren(tile.picture);
      tile.take.classList.toggle("pixels", pixelated);
      tile.take.disabled = false;
      if (tile === tiles[0] && document.activeElement?.matches("dialog, dialog header *")) tile.take.focus();
    }
    making = false;
    fill(line, tiles.every((one) => isSame(one.picture, tiles[0].picture)) && w("choices_same"));
  }
}

/** @param {HTMLCanvasElement | null} one @param {HTMLCanvasElement | null} other */
function isSame(one, other) {
  return Boolean(one && other && one.width === other.width && one.toDataURL() === other.toDataURL());
}
