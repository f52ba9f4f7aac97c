/** What the schema cannot say: keys that depend on each other, and on the machine. */

import { isAbsolute, join, relative, resolve } from "@std/path";
import { type Address, isLocal, parseAddress } from "../address.ts";
import type { KeyPath } from "./config_source.ts";
import { type Config, type DecodedConfig, OFF } from "./schema.ts";

const DEFAULT_METRICS = "127.0.0.1:9500";

export interface HostContext {
  /** What relative paths start from. */
  cwd: string;
  uid: number;
  gid: number;
}

/** A key that is wrong by what others say. */
export interface Conflict {
  path: KeyPath;
  problem: string;
}

/** Fills in what others decide and makes paths absolute. */
export function resolveConfig(decoded: DecodedConfig, { cwd, uid, gid }: HostContext): Config {
  const { $schema: _, tls, storage, metrics, ...rest } = decoded;
  const root = resolve(cwd, rest.root);
  return {
    ...rest,
    root,
    ...(tls ? { tls: absolute(tls, ["cert", "key", "clientCa"], cwd) } : {}),
    metrics: {
      ...(metrics.listen === OFF ? {} : { listen: metrics.listen ?? DEFAULT_METRICS }),
      required: metrics.listen !== undefined && metrics.listen !== OFF,
    },
    storage: storage.kind === "fs"
      ? { ...storage, path: storage.path ? resolve(cwd, storage.path) : join(root, "store") }
      : storage.kind === "s3"
      ? absolute(storage, ["credentialsFile", "caFile"], cwd)
      : storage,
    contentOwner: rest.contentOwner ?? { uid, gid },
  };
}

/** Every conflict in a decided config. */
export function conflicts(config: Config): Conflict[] {
  return [...listenConflicts(config), ...storageConflicts(config)];
}

function listenConflicts({ listen, insecure, tls }: Config): Conflict[] {
  return listen.flatMap((text, index) => {
    const path = ["listen", index];
    const address = parseAddress(text);
    const again = listen.indexOf(text) !== index && !text.endsWith(":0");
    if (again) return [{ path, problem: `${text} is listed twice` }];
    if (insecure || tls || staysHere(address)) return [];
    return [{
      path,
      problem: `${text} can be reached from other machines; set tls.cert and tls.key, ` +
        "listen on loopback, or say --insecure",
    }];
  });
}

/** Other names than this one may lead anywhere by the time they are looked up. */
function staysHere(address: Address): boolean {
  return isLocal(address) || (address.kind === "tcp" && address.host === "localhost");
}

function storageConflicts({ root, storage }: Config): Conflict[] {
  if (storage.kind === "s3") {
    const { accessKeyId, secretAccessKey, sessionToken } = storage;
    const found: Conflict[] = [];
    if ((accessKeyId === undefined) !== (secretAccessKey === undefined)) {
      const missing = accessKeyId === undefined ? "accessKeyId" : "secretAccessKey";
      found.push({
        path: ["storage", missing],
        problem: "expected accessKeyId and secretAccessKey together, but it is missing",
      });
    }
    if (sessionToken !== undefined && accessKeyId === undefined) {
      found.push({
        path: ["storage", "sessionToken"],
        problem: "means nothing without accessKeyId and secretAccessKey",
      });
    }
    return found;
  }
  if (storage.kind === "none") return [];
  const taken = ["workspaces", "state", "tmp"].map((name) => join(root, name));
  const clash = isWithin(root, storage.path)
    ? root
    : taken.find((folder) => isWithin(storage.path, folder));
  if (clash === undefined) return [];
  return [{
    path: ["storage", "path"],
    problem: `${storage.path} would mix the store with what the daemon keeps in ${clash}; ` +
      "choose another folder",
  }];
}

/** Whether `path` is `folder` or lies beneath it. Both absolute. */
function isWithin(path: string, folder: string): boolean {
  const way = relative(folder, path);
  return way !== ".." && !way.startsWith("../") && !isAbsolute(way);
}

function absolute<Section extends object, Key extends keyof Section & string>(
  section: Section,
  keys: readonly Key[],
  cwd: string,
): Section {
  const paths = keys.flatMap((key) => {
    const path = section[key];
    return typeof path === "string" ? [[key, resolve(cwd, path)]] : [];
  });
  return { ...section, ...Object.fromEntries(paths) };
}
