/** One connection to a server. Every wait for it ends at the latest when it is destroyed. */

import * as net from "node:net";
import * as tls from "node:tls";
import { canPauseSockets } from "../../../deno_version.ts";

/** The socket is paused when this many received bytes wait for their reader. */
const READ_AHEAD = 256 << 10;

/** Whether sockets can be paused; where not, the length of a request's range bounds what waits. */
const CAN_PAUSE = canPauseSockets(Deno.version.deno);

/** The server that a connection leads to. */
export interface Origin {
  secure: boolean;
  /** A name or an address, without brackets. */
  host: string;
  port: number;
}

/** A TCP or TLS connection. Its owner destroys it. */
export class HttpConnection {
  /** Resolves once bytes can be sent, over TLS when the server's certificate was verified. */
  readonly established: Promise<void>;
  readonly #socket: net.Socket;
  readonly #received: Uint8Array[] = [];
  #receivedBytes = 0;
  #ended = false;
  #failure: Error | undefined;
  /** Called once when the connection fails. */
  readonly #onFailure = new Set<(failure: Error) => void>();
  /** Called when there is something new for the reader. */
  #wakeReader = () => {};

  /** Begins to connect. @param ca PEM certificates, the only ones that are trusted */
  constructor({ secure, host, port }: Origin, ca: readonly string[] = []) {
    this.#socket = secure
      ? tls.connect({ host, port, ca: [...ca], ALPNProtocols: ["http/1.1"] })
      : net.connect({ host, port });
    this.#socket.setNoDelay(true);
    this.#listen();
    this.established = this.#unlessFailed((resolve) =>
      this.#socket.once(secure ? "secureConnect" : "connect", () => resolve())
    );
    // The rejection is handled even if the opener gives up before it awaits it.
    this.established.catch(() => {});
  }

  /** Whether another exchange can begin: the connection is open and no received byte is unread. */
  get isQuiet(): boolean {
    return this.#failure === undefined && !this.#ended && this.#received.length === 0;
  }

  /** Sends bytes. Resolves once the system has taken them; the caller must not change them until then. */
  write(bytes: Uint8Array): Promise<void> {
    return this.#unlessFailed((resolve, reject) =>
      this.#socket.write(bytes, (error) => error ? reject(error) : resolve())
    );
  }

  /**
   * Returns received bytes, whose memory is the caller's; `undefined` at the end.
   * @throws {Error} where the connection has failed and all that was received before has been read
   */
  async read(): Promise<Uint8Array | undefined> {
    for (;;) {
      const bytes = this.#received.shift();
      if (bytes) {
        this.#receivedBytes -= bytes.length;
        if (this.#socket.isPaused() && this.#receivedBytes < READ_AHEAD) this.#socket.resume();
        return bytes;
      }
      if (this.#ended) return undefined;
      if (this.#failure) throw this.#failure;
      await new Promise<void>((resolve) => this.#wakeReader = resolve);
    }
  }

  /** Calls `listener` when the connection fails or is closed; at once where that has happened. */
  onFailure(listener: () => void): void {
    if (this.#failure) listener();
    else this.#onFailure.add(listener);
  }

  /** Closes the connection. Every wait for it, also a later one, rejects with `reason`. */
  destroy(reason: Error): void {
    this.#fail(reason);
    this.#socket.destroy();
  }

  #listen(): void {
    const socket = this.#socket;
    socket.on("data", (bytes: Uint8Array) => {
      this.#received.push(bytes);
      this.#receivedBytes += bytes.length;
      if (CAN_PAUSE && this.#receivedBytes >= READ_AHEAD) socket.pause();
      this.#wakeReader();
    });
    socket.on("end", () => {
      this.#ended = true;
      this.#wakeReader();
    });
    socket.on("error", (error) => this.#fail(error));
    socket.on("close", () => this.#fail(new Error("the connection was closed")));
  }

  #fail(failure: Error): void {
    if (this.#failure) return;
    this.#failure = failure;
    for (const listener of this.#onFailure) listener(failure);
    this.#onFailure.clear();
    this.#wakeReader();
  }

  #unlessFailed(
    begin: (resolve: () => void, reject: (failure: Error) => void) => void,
  ): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#failure) return reject(this.#failure);
      const fail = (failure: Error) => {
        this.#onFailure.delete(fail);
        reject(failure);
      };
      this.#onFailure.add(fail);
      begin(() => {
        this.#onFailure.delete(fail);
        resolve();
      }, fail);
    });
  }
}
