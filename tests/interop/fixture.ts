/** What all foreign clients are put through, and what must come of it. */

import { assertEquals } from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import config from "../../deno.json" with { type: "json" };
import { DaemonError, invalid } from "../../src/errors.ts";
import type { InitRequest } from "../../src/workspace/workspaces.ts";
import { makeCertificates } from "../rpc/certificates.ts";
import { temporaryFolder, TestServer } from "../rpc/fixture.ts";
import scenario from "./scenario.json" with { type: "json" };

export const protoFolder = fromFileUrl(new URL("../../proto", import.meta.url));

/** How a client is told to connect; the TLS parts are paths of PEM files. */
export interface Connection {
  target: string;
  tls?: { ca: string; cert?: string; key?: string };
}

export type Seen = Record<string, unknown>;

/** Runs a client's program with its options as JSON; resolves to what it saw. */
export async function runClient(command: string[], options: Seen): Promise<Seen> {
  const [program, ...args] = command;
  const { success, stdout, stderr } = await new Deno.Command(program!, {
    args: [...args, JSON.stringify(options)],
    env: { PYTHONWARNINGS: "ignore", GRPC_VERBOSITY: "NONE" },
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  if (!success) throw new Error(`${program} failed: ${text(stderr)}`);
  return JSON.parse(text(stdout));
}

/** Has buf, not our generated code, say what the messages are. */
export async function describeMessages(folder: string): Promise<string> {
  const descriptors = join(folder, "descriptors.binpb");
  const health = join(protoFolderOfHealth(), "health/v1/health.proto");
  const sources = join(folder, "proto");
  await copy(join(protoFolder, "daemon.proto"), join(sources, "daemon.proto"));
  const initializer = "content-service-api/initializer.proto";
  await copy(join(protoFolder, initializer), join(sources, initializer));
  for (const name of ["status", "error_details"]) {
    const file = `google/rpc/${name}.proto`;
    await copy(join(protoFolder, file), join(sources, file));
  }
  await copy(health, join(sources, "health.proto"));
  const args = ["run", "-A", "--no-prompt", "--quiet", config.imports["@bufbuild/buf"]];
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [...args, "build", sources, "-o", descriptors],
    env: { BUF_CACHE_DIR: join(folder, "cache") },
  }).output();
  if (!success) throw new Error(`buf failed: ${new TextDecoder().decode(stderr)}`);
  return descriptors;
}

function protoFolderOfHealth(): string {
  return fromFileUrl(new URL("../../proto", import.meta.resolve("grpc-health-check")));
}

async function copy(from: string, to: string): Promise<void> {
  await Deno.mkdir(join(to, ".."), { recursive: true });
  await Deno.copyFile(from, to);
}

/** Serves one scenario over TCP and a unix socket; `client` must see every answer as it was given. */
export async function speaksInTheClear(client: (options: Seen) => Promise<Seen>): Promise<void> {
  await using folder = await temporaryFolder();
  const listen = ["127.0.0.1:0", `unix://${join(folder.path, "s")}`];
  const daemon = new Daemon();
  await using server = await TestServer.start(daemon.workspaces, { listen });
  for (const index of listen.keys()) {
    daemon.check(await client({ target: server.address(index), init: scenario.init }));
  }
}

/** The same over TLS and mTLS, where a client without the right certificate gets nowhere. */
export async function speaksTls(client: (options: Seen) => Promise<Seen>): Promise<void> {
  await using folder = await temporaryFolder();
  const certificates = await makeCertificates(folder.path);
  const file = (name: string) => join(folder.path, name);
  const own = (name: string) => ({ cert: file(`${name}.pem`), key: file(`${name}.key`) });
  const ca = file("ca.pem");
  const daemon = new Daemon();
  for (const mutual of [false, true]) {
    const tls = { ...certificates.server, ...(mutual ? { clientCa: certificates.ca } : {}) };
    await using server = await TestServer.start(daemon.workspaces, { tls });
    const run = (tls?: Connection["tls"]) =>
      client({ target: server.address(), init: scenario.init, ...(tls ? { tls } : {}) });
    daemon.check(await run({ ca, ...(mutual ? own("client") : {}) }));
    const untrusted = mutual
      ? [{ ca }, { ca, ...own("untrusted") }]
      : [{ ca: file("other-ca.pem") }];
    for (const connection of untrusted) {
      assertEquals(await run(connection), { refused: "UNAVAILABLE" });
    }
  }
}

/** The daemon's side of the scenario. */
class Daemon {
  #initialised: InitRequest | undefined;
  #asked: unknown[] = [];

  readonly workspaces = {
    init: (request: InitRequest) => {
      this.#initialised = request;
      return Promise.resolve();
    },
    exists: (id: string) => id === "ws-1",
    waitForInit: (_id: string, signal: AbortSignal) =>
      new Promise<void>((_resolve, reject) => {
        signal.addEventListener("abort", () => reject(signal.reason));
      }),
    takeSnapshot: (id: string, returnImmediately: boolean) => {
      this.#asked.push({ id, returnImmediately });
      return Promise.resolve("snapshot:1");
    },
    backup: (id: string) =>
      Promise.reject(
        id === "long"
          ? invalid("é".repeat(600), "é".repeat(9000))
          : new DaemonError("UNAVAILABLE", "the store is away: naïve, 100%", {
            reason: "STORE_UNAVAILABLE",
            resource: { type: "workspace", name: "ws-1" },
          }),
      ),
    dispose: (id: string, options: { backup: boolean; backupLogs: boolean }) => {
      this.#asked.push({ id, ...options });
      return Promise.resolve({ gitStatus: GIT_STATUS });
    },
  };

  check(seen: Seen): void {
    const { services, files, ...answers } = seen;
    assertEquals(answers, {
      health: { status: "SERVING" },
      known: { exists: true },
      unknown: { exists: false },
      init: {},
      wait: "DEADLINE_EXCEEDED",
      snapshot: { url: "snapshot:1" },
      backup: {
        code: "UNAVAILABLE",
        details: "the store is away: naïve, 100%",
        status: {
          message: "the store is away: naïve, 100%",
          error_info: { reason: "STORE_UNAVAILABLE", domain: "wsdaemon" },
          resource_info: { resource_type: "workspace", resource_name: "ws-1" },
          retry_seconds: 5,
        },
      },
      dispose: { git_status: GIT_STATUS_MESSAGE },
      // As long as trailers get, which gRPC's C core refuses beyond 8 KiB.
      long: { code: "INVALID_ARGUMENT", reason: "INVALID_REQUEST" },
      malformed: { code: "INVALID_ARGUMENT", fields: ["id"] },
    });
    if (services !== undefined) {
      assertEquals(services, [
        "grpc.health.v1.Health",
        "wsdaemon.WorkspaceContentService",
        "wsdaemon.operations.v1.OperationsService",
      ]);
      assertEquals(files, 2);
    }
    assertEquals(this.#initialised, INIT_REQUEST);
    assertEquals(this.#asked, [
      { id: "ws-1", returnImmediately: true },
      { id: "ws-1", backup: false, backupLogs: true },
    ]);
    this.#initialised = undefined;
    this.#asked = [];
  }
}

const GIT_STATUS = {
  branch: "main",
  latestCommit: "0123456789abcdef0123456789abcdef01234567",
  uncommittedFiles: ["ü"],
  untrackedFiles: ["b", "... and 9007199254740991 more"],
  unpushedCommits: [],
  totalUncommittedFiles: 1,
  totalUntrackedFiles: Number.MAX_SAFE_INTEGER,
  totalUnpushedCommits: 0,
};

const GIT_STATUS_MESSAGE = {
  branch: "main",
  latest_commit: "0123456789abcdef0123456789abcdef01234567",
  uncommited_files: ["ü"],
  untracked_files: ["b", "... and 9007199254740991 more"],
  unpushed_commits: [],
  total_uncommited_files: "1",
  total_untracked_files: "9007199254740991",
  total_unpushed_commits: "0",
};

const NO_GIT_CONFIG = {
  customConfig: {},
  authentication: "NO_AUTH" as const,
  authUser: "",
  authPassword: "",
  authOts: "",
};

/** `scenario.json` in the daemon's own terms. */
const INIT_REQUEST: InitRequest = {
  id: "ws-1",
  owner: "alice@example.org",
  metaId: "meta-1",
  remoteStorageDisabled: true,
  storageQuotaBytes: 9007199254740993n,
  initializer: {
    kind: "composite",
    initializers: [
      {
        kind: "git",
        remoteUri: "https://example.org/r.git",
        upstreamRemoteUri: "https://example.org/u.git",
        targetMode: "REMOTE_BRANCH",
        cloneTarget: "topic",
        checkoutLocation: "src/r",
        fullClone: true,
        config: {
          customConfig: { "user.name": "Zoë" },
          authentication: "BASIC_AUTH_OTS",
          authUser: "u",
          authPassword: "p",
          authOts: "https://example.org/ots",
        },
      },
      {
        kind: "download",
        files: [{ url: "https://example.org/f", filePath: "bin/f", digest: "sha256:00" }],
        targetLocation: "tools",
      },
      {
        kind: "prebuild",
        prebuild: { kind: "snapshot", snapshot: "s", fromVolumeSnapshot: false },
        git: [{
          kind: "git",
          remoteUri: "r",
          upstreamRemoteUri: "",
          targetMode: "REMOTE_HEAD",
          cloneTarget: "",
          checkoutLocation: "",
          fullClone: false,
          config: NO_GIT_CONFIG,
        }],
      },
      { kind: "backup", checkoutLocation: "src", fromVolumeSnapshot: false },
      { kind: "snapshot", snapshot: "t", fromVolumeSnapshot: true },
      { kind: "empty" },
    ],
  },
};
