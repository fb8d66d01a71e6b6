/** Marks on the browser's own timeline for whoever measures (bench/page.py): an edit sent, a picture seen. Only the newest of each is held. */

/** @param {string} name @param {any} detail @param {number} [startTime] */
export function markTime(name, detail, startTime) {
  performance.clearMarks(name); // observers have been given it; a long afternoon's marks would only lie about
  performance.mark(name, { detail, startTime });
}
