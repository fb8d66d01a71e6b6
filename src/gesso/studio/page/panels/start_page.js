/** The start page: choose a recipe, a picture to start with, or an earlier session. */
import * as api from "../server/api.js";
import { chooseFilm } from "./film.js";
import { learnPanel, WEIGHTS, weightsChoice } from "./own_weights.js";
import { recentSessions } from "./recent_sessions.js";
import { fill, h } from "../ui/elements.js";
import { chooseFile } from "../ui/files.js";
import { icon } from "../ui/icons.js";
import { notice } from "../ui/messages.js";
import { isMusic, readMusic, takesFile } from "../widgets/music_file.js";
import { uploadValue } from "../widgets/picture.js";
import { takesPicture } from "../widgets/registry.js";
import { t, titleOf, w } from "../words/language.js";

/** @param {HTMLElement} place @param {(id: string, node?: string) => void} open @param {(file: File) => void} takeFilm @param {(job: string) => void} openJob */
export function startPage(place, open, takeFilm, openJob) {
  /** @type {any[]} */ let cards = [];
  /** @type {any[]} */ let samples = [];
  /** @type {any} */ let card = null;
  /** @type {Object<string, {id: string, at: string, title: any}>} */ let given = {};
  /** @type {Object<string, any>} */ let titles = {};
  let busy = false;
  let learned = ""; // SHA-256 of the user's own trained weights that were chosen; empty for the shipped weights

  const choices = h("div", { class: "recipes", role: "radiogroup", "aria-label": w("recipes") }, [0, 1, 2].map(() => h("div", { class: "recipe waiting", "aria-hidden": "true" })));
  const ground = h("div", { class: "ground" });
  const recent = recentSessions(() => cards, open);
  const finder = h("input", { type: "search", placeholder: w("find"), "aria-label": w("find"), on: { input: () => recent.find(finder.value.trim()) } });
  const importer = h("button", { type: "button", class: "soft", on: { click: () => chooseFile(importSession, ".zip") } }, w("import_session"));
  fill(
    place,
    h("header", { class: "hello" }, h("h1", {}, "Gesso"), h("p", {}, w("tagline")), h("p", { class: "quiet local" }, icon("lock"), w("local"))),
    h("section", { class: "do" }, h("h2", {}, w("recipes")), choices, ground),
    h("aside", { class: "before" }, h("h2", {}, w("recent")), h("div", { class: "row" }, finder, importer), recent.element),
  );

  async function show() {
    try {
      if (!cards.length) {
        const lines = await api.listRecipes();
        titles = Object.fromEntries(lines.map((/** @type {any} */ one) => [one.name, one.title]));
        const [shown, told] = await Promise.all([api.listSamples().catch(() => []), api.readRecipes(lines)]);
        if (told.error) notice(told.error.message, "wrong");
        samples = shown;
        cards = told.cards.filter((one) => one.outputs.some((/** @type {any} */ out) => out.medium.startsWith("picture")));
        // Recipes that start from a drawing come first, those without weights last.
        cards.sort((a, b) => Number(unready(a)) - Number(unready(b)) || rank(a) - rank(b));
        choose(cards[0]);
      } else await lookAtTrainings();
      await recent.show();
    } catch (error) {
      notice(String(/** @type {Error} */ (error).message), "wrong");
    }
  }

  /** Update the lists of trained weights: a training may have ended since the page was last shown. */
  async function lookAtTrainings() {
    const told = await Promise.all(cards.map((one) => (one.learns_pictures || one.fits_data?.length || one.trains_data?.length || one.trained?.length ? api.readRecipe(one.name).catch(() => one) : one)));
    const news = told.some((one, n) => JSON.stringify(one.trained) !== JSON.stringify(cards[n].trained));
    cards.forEach((one, n) => (one.trained = told[n].trained));
    if (news && !Object.keys(given).length) choose(card);
  }

  const unready = (/** @type {any} */ one) => Boolean(one.missing?.length && !one.trained?.length);
  const whatIsMissing = (/** @type {any} */ one) =>
    one.missing.every((/** @type {string} */ name) => name === one.name)
      ? w("not_trained")
      : w("not_ready", { names: () => one.missing.map((/** @type {string} */ name) => t(titles[name] ?? name)).join(", ") });
  const rank = (/** @type {any} */ one) => (one.conditions.some((/** @type {any} */ s) => s.control?.tool === "page") ? 0 : needed(one).length ? 2 : 1);
  const needed = (/** @type {any} */ one) => one.conditions.filter((/** @type {any} */ s) => s.required);

  /** @param {any} one */
  function choose(one) {
    card = one;
    given = {};
    learned = one.missing?.length ? (one.trained?.[0]?.sha256 ?? "") : "";
    fill(
      choices,
      cards.map((each) =>
        h("button", { type: "button", role: "radio", class: "recipe", "aria-checked": String(each === card), "data-recipe": each.name, on: { click: () => choose(each) } },
          h("b", {}, each.title), h("span", {}, each.summary), unready(each) ? h("small", { class: "warn" }, whatIsMissing(each)) : null)),
    );
    fill(ground, groundOf());
  }

  function groundOf() {
    return card ? [weightsChoice(card, learned, useWeights, takeWeights, forgetWeights), ...groundFor(), learnPanel(card, openJob)] : [];
  }

  /** @param {string} hash */
  function useWeights(hash) {
    learned = hash;
    fill(ground, groundOf());
  }

  /** @param {string} hash weights that were deleted */
  function forgetWeights(hash) {
    card.trained = card.trained.filter((/** @type {any} */ one) => one.sha256 !== hash);
    choose(card);
  }

  /** Open a weights file of the user's own, and choose its recipe. @param {File} file */
  async function takeWeights(file) {
    try {
      const sent = await api.sendWeights(file);
      const told = await api.readRecipe(sent.recipe);
      const one = cards.find((each) => each.name === sent.recipe);
      if (!one) return void notice(w("weights_of_other", { name: sent.recipe }), "wrong");
      one.trained = told.trained;
      choose(one);
      learned = sent.sha256;
      fill(ground, groundOf());
    } catch (error) {
      notice(String(/** @type {Error} */ (error).message), "wrong");
    }
  }

  function groundFor() {
    const slots = needed(card).filter(takesPicture);
    if (!slots.length) {
      if (card.missing?.length && !learned) return []; // nothing to begin with yet
      return [h("div", { class: "begin-plain" }, h("p", { class: "quiet" }, w("begin_without")), h("button", { type: "button", class: "primary big", "data-act": "begin", on: { click: () => begin(t(card.title), []) } }, w("begin")))];
    }
    return [...slots.map((/** @type {any} */ slot) => slotGround(slot, slots.length > 1)), slots.length > 1 && h("button", { type: "button", class: "primary big", disabled: slots.some((/** @type {any} */ s) => !given[s.name]), "data-act": "begin", on: { click: beginGiven } }, w("begin"))];
  }

  /** @param {any} slot @param {boolean} among */
  function slotGround(slot, among) {
    const have = given[slot.name];
    const drop = h(
      "button",
      { type: "button", class: "drop", "data-slot": slot.name, on: { click: () => chooseFile((file) => take(slot, file, file.name)) } },
      have ? h("img", { src: have.at, alt: have.title }) : icon("picture"),
      h("span", {}, have ? w("replace") : w("drop_here")),
    );
    drop.addEventListener("drop", (/** @type {DragEvent} */ event) => {
      const file = event.dataTransfer?.files[0];
      if (!file?.type.startsWith("image/")) return;
      event.preventDefault();
      event.stopPropagation();
      take(slot, file, file.name);
    });
    const tiles = samples.map((one) =>
      h("button", { type: "button", class: "sample", "data-sample": one.id, on: { click: () => takeSample(slot, one) } }, h("img", { src: api.sampleUrl(one.id), alt: "", loading: "lazy" }), h("span", {}, one.title)),
    );
    const film = card.film && slot.required && h("button", { type: "button", class: "drop film-drop", "data-act": "choose-film", on: { click: () => chooseFilm(takeFilm) } }, icon("film"), h("span", {}, w("film_drop")));
    return h("section", { class: among ? "slot-ground among" : "slot-ground" }, h("h3", {}, among ? titleOf(slot) : w("begin_with"), among && h("small", { class: "quiet" }, slot.help)), h("div", { class: "samples" }, drop, film, tiles));
  }

  /** @param {any} slot @param {any} one */
  async function takeSample(slot, one) {
    await take(slot, await api.readBlob(api.sampleUrl(one.id)), one.title);
  }

  /** @param {any} slot @param {Blob} file @param {any} title */
  async function take(slot, file, title) {
    if (busy) return;
    busy = true;
    try {
      const { id } = await api.upload(file);
      given[slot.name] = { id, at: URL.createObjectURL(file), title };
      const slots = needed(card).filter(takesPicture);
      if (slots.length === 1) await beginGiven();
      else fill(ground, groundOf());
    } catch (error) {
      notice(String(/** @type {Error} */ (error).message), "wrong");
    } finally {
      busy = false;
    }
  }

  async function beginGiven() {
    const names = Object.keys(given);
    const edits = names.map((name) => ({ op: "set", slot: name, value: uploadValue(card.conditions.find((/** @type {any} */ s) => s.name === name), given[name].id) }));
    const title = t(given[names[0]].title).replace(/\.[a-z0-9]{2,5}$/i, "");
    await begin(title, edits);
  }

  /** @param {string} title @param {any[]} edits */
  async function begin(title, edits) {
    try {
      const session = await api.createSession({ recipe: card.name, title, edits, ...(learned ? { weights: { [card.name]: learned } } : {}) });
      open(session.id);
    } catch (error) {
      notice(String(/** @type {Error} */ (error).message), "wrong");
    }
  }

  /** Start the first recipe with a control that takes this file of music. @param {File} file */
  async function beginMusic(file) {
    const [one, slot] = cards.flatMap((each) => each.conditions.filter((/** @type {any} */ s) => takesFile(s, file)).map((/** @type {any} */ s) => [each, s]))[0] ?? [];
    if (!slot) return notice(w("music_no_recipe"), "wrong");
    try {
      const { value, said } = await readMusic(slot, file);
      card = one;
      await begin(file.name.replace(/\.[a-z]+$/i, ""), [{ op: "set", slot: slot.name, value }]);
      notice(() => said.map(t).join(" "), "said");
    } catch (error) {
      notice(String(/** @type {Error} */ (error).message), "wrong");
    }
  }

  /** @param {File} file */
  async function importSession(file) {
    try {
      open((await api.importSession(file)).id);
    } catch (error) {
      notice(String(/** @type {Error} */ (error).message), "wrong");
    }
  }

  /** Start the chosen recipe with a picture that was pasted or dropped anywhere on the page. @param {File} file */
  function takeFile(file) {
    if (file.name.endsWith(".zip")) return importSession(file);
    if (file.name.endsWith(WEIGHTS)) return takeWeights(file);
    if (isMusic(file)) return beginMusic(file);
    const slots = card ? needed(card).filter(takesPicture) : [];
    const slot = slots.find((/** @type {any} */ s) => !given[s.name]) ?? slots[0];
    return slot ? take(slot, file, file.name) : undefined;
  }

  /** Start the first recipe with a sample, for the tour. */
  async function tryOut() {
    if (!card) return;
    choose(cards[0]);
    const slots = needed(card).filter(takesPicture);
    if (slots.length === 1 && samples.length) await takeSample(slots[0], samples[0]);
    else if (!slots.length) await begin(t(card.title), []);
  }
  return { show, takeFile, tryOut, chosen: () => card?.name ?? "" };
}
