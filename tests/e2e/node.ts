/** A node for end-to-end tests: a real daemon process, a real gRPC client, a root to look into. */

import { join } from "@std/path";
import { DaemonProcess } from "../../scripts/daemon_process.ts";
import { ClientError, type InitWorkspaceInit, WorkspaceClient } from "../../src/client/mod.ts";
import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { testFolder } from "../fixtures/folder.ts";
import { checkStoreImages } from "./check_store_images.ts";

export interface NodeOptions {
  /** Keys of the config file; metrics are off unless given. */
  config?: Record<string, unknown>;
  /** Further flags. */
  args?: readonly string[];
  /** How wsdaemon is run; from source unless given. */
  command?: readonly [string, ...string[]];
  /** Variables besides this process's own. */
  env?: Record<string, string>;
  /** Milliseconds until a start counts as failed. */
  startTimeout?: number;
}

export class TestNode implements AsyncDisposable {
  readonly root: string;
  readonly #options: NodeOptions;
  #daemon: DaemonProcess;
  #client: WorkspaceClient;

  private constructor(root: string, options: NodeOptions, daemon: DaemonProcess) {
    this.root = root;
    this.#options = options;
    this.#daemon = daemon;
    this.#client = new WorkspaceClient({ address: daemon.addresses[0]! });
  }

  /** Starts a daemon on `<folder>/<name>`. */
  static async start(folder: string, name: string, options: NodeOptions = {}): Promise<TestNode> {
    const root = join(folder, name);
    return new TestNode(root, options, await startDaemon(root, options));
  }

  get client(): WorkspaceClient {
    return this.#client;
  }

  get daemon(): DaemonProcess {
    return this.#daemon;
  }

  workspace(id: string): string {
    return join(this.root, "workspaces", id);
  }

  /** Ends the daemon with a signal. */
  async end(signal: Deno.Signal): Promise<Deno.CommandStatus> {
    this.#client.close();
    return await this.#daemon.end(signal);
  }

  /** Asks it to stop, while calls are under way. */
  async stop(): Promise<Deno.CommandStatus> {
    return await this.#daemon.end("SIGTERM");
  }

  /** Starts it again on the same root. */
  async startAgain(): Promise<void> {
    this.#client.close();
    // Its config is there already, on a disk that may be full by now.
    this.#daemon = await runDaemon(this.root, this.#options);
    this.#client = new WorkspaceClient({ address: this.#daemon.addresses[0]! });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#client.close();
    await this.#daemon[Symbol.asyncDispose]();
    await checkStoreImages(["--config", configOf(this.root), "--root", this.root]);
  }
}

function configOf(root: string): string {
  return `${root}.jsonc`;
}

async function startDaemon(root: string, options: NodeOptions): Promise<DaemonProcess> {
  await Deno.writeTextFile(
    configOf(root),
    JSON.stringify({ metrics: { listen: "off" }, ...options.config }),
  );
  return await runDaemon(root, options);
}

async function runDaemon(root: string, options: NodeOptions): Promise<DaemonProcess> {
  return await DaemonProcess.start({
    args: ["--config", configOf(root), "--root", root, ...options.args ?? []],
    ...(options.command ? { command: options.command } : {}),
    ...(options.env ? { env: options.env } : {}),
    ...(options.startTimeout === undefined ? {} : { startTimeout: options.startTimeout }),
  });
}

/**
 * A node for all tests of a file, which takes a fraction of one for each: their ids must differ.
 * It starts before the first and is gone after the last.
 */
export function sharedNode(options: NodeOptions = {}): () => TestNode {
  let stack: AsyncDisposableStack | undefined;
  let node: TestNode;
  Deno.test.beforeAll(async () => {
    stack = new AsyncDisposableStack();
    const { path } = stack.use(testFolder());
    node = stack.use(await TestNode.start(path, "node", options));
  });
  Deno.test.afterAll(() => stack?.disposeAsync());
  return () => node;
}

/** A request in plain words. */
export type Request = Extract<InitWorkspaceInit, { $typeName?: never }>;

/** A request for an empty workspace of alice's. */
export function request(id: string, more: Request = {}): Request {
  return {
    id,
    metadata: { owner: "alice", metaId: "m" },
    initializer: { spec: { case: "empty", value: {} } },
    ...more,
  };
}

/** A request for what a snapshot holds. */
export function fromSnapshot(id: string, snapshot: string): Request {
  return request(id, { initializer: { spec: { case: "snapshot", value: { snapshot } } } });
}

/** A request for alice's backup. */
export function fromBackup(id: string): Request {
  return request(id, { initializer: { spec: { case: "backup", value: {} } } });
}

/** A request for a clone of a repository. */
export function fromGit(id: string, remoteUri: string, more: { checkoutLocation?: string } = {}) {
  return request(id, { initializer: { spec: { case: "git", value: { remoteUri, ...more } } } });
}

/** Expects a call to fail with a code, in words that include these. */
export async function refuses(
  code: string,
  words: string,
  call: () => Promise<unknown>,
): Promise<void> {
  const error = await assertRejects(call, ClientError);
  assertEquals(error.code, code, error.message);
  assertStringIncludes(error.message, words);
}
