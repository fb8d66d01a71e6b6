/** Files: downloads, and the file chooser of the browser. */
import { h } from "./elements.js";

/** @param {Blob} blob @param {string} name */
export function download(blob, name) {
  const url = URL.createObjectURL(blob);
  const link = h("a", { href: url, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 30_000);
}

/** @param {(file: File) => void} take */
export function chooseFile(take, accept = "image/*") {
  const input = h("input", { type: "file", accept, hidden: true, on: { change: () => input.files[0] && take(input.files[0]) } });
  document.body.append(input);
  input.click();
  setTimeout(() => input.remove(), 60_000);
}
