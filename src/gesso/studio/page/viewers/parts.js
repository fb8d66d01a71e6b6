/**
 * Parts of music that stay while the rest is made again, as plain data: {steps, voices, spans}, the notes of each voice and the spans
 * [first, after last) of steps in which they are known; within a span a step without a note is a rest.
 * @typedef {number[][]} Notes [[start, length, pitch], …]
 * @typedef {{steps: number, voices: Notes[], spans: number[][][]}} Parts
 */

/** Where each voice is known. @param {Parts | null} parts @param {number} voices @param {number} steps @returns {boolean[][]} */
export function maskOf(parts, voices, steps) {
  return Array.from({ length: voices }, (_, voice) => {
    const row = Array(steps).fill(false);
    for (const [first, end] of parts?.spans[voice] ?? []) row.fill(true, Math.min(first, steps), Math.min(end, steps));
    return row;
  });
}

/** @param {boolean[]} row @returns {number[][]} */
export function spansOf(row) {
  /** @type {number[][]} */ const spans = [];
  row.forEach((known, step) => {
    if (!known) return;
    if (step && row[step - 1]) spans[spans.length - 1][1] = step + 1;
    else spans.push([step, step + 1]);
  });
  return spans;
}

/** What is known of a score, its notes cut to where they are; null where nothing is. @param {Notes[]} voices @param {boolean[][]} mask @returns {Parts | null} */
export function partsOf(voices, mask) {
  const spans = mask.map(spansOf);
  if (!spans.some((one) => one.length)) return null;
  const cut = voices.map((notes, voice) =>
    spans[voice].flatMap(([first, end]) =>
      notes
        .map(([start, length, pitch]) => [Math.max(start, first), Math.min(start + length, end), pitch])
        .filter(([from, to]) => to > from)
        .map(([from, to, pitch]) => [from, to - from, pitch])));
  return { steps: mask[0].length, voices: cut, spans };
}

/**
 * Parts after the notes of one voice were written by hand: known where notes are now, and where rests were known before.
 * @param {Parts | null} parts @param {number} voice @param {number} num voices in all @param {{steps: number, notes: Notes} | null} written @returns {Parts | null}
 */
export function written(parts, voice, num, written) {
  const steps = Math.max(parts?.steps ?? 1, written?.steps ?? 1);
  const mask = maskOf(parts, num, steps);
  const voices = Array.from({ length: num }, (_, n) => parts?.voices[n] ?? []);
  for (const [start, length] of voices[voice]) mask[voice].fill(false, start, start + length);
  for (const [start, length] of written?.notes ?? []) mask[voice].fill(true, start, start + length);
  voices[voice] = written?.notes ?? [];
  return partsOf(voices, mask);
}

/** Bars as people say them: "1–4, 7". @param {number[]} bars from 0, ascending */
export function barsText(bars) {
  /** @type {number[][]} */ const runs = [];
  for (const bar of bars) {
    const last = runs.at(-1);
    if (last && bar === last[1] + 1) last[1] = bar;
    else runs.push([bar, bar]);
  }
  return runs.map(([first, last]) => (first === last ? `${first + 1}` : `${first + 1}–${last + 1}`)).join(", ");
}
