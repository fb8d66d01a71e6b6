/**
 * Before and after, one over the other and divided by a line that is dragged or moved by keys: two films that play together, or two
 * pictures. The films need not have one size: both fill the same box.
 *
 * @typedef {{src: string, still?: boolean}} Side a film, or a picture where it is `still`
 */
import { fill, h } from "../ui/elements.js";
import { icon, iconButton } from "../ui/icons.js";
import { placeGrip, wipeGrip } from "../ui/wipe_grip.js";
import { t, w } from "../words/language.js";

const APART = 0.08; // seconds by which the films may differ before one is moved to the other

/** m:ss, or h:mm:ss. @param {number} seconds */
export function clock(seconds) {
  const all = Math.max(0, Math.floor(Number.isFinite(seconds) ? seconds : 0));
  const [hours, minutes, rest] = [Math.floor(all / 3600), Math.floor(all / 60) % 60, all % 60];
  const two = (/** @type {number} */ n) => String(n).padStart(2, "0");
  return hours ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}

export function filmViewer() {
  /** @type {HTMLVideoElement | null} */ let main = null; // leads: its sound is heard, and its time is told
  /** @type {HTMLVideoElement | null} */ let other = null;
  let share = 0.5;
  let muted = false;

  const playing = () => Boolean(main && !main.paused && !main.ended);

  const under = h("div", { class: "film-side" });
  const over = h("div", { class: "film-side" });
  const grip = wipeGrip({ class: "film-grip" }, () => stage, () => share, put);
  const names = [h("small", { class: "film-name", hidden: true }, w("before_short")), h("small", { class: "film-name end", hidden: true }, w("film_after"))];
  const stage = h("div", { class: "film-stage" }, under, over, grip, names);
  const told = h("p", { class: "quiet", role: "status", hidden: true });
  const play = iconButton("play", () => t(w(playing() ? "film_pause" : "film_play")), () => (playing() ? pause() : start()), { "data-act": "film-play", class: "soft" });
  const seek = h("input", { type: "range", min: 0, max: 1, step: "any", value: 0, "aria-label": w("film_seek"), on: { input: () => goTo(Number(seek.value)) } });
  const time = h("output", { class: "quiet film-time" });
  const loud = iconButton("sound", w("film_sound"), () => mute(!muted), { "data-act": "film-sound", class: "soft", "aria-pressed": "true" });
  const bar = h("div", { class: "row film-bar", hidden: true }, play, seek, time, loud);
  const element = h("div", { class: "film" }, stage, bar, told);
  /** @param {number} wanted */
  function put(wanted) {
    share = Math.max(0, Math.min(1, wanted));
    over.style.clipPath = grip.hidden ? "" : `inset(0 ${100 - 100 * share}% 0 0)`;
    placeGrip(grip, share);
  }

  /** The element of one side. @param {Side} side @param {boolean} leads */
  function made(side, leads) {
    if (side.still) return h("img", { src: side.src, alt: "" });
    const video = h("video", { src: side.src, preload: "auto", playsinline: true, props: { muted: !leads || muted } });
    video.addEventListener("error", () => unplayable(video));
    return video;
  }

  /** @param {HTMLVideoElement} video */
  function unplayable(video) {
    if (!video.isConnected) return;
    told.hidden = false;
    fill(told, w(video === main ? "film_unplayable" : "film_unplayable_before"));
    if (video === other) {
      other = null;
      over.replaceChildren();
      divide();
    }
  }

  function divide() {
    const both = over.childElementCount > 0 && under.childElementCount > 0;
    grip.hidden = !both;
    for (const one of names) one.hidden = !both;
    put(share);
  }

  /** Show one or both sides. @param {{before?: Side | null, after?: Side | null}} sides @param {[number, number]} size of the picture, for its shape */
  function show({ before, after }, [width, height]) {
    close();
    stage.style.setProperty("--film-ratio", String(width / Math.max(1, height)));
    const lead = after ?? before;
    if (!lead) return;
    const first = made(lead, true);
    under.append(first);
    if (after && before) over.append(made(before, false));
    main = lead.still ? null : first;
    other = after && before && !before.still ? over.firstElementChild : null;
    bar.hidden = !main;
    divide();
    if (main) follow(main);
  }

  /** @param {HTMLVideoElement} video */
  function follow(video) {
    const tell = () => {
      seek.max = String(video.duration || 1);
      if (document.activeElement !== seek || playing()) seek.value = String(video.currentTime);
      time.textContent = `${clock(video.currentTime)} / ${clock(video.duration)}`;
      play.setAttribute("aria-label", t(w(playing() ? "film_pause" : "film_play")));
      play.querySelector("svg")?.replaceWith(icon(playing() ? "pause" : "play"));
    };
    for (const event of ["loadedmetadata", "timeupdate", "play", "pause", "ended", "seeked"]) video.addEventListener(event, tell);
    video.addEventListener("pause", () => other?.pause());
    video.addEventListener("waiting", () => other?.pause());
    video.addEventListener("playing", () => other?.play().catch(() => undefined));
    video.addEventListener("timeupdate", meet);
    video.addEventListener("seeked", meet);
  }

  /** The other film is moved to the time of the first, where they are apart. */
  function meet() {
    if (main && other && Math.abs(other.currentTime - main.currentTime) > APART) other.currentTime = main.currentTime;
  }

  function start() {
    if (!main) return;
    if (main.ended) goTo(0);
    main.play().catch(() => undefined);
  }

  function pause() {
    main?.pause();
    meet();
  }

  /** @param {number} seconds */
  function goTo(seconds) {
    for (const one of [main, other]) if (one) one.currentTime = seconds;
  }

  /** @param {boolean} silent */
  function mute(silent) {
    muted = silent;
    if (main) main.muted = silent;
    loud.setAttribute("aria-pressed", String(!silent));
  }

  /** Stop, and let go of the films: a film that is not let go of keeps its connection. */
  function close() {
    for (const one of [main, other]) {
      if (!one) continue;
      one.pause();
      one.removeAttribute("src");
      one.load();
    }
    main = other = null;
    under.replaceChildren();
    over.replaceChildren();
    bar.hidden = told.hidden = grip.hidden = true;
    for (const one of names) one.hidden = true;
  }

  return { element, show, close, put, seek: goTo };
}
