/** Refuses to begin without Chromium. The server comes from `test/real/setup.ts`. */

import { chromiumPath } from "./chromium.js";

export default function setup(): void {
  chromiumPath();
}
