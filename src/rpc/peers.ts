/** Who calls: the name in a client's certificate, or the user and process behind a unix socket. */

import type { Metadata, ServerInterceptingCallInterface } from "@grpc/grpc-js";
import { resolvesWithin } from "../async/mod.ts";
import { systemClock } from "../clock.ts";
import { messageOf } from "../errors.ts";
import { logger } from "../log/mod.ts";
import { formatCaller } from "../operations/mod.ts";

const log = logger("rpc");

/** Asks the kernel who is at the other end of a unix socket. */
export type ReadPeerCredentials = (fd: number) => Promise<{ pid: number; uid: number }>;

/** Milliseconds that the first call of a connection waits for the kernel's answer. */
const ANSWER_TIME = 1000;

/** The other end of a connection. */
export class Peer {
  /** What is known of it; `undefined` for nothing. */
  identity: string | undefined;
  /** Resolves once it is known who it is, or that it is not; `undefined` where nobody was asked. */
  known: Promise<void> | undefined;

  /** @param address `HOST:PORT`, or `unix` */
  constructor(readonly address: string) {}

  /** Returns it in words. */
  toString(): string {
    return formatCaller({ peer: this.address, identity: this.identity });
  }
}

/** The HTTP/2 session of a call, of which grpc-js has no public name. */
interface Session {
  socket?: { remoteAddress?: string; _handle?: { fd?: unknown } };
}

/** The other ends of a server's connections. */
export class Peers {
  readonly #readCredentials: ReadPeerCredentials | undefined;
  readonly #bySession = new WeakMap<Session, Peer>();
  readonly #byCall = new WeakMap<Metadata, Peer>();

  /** @param readCredentials absent where unix sockets' peers stay unknown */
  constructor(readCredentials?: ReadPeerCredentials) {
    this.#readCredentials = readCredentials;
  }

  /** Returns who makes a call that has just begun. */
  of(call: ServerInterceptingCallInterface): Peer {
    const session: Session | undefined = Reflect.get(call, "stream")?.session;
    const seen = session && this.#bySession.get(session);
    if (seen) return seen;
    const peer = this.#meet(call, session);
    if (session) this.#bySession.set(session, peer);
    return peer;
  }

  /** Has {@link ofCall} find a call's peer by its metadata, which is all that interceptor and handler share. */
  note(metadata: Metadata, peer: Peer): void {
    this.#byCall.set(metadata, peer);
  }

  /** Returns who makes the call with that metadata, once that is known. */
  async ofCall(metadata: Metadata): Promise<Peer | undefined> {
    const peer = this.#byCall.get(metadata);
    if (peer?.known) await peer.known;
    return peer;
  }

  #meet(call: ServerInterceptingCallInterface, session: Session | undefined): Peer {
    const socket = session?.socket;
    const fd = socket?.remoteAddress === undefined ? socket?._handle?.fd : undefined;
    if (typeof fd !== "number" || fd < 0) {
      const peer = new Peer(call.getPeer());
      peer.identity = certificateName(call);
      return peer;
    }
    const peer = new Peer("unix");
    if (this.#readCredentials) {
      // A descriptor that was closed meanwhile may have become another connection's.
      const isSame = () => socket?._handle?.fd === fd;
      peer.known = identify(peer, this.#readCredentials(fd), isSame);
    }
    return peer;
  }
}

async function identify(
  peer: Peer,
  answer: Promise<{ pid: number; uid: number }>,
  isSame: () => boolean,
): Promise<void> {
  try {
    const identified = answer.then(({ pid, uid }) => {
      if (isSame()) peer.identity = `uid ${uid}, pid ${pid}`;
    });
    await resolvesWithin(identified, ANSWER_TIME, systemClock);
  } catch (error) {
    // The client may have gone already.
    log.debug("Cannot tell who has connected: {reason}", { reason: messageOf(error) });
  } finally {
    peer.known = undefined;
  }
}

/** Returns the name in the certificate of a client that has shown one. */
function certificateName(call: ServerInterceptingCallInterface): string | undefined {
  const certificate = call.getAuthContext().sslPeerCertificate;
  if (!certificate) return undefined;
  const { CN } = certificate.subject ?? {};
  return CN === undefined ? certificate.subjectaltname : `CN=${CN}`;
}
