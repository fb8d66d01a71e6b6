/** Encodes grey and RGB PNGs exactly. A canvas can only write RGBA, which may change values. */

const TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  for (let k = 0; k < 8; k++) n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1;
  return n;
});

/** @param {Uint8Array} bytes */
function crc(bytes) {
  let c = 0xffffffff;
  for (const byte of bytes) c = TABLE[(c ^ byte) & 255] ^ (c >>> 8);
  return (c ^ 0xffffffff) >>> 0;
}

/** @param {string} name @param {Uint8Array} data */
function chunk(name, data) {
  const out = new Uint8Array(12 + data.length);
  const view = new DataView(out.buffer);
  view.setUint32(0, data.length);
  out.set(new TextEncoder().encode(name), 4);
  out.set(data, 8);
  view.setUint32(8 + data.length, crc(out.subarray(4, 8 + data.length)));
  return out;
}

/** Encode pixels as a PNG file. @param {Uint8Array | Uint8ClampedArray} pixels rows of `channels` bytes @param {number} width @param {number} height @param {1 | 3} channels */
export async function encodePng(pixels, width, height, channels = 1) {
  const rows = new Uint8Array(height * (width * channels + 1));
  for (let y = 0; y < height; y++) rows.set(pixels.subarray(y * width * channels, (y + 1) * width * channels), y * (width * channels + 1) + 1);
  const packed = await new Response(new Blob([rows]).stream().pipeThrough(new CompressionStream("deflate"))).arrayBuffer();
  const head = new Uint8Array(13);
  const view = new DataView(head.buffer);
  view.setUint32(0, width);
  view.setUint32(4, height);
  head.set([8, channels === 1 ? 0 : 2, 0, 0, 0], 8);
  const parts = [new Uint8Array([137, 80, 78, 71, 13, 10, 26, 10]), chunk("IHDR", head), chunk("IDAT", new Uint8Array(packed)), chunk("IEND", new Uint8Array())];
  return new Blob(parts, { type: "image/png" });
}

/** Encode pixels as a PNG data URL. @param {Uint8Array | Uint8ClampedArray} pixels @param {number} width @param {number} height @param {1 | 3} channels @returns {Promise<string>} */
export async function encodePngUrl(pixels, width, height, channels = 1) {
  const blob = await encodePng(pixels, width, height, channels);
  return new Promise((done, failed) => {
    const reader = new FileReader();
    reader.onload = () => done(String(reader.result));
    reader.onerror = () => failed(reader.error);
    reader.readAsDataURL(blob);
  });
}
