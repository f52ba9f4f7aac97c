/** Calls of a chaos client: which ends of one are to be expected, and what they leave open. */

import { type CallOptions, ClientError, type WorkspaceClient } from "../../src/client/mod.ts";
import type { Node } from "./cluster.ts";
import type { Occasion } from "./shared_lock.ts";
import { BrokenPromise, type KnownWorkspace } from "./model.ts";
import type { Random } from "./random.ts";

/** Codes that faults of the run explain; anything else is a finding. */
const EXPECTED = new Set([
  "UNAVAILABLE",
  "DEADLINE_EXCEEDED",
  "CANCELLED",
  "RESOURCE_EXHAUSTED",
  "ABORTED",
]);
/** Milliseconds after which a call hangs. */
const HANGS_AFTER = 300_000;

/** How a call ended: well, with a code, or with its answer lost. */
export type Outcome<T> =
  | { kind: "ok"; value: T }
  | { kind: "failed"; code: string; message: string };

export type Call<T> = (client: WorkspaceClient, options: CallOptions) => Promise<T>;

export interface CallRequest<T> {
  workspace: KnownWorkspace;
  what: string;
  call: Call<T>;
  /** Codes besides those that faults explain. */
  expected?: readonly string[];
  /** How long the client stays. */
  patience?: CallOptions;
}

/** Makes one client's calls and counts how they end. */
export class Calls {
  readonly #nodes: readonly Node[];
  readonly #log: (line: string) => void;
  readonly #answers: Occasion;
  /** Calls that ended, by how. */
  readonly counts = new Map<string, number>();

  /** @param answers told of each call that was answered well, by the first word of what it was */
  constructor(nodes: readonly Node[], log: (line: string) => void, answers: Occasion) {
    this.#nodes = nodes;
    this.#log = log;
    this.#answers = answers;
  }

  /** Makes a call. @throws {Error} where it ends as no fault of the run explains */
  async make<T>(request: CallRequest<T>): Promise<Outcome<T>> {
    const { workspace, what, call, expected = [], patience = {} } = request;
    const node = this.#nodes[workspace.node]!;
    const client = await node.client();
    const { kills, toldToFail } = node;
    this.#log(`${workspace.id} on node ${workspace.node}: ${what}`);
    try {
      const value = await call(client, { deadline: HANGS_AFTER, ...patience });
      this.#answers.happens(what.split(" ")[0]!);
      this.#end(workspace, what, "OK");
      return { kind: "ok", value };
    } catch (thrown) {
      const error = asClientError(thrown);
      const { code, message } = error;
      this.#end(workspace, what, code, message);
      if (code === "DEADLINE_EXCEEDED" && patience.deadline === undefined) {
        throw new BrokenPromise(`${what} of ${workspace.id} hangs`);
      }
      // What a client makes of a connection that ended differs; there was no answer.
      const isLost = node.kills > kills && ["INTERNAL", "UNKNOWN"].includes(code);
      // The daemon's clock may end the call before the client's own does.
      const isGivenUp = Object.keys(patience).length > 0 && /RST_STREAM/.test(message);
      const wasTold = code === "INTERNAL" && await grows(() => node.toldToFail, toldToFail);
      if (isLost || isGivenUp || wasTold || EXPECTED.has(code) || expected.includes(code)) {
        return { kind: "failed", code, message };
      }
      throw new BrokenPromise(`${what} of ${workspace.id}: ${code}: ${message}`, { cause: error });
    }
  }

  #end(workspace: KnownWorkspace, what: string, code: string, message = ""): void {
    this.#log(`${workspace.id}: ${what}: ${code} ${message}`);
    const key = `${what.split(" ")[0]}: ${code}`;
    this.counts.set(key, (this.counts.get(key) ?? 0) + 1);
  }

  /**
   * Waits until nothing is under way on a workspace any more. Returns whether it is there: NOT_FOUND
   * and an init that failed are a no.
   */
  async isThere(workspace: KnownWorkspace): Promise<boolean> {
    for (let tries = 0;; tries++) {
      try {
        const client = await this.#nodes[workspace.node]!.client();
        await client.waitForInit(workspace.id, { deadline: HANGS_AFTER });
        return true;
      } catch (thrown) {
        const error = asClientError(thrown);
        if (error.code === "NOT_FOUND") return false;
        // Being disposed of: neither there nor gone yet; or an init that failed.
        const isPassing =
          ["UNAVAILABLE", "INTERNAL", "UNKNOWN", "CANCELLED"].includes(error.code) ||
          /WRAPPING_UP|there is no initialisation/.test(error.message);
        if (!isPassing && error.code === "FAILED_PRECONDITION") return false;
        if (!isPassing || tries > 1_200) throw error;
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    }
  }
}

/** A client that was closed with its daemon, after it was got and before it was used, throws an Error. */
function asClientError(error: unknown): ClientError {
  if (error instanceof ClientError) return error;
  if (!(error instanceof Error) || !/Channel has been shut down/.test(error.message)) throw error;
  return new ClientError("UNAVAILABLE", error.message, { cause: error });
}

/** Whether a number grows: what a daemon says on stderr may come after what it answers. */
async function grows(read: () => number, from: number): Promise<boolean> {
  for (let tries = 0; tries < 40 && read() === from; tries++) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return read() > from;
}

/** Now and then a deadline that passes or a cancellation: the work goes on all the same. */
export function impatience(random: Random): CallOptions {
  const chance = random.next();
  const after = random.whole(1, 300);
  if (chance < 0.06) return { deadline: after };
  return chance < 0.12 ? { signal: AbortSignal.timeout(after) } : {};
}
