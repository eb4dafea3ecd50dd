/** An authenticator (RFC 6238: SHA-1, 30 s, 6 digits) that never shows a code twice. */

import { createHmac } from "node:crypto";

const STEP_MS = 30_000;
const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

export class Authenticator {
  readonly #key: Buffer;
  #last = 0;

  /** `secret` in Base32. */
  constructor(secret: string) {
    const bits = [...secret].map((letter) => ALPHABET.indexOf(letter).toString(2).padStart(5, "0")).join("");
    this.#key = Buffer.from((bits.match(/.{8}/g) ?? []).map((byte) => Number.parseInt(byte, 2)));
  }

  /** The code of a step later than the last one, at most one step beside the clock. May have to wait for the clock. */
  async next(): Promise<string> {
    for (;;) {
      const now = Date.now();
      const step = Math.max(this.#last + 1, Math.floor(now / STEP_MS) - 1);
      const almostOver = STEP_MS - (now % STEP_MS) < 5_000;
      if (!almostOver && step <= Math.floor(now / STEP_MS) + 1) {
        this.#last = step;
        return this.#code(step);
      }
      await new Promise((resolve) => setTimeout(resolve, STEP_MS - (now % STEP_MS)));
    }
  }

  #code(step: number): string {
    const counter = Buffer.alloc(8);
    counter.writeBigUInt64BE(BigInt(step));
    const digest = createHmac("sha1", this.#key).update(counter).digest();
    const offset = (digest.at(-1) ?? 0) & 15;
    return String((digest.readUInt32BE(offset) & 0x7fffffff) % 1_000_000).padStart(6, "0");
  }
}
