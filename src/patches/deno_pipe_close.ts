/**
 * Has Deno close the descriptor of each unix socket of `node:net` once. Must be imported by whoever
 * listens on one or connects to one.
 *
 * Deno 2.8.3 closes it twice, one right after the other (denoland/deno#36353 mends that). All
 * Workers share the process' table of descriptors, so that in between another one may open a file
 * of another tenant under that number, have it closed under it, and go on in whatever comes next.
 *
 * Remove it once wsdaemon requires a version of Deno that has that change;
 * `tests/patches/deno_pipe_close_test.ts` fails if that is too early.
 */

import process from "node:process";

/** Deno's handle of a unix socket. */
interface Pipe {
  /** -1 where nothing is open. */
  readonly fd: number;
  accept(client: Pipe): number;
  connect(request: unknown, path: string): number;
  listen(backlog: number): number;
  /** Duplicates the descriptor, for the caller. @returns -1 where that fails */
  fdForIpc(): number;
  /** Makes `fd` what {@link close} closes second. @returns 0 unless that fails */
  open(fd: number): number;
  close(done?: () => void): void;
}

interface Bindings {
  binding(name: "pipe_wrap"): { Pipe: { prototype: Pipe } };
}

/** Milliseconds until another descriptor may be free. */
const RETRY_TIME = 50;

const pipe = (process as unknown as Bindings).binding("pipe_wrap").Pipe.prototype;
// Other versions' handles have neither the function nor the fault.
if ("fdForIpc" in pipe) closeOnce(pipe);

function closeOnce(prototype: Pipe): void {
  const { accept, connect, listen, close } = prototype;
  /** Handles whose descriptor has a second owner, a stream or a listener. */
  const doubled = new WeakSet<Pipe>();
  const mark = (pipe: Pipe, status: number) => {
    if (status === 0) doubled.add(pipe);
    return status;
  };
  prototype.accept = function (client) {
    return mark(client, accept.call(this, client));
  };
  prototype.connect = function (request, path) {
    return mark(this, connect.call(this, request, path));
  };
  prototype.listen = function (backlog) {
    return mark(this, listen.call(this, backlog));
  };
  prototype.close = function (done) {
    // The second closing then closes a duplicate. Without a free descriptor for that, closing waits:
    // late is better than closing another file.
    if (doubled.has(this) && this.fd >= 0) {
      const own = this.fdForIpc();
      if (own < 0 || this.open(own) !== 0) {
        setTimeout(() => this.close(done), RETRY_TIME);
        return;
      }
      doubled.delete(this);
    }
    close.call(this, done);
  };
}
