/** Says whether it would be taken for a confined Worker. */

import { messageOf } from "../../src/errors.ts";
import { type Confined, requireConfined } from "../../src/confinement.ts";

/** The Worker's own end of the channel has the methods that the other one has. */
const main = self as unknown as Worker;

main.addEventListener("message", ({ data }: MessageEvent<Confined[]>) => {
  let answer = "confined";
  try {
    requireConfined(data);
  } catch (error) {
    answer = messageOf(error);
  }
  main.postMessage(answer);
}, { once: true });
