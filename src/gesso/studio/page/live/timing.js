/** Performance marks for bench/page.py: an edit was sent, a picture was painted. Only the newest of each name is stored. */

/** @param {string} name @param {any} detail @param {number} [startTime] */
export function markTime(name, detail, startTime) {
  performance.clearMarks(name); // observers have it already, and marks would accumulate
  performance.mark(name, { detail, startTime });
}
