/** Small pictures of a session's nodes, fetched one after the other while nobody draws, those on the screen first. */
import * as api from "../api.js";

const REST = 1200; // milliseconds without an edit before anything is made anew

/** @param {import("../room.js").Room} room */
export function smallPictures(room) {
  /** @type {Map<any, Element>} */ const wanted = new Map();
  const none = new Set();
  /** @type {AbortController | null} */ let asking = null;
  let timer = 0;

  const watcher = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      const id = /** @type {HTMLElement} */ (target).dataset.node;
      if (isIntersecting && !room.seen.has(id) && !none.has(id)) wanted.set(id, target);
      else wanted.delete(id);
    }
    later(50);
  });

  function later(/** @type {number} */ pause) {
    clearTimeout(timer);
    timer = setTimeout(next, pause);
  }

  async function next() {
    if (asking || !room.session || room.pending.length || room.draft) return;
    const [id] = wanted.keys();
    if (id === undefined) return;
    const session = room.session.id;
    asking = new AbortController();
    try {
      const found = await api.thumb(session, id, { signal: asking.signal });
      const picture = found && (await createImageBitmap(found));
      if (room.session?.id !== session) return;
      wanted.delete(id);
      if (!picture) none.add(id);
      else if (!room.seen.has(id)) {
        room.seen.set(id, picture);
        room.say("seen", id);
      }
    } catch (error) {
      if (/** @type {Error} */ (error).name !== "AbortError") {
        none.add(id);
        wanted.delete(id);
      }
    } finally {
      const stopped = asking?.signal.aborted;
      asking = null;
      later(stopped ? REST : 0);
    }
  }

  room.when("busy", () => {
    asking?.abort(); // a hand that draws comes first
    later(REST);
  });
  room.when("opened", () => {
    asking?.abort();
    wanted.clear();
    none.clear();
  });
  return watcher;
}
