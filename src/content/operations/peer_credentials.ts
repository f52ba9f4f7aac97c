import { type PeerCredentials, peerCredentials as ofSocket } from "../../linux/mod.ts";
import type { OpenAreas } from "../areas.ts";

/** Returns who is at the other end of a unix socket of this process, which another thread has open. */
export function peerCredentials(_areas: OpenAreas, request: { fd: number }): PeerCredentials {
  return ofSocket(request.fd);
}
