/** What the tests of the API share: workspaces to serve, servers that are stopped, certificates. */

import { Administration, type AdministrationOptions } from "../../src/admin/mod.ts";
import { systemClock } from "../../src/clock.ts";
import type { Content } from "../../src/content/mod.ts";
import { OperationRegistry } from "../../src/operations/mod.ts";
import { noStore } from "../../src/store/no_store.ts";
import { formatAddress, parseAddress } from "../../src/address.ts";
import { type ClientTls, WorkspaceClient } from "../../src/client/mod.ts";
import { type RpcOptions, type RpcServer, startRpc } from "../../src/rpc/server.ts";
import { DaemonError } from "../../src/errors.ts";
import { Metrics } from "../../src/telemetry/metrics.ts";
import type { Workspaces } from "../../src/workspace/workspaces.ts";

/** Workspaces that know nothing, but for what is given. */
export function workspaces(known: Partial<Workspaces> = {}): Workspaces {
  const unknown = (id: string) =>
    Promise.reject(new DaemonError("NOT_FOUND", `workspace ${id} is not known`));
  return {
    init: () => Promise.resolve(),
    waitForInit: unknown,
    exists: () => false,
    takeSnapshot: unknown,
    backup: unknown,
    dispose: unknown,
    ...known,
  };
}

/** The administration of a node without workspaces, but for what is given. */
export function administration(known: Partial<AdministrationOptions> = {}): Administration {
  return new Administration({
    workspaces: {
      all: () => [],
      get: (id) => {
        throw new DaemonError("NOT_FOUND", `workspace ${id} is not known`);
      },
      isPending: () => false,
      drain: () => Promise.reject(new Error("not used")),
      undrain: () => false,
    },
    operations: new OperationRegistry(systemClock),
    content: { usages: () => Promise.resolve(new Map()) } as unknown as Content,
    store: noStore,
    clock: systemClock,
    readNode: () => Promise.reject(new Error("nobody asked for the node")),
    ...known,
  });
}

/** A server on loopback, or where `listen` says, that is stopped at the end of the scope. */
export class TestServer implements AsyncDisposable {
  private constructor(readonly rpc: RpcServer, readonly metrics: Metrics) {}

  static async start(
    known: Partial<Workspaces> = {},
    options: Partial<Omit<RpcOptions, "listen" | "operationsListen" | "workspaces">> & {
      listen?: string[];
      operationsListen?: string[];
    } = {},
  ): Promise<TestServer> {
    const { listen = ["127.0.0.1:0"], operationsListen, ...rest } = options;
    const metrics = new Metrics();
    const rpc = await startRpc({
      workspaces: workspaces(known),
      administration: administration(),
      metrics,
      ...rest,
      listen: listen.map(parseAddress),
      ...(operationsListen ? { operationsListen: operationsListen.map(parseAddress) } : {}),
    });
    rpc.setServing(true);
    return new TestServer(rpc, metrics);
  }

  /** The address that was bound `index`th. */
  address(index = 0): string {
    return formatAddress(this.rpc.addresses[index]!);
  }

  client(tls?: ClientTls, index = 0): WorkspaceClient {
    return new WorkspaceClient({ address: this.address(index), ...(tls ? { tls } : {}) });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.rpc.stop(0);
  }
}

/** A folder that is removed at the end of the scope. */
export async function temporaryFolder(): Promise<AsyncDisposable & { path: string }> {
  const path = await Deno.makeTempDir({ prefix: "wsdaemon-rpc-" });
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}
