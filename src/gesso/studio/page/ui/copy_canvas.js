/** Copies of canvases. */

/** @param {HTMLCanvasElement} canvas @param {number} [side] the longest side of the copy, in pixels */
export function copyCanvas(canvas, side = Infinity) {
  const scale = Math.min(1, side / Math.max(canvas.width, canvas.height, 1));
  const copy = document.createElement("canvas");
  copy.width = Math.max(1, Math.round(canvas.width * scale));
  copy.height = Math.max(1, Math.round(canvas.height * scale));
  if (canvas.width) copy.getContext("2d")?.drawImage(canvas, 0, 0, copy.width, copy.height);
  return copy;
}
