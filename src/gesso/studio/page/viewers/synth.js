/**
 * A small synthesiser: the sound is made by oscillators, nothing is loaded.
 * @typedef {import("./roll.js").Score} Score
 */

const AHEAD = 0.25; // seconds that are handed to the audio thread before they sound

/** A small synthesiser: a soft reed a note, a gain a voice. One context serves all scores. */
export class Synth {
  constructor() {
    /** @type {AudioContext | null} */ this.context = null;
    /** @type {Score | null} */ this.score = null;
    /** @type {GainNode[]} */ this.gains = [];
    /** @type {Set<number>} */ this.silent = new Set();
    /** @type {Set<OscillatorNode>} */ this.sounding = new Set();
    this.place = 0; // the step that sounds, or from which it goes on
    this.playing = false;
    this.timer = 0;
    /** @type {() => void} */ this.onchange = () => {};
  }

  /** Another score; where it plays, it goes on from the same step. @param {Score} score */
  load(score) {
    const [was, at] = [this.playing, this.now()];
    if (was) this.pause();
    this.score = score;
    this.place = Math.min(at, score.steps);
    if (was && this.place < score.steps) this.play();
  }

  /** The step that is heard now, with its fraction. */
  now() {
    if (!this.playing || !this.context || !this.score) return this.place;
    return Math.max(this.place, Math.min(this.score.steps, this.place + (this.context.currentTime - this.began) / this.seconds()));
  }

  seconds() {
    return 15 / (this.score?.tempo || 80);
  }

  /** To be called by a gesture of the user: browsers let no page sound before. */
  play() {
    if (!this.score || this.playing) return;
    this.context ??= new AudioContext();
    this.context.resume();
    if (this.place >= this.score.steps) this.place = 0;
    this.began = this.context.currentTime + 0.06;
    this.playing = true;
    const out = this.context.createDynamicsCompressor();
    out.connect(this.context.destination);
    this.out = out;
    this.gains = this.score.voices.map((_, voice) => {
      const [gain, pan] = [/** @type {AudioContext} */ (this.context).createGain(), /** @type {AudioContext} */ (this.context).createStereoPanner()];
      gain.gain.value = this.silent.has(voice) ? 0 : 1;
      pan.pan.value = [-0.2, 0.25, -0.35, 0.15][voice % 4];
      gain.connect(pan).connect(out);
      return gain;
    });
    const notes = this.score.voices.flatMap((part, voice) => part.map(([start, length, pitch]) => ({ start, length, pitch, voice })));
    this.queue = notes.filter((note) => note.start + note.length > this.place).sort((a, b) => a.start - b.start);
    this.fill();
    this.timer = window.setInterval(() => this.fill(), 60);
    this.onchange();
  }

  fill() {
    if (!this.playing || !this.context || !this.score) return;
    const until = this.now() + AHEAD / this.seconds();
    while (this.queue?.length && this.queue[0].start <= until) this.sound(/** @type {any} */ (this.queue.shift()));
    if (this.now() >= this.score.steps) {
      this.pause();
      this.place = 0;
    }
    this.onchange();
  }

  /** @param {{start: number, length: number, pitch: number, voice: number}} note */
  sound({ start, length, pitch, voice }) {
    const context = /** @type {AudioContext} */ (this.context);
    const from = Math.max(start, this.place);
    const begin = Math.max(context.currentTime, /** @type {number} */ (this.began) + (from - this.place) * this.seconds());
    const end = begin + (start + length - from) * this.seconds();
    const envelope = context.createGain();
    const filter = context.createBiquadFilter();
    filter.type = "lowpass";
    const hertz = 440 * 2 ** ((pitch - 69) / 12);
    filter.frequency.value = Math.min(5000, hertz * 5);
    const attack = Math.min(0.03, (end - begin) / 3);
    envelope.gain.setValueAtTime(0, begin);
    envelope.gain.linearRampToValueAtTime(0.16, begin + attack);
    envelope.gain.setTargetAtTime(0.11, begin + attack, 0.25);
    envelope.gain.setTargetAtTime(0, Math.max(begin + attack, end - 0.03), 0.05);
    envelope.connect(filter).connect(this.gains[voice]);
    for (const [type, times, level] of /** @type {[OscillatorType, number, number][]} */ ([["triangle", 1, 1], ["sine", 2, 0.3], ["sine", 3, 0.12]])) {
      const oscillator = context.createOscillator();
      const amount = context.createGain();
      oscillator.type = type;
      oscillator.frequency.value = hertz * times;
      oscillator.detune.value = (voice - 1.5) * 2;
      amount.gain.value = level;
      oscillator.connect(amount).connect(envelope);
      oscillator.start(begin);
      oscillator.stop(end + 0.3);
      this.sounding.add(oscillator);
      oscillator.addEventListener("ended", () => this.sounding.delete(oscillator));
    }
  }

  pause() {
    if (!this.playing) return;
    this.place = this.now();
    this.playing = false;
    clearInterval(this.timer);
    for (const oscillator of this.sounding) oscillator.stop();
    this.sounding.clear();
    const [out, context] = [this.out, this.context];
    window.setTimeout(() => out?.disconnect(), 100);
    void context;
    this.onchange();
  }

  /** @param {number} step */
  seek(step) {
    const was = this.playing;
    this.pause();
    this.place = Math.max(0, Math.min(step, this.score?.steps ?? 0));
    if (was) this.play();
    else this.onchange();
  }

  /** @param {number} voice @param {boolean} silent */
  mute(voice, silent) {
    this.silent[silent ? "add" : "delete"](voice);
    if (this.playing && this.context) this.gains[voice]?.gain.setTargetAtTime(silent ? 0 : 1, this.context.currentTime, 0.02);
    this.onchange();
  }

  /** One note, as a key is struck. @param {number} pitch @param {number} [voice] */
  strike(pitch, voice = 0) {
    if (this.playing) return;
    this.context ??= new AudioContext();
    this.context.resume();
    const gain = this.context.createGain();
    gain.connect(this.context.destination);
    [this.gains, this.place, this.began] = [[], 0, this.context.currentTime];
    this.gains[voice] = gain;
    this.score ??= { steps: 1, tempo: 80, voices: [[]] };
    this.sound({ start: 0, length: 2, pitch, voice });
  }

  close() {
    this.pause();
    this.context?.close();
    this.context = null;
  }
}
