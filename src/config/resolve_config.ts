/** Decides the keys that depend on each other and on the machine, which the schema cannot express. */

import { join, relative, resolve } from "@std/path";
import { type Address, isLocal, parseAddress } from "../address.ts";
import {
  resolveStorage,
  STORAGE_PATH_KEYS,
  storageProblems,
  type StoreFolder,
  storeFolder,
} from "../store/mod.ts";
import type { KeyPath } from "./config_source.ts";
import { type Config, type DecodedConfig, OFF } from "./schema.ts";

const DEFAULT_METRICS = "127.0.0.1:9500";

/** The properties of the machine and the user that a config depends on. */
export interface HostContext {
  /** The folder that relative paths start from, absolute. */
  cwd: string;
  uid: number;
  gid: number;
}

/** A key whose value conflicts with that of others. */
export interface Conflict {
  path: KeyPath;
  problem: string;
}

/** Returns the config with every key decided and every path absolute. */
export function resolveConfig(decoded: DecodedConfig, { cwd, uid, gid }: HostContext): Config {
  const { $schema: _, tls, storage, metrics, ...rest } = decoded;
  const root = resolve(cwd, rest.root);
  const net = absolute(rest.net, ["caFile", "proxyCredentialsFile"], cwd);
  return {
    ...rest,
    root,
    net,
    ...(tls ? { tls: absolute(tls, ["cert", "key", "clientCa"], cwd) } : {}),
    metrics: {
      ...(metrics.listen === OFF ? {} : { listen: metrics.listen ?? DEFAULT_METRICS }),
      required: metrics.listen !== undefined && metrics.listen !== OFF,
    },
    storage: resolveStorage(absolute(storage, STORAGE_PATH_KEYS, cwd), root, net.caFile),
    contentOwner: rest.contentOwner ?? { uid, gid },
  };
}

/** Returns every conflict in a decided config. */
export function conflicts(config: Config): Conflict[] {
  return [
    ...listenConflicts(config),
    ...compatConflicts(config),
    ...netConflicts(config),
    ...storageConflicts(config),
  ];
}

function compatConflicts({ compat: { idMap } }: Config): Conflict[] {
  const overlap = (first: number, second: number, key: "containerId" | "hostId") => {
    const [a, b] = [idMap[first]!, idMap[second]!];
    return a[key] < b[key] + b.size && b[key] < a[key] + a.size;
  };
  return idMap.flatMap((_, index) => {
    for (let before = 0; before < index; before++) {
      for (const key of ["containerId", "hostId"] as const) {
        if (!overlap(before, index, key)) continue;
        const problem = `has ids that range ${before} has, too; an id must have one meaning`;
        return [{ path: ["compat", "idMap", index, key], problem }];
      }
    }
    return [];
  });
}

function netConflicts({ net }: Config): Conflict[] {
  if (net.proxy !== undefined) return [];
  const unused = [
    ...(net.proxyCredentialsFile === undefined ? [] : ["proxyCredentialsFile"]),
    ...(net.noProxy.length === 0 ? [] : ["noProxy"]),
  ];
  return unused.map((key) => ({
    path: ["net", key],
    problem: "there is no proxy that it is for; set net.proxy, or leave it out",
  }));
}

/** Returns every address that gRPC is served on, whichever services. */
export function grpcAddresses({ listen, operations }: Config): string[] {
  return [...listen, ...operations.listen ?? []];
}

function listenConflicts(config: Config): Conflict[] {
  const { listen, insecure, tls } = config;
  const all = grpcAddresses(config);
  return all.flatMap((text, index) => {
    const path = index < listen.length
      ? ["listen", index]
      : ["operations", "listen", index - listen.length];
    const address = parseAddress(text);
    const again = all.indexOf(text) !== index && !text.endsWith(":0");
    if (again) return [{ path, problem: `${text} is listed twice` }];
    if (insecure || tls || isReachedLocallyOnly(address)) return [];
    return [{
      path,
      problem: `${text} can be reached from other machines; set tls.cert and tls.key, ` +
        "listen on loopback, or say --insecure",
    }];
  });
}

/** Returns whether only this machine reaches an address. Of names, only `localhost` is trusted to. */
function isReachedLocallyOnly(address: Address): boolean {
  return isLocal(address) || (address.kind === "tcp" && address.host === "localhost");
}

function storageConflicts({ root, storage }: Config): Conflict[] {
  const problems = storageProblems(storage)
    .map(({ key, problem }) => ({ path: ["storage", key], problem }));
  const folder = storeFolder(storage);
  return folder ? [...problems, ...folderConflicts(root, folder)] : problems;
}

/** Returns in what ways a store's folder is mixed up with the daemon's other folders. */
function folderConflicts(root: string, { key, path }: StoreFolder): Conflict[] {
  const taken = ["workspaces", "state", "tmp", "bases", "cache"].map((name) => join(root, name));
  const clash = isWithin(root, path) ? root : taken.find((folder) => isWithin(path, folder));
  if (clash === undefined) return [];
  return [{
    path: ["storage", key],
    problem: `${path} would mix the store with what the daemon keeps in ${clash}; ` +
      "choose another folder",
  }];
}

/** Returns whether `path` is `folder` or lies beneath it. Both absolute. */
function isWithin(path: string, folder: string): boolean {
  const way = relative(folder, path);
  return way !== ".." && !way.startsWith("../");
}

/** Returns a section with the paths at `keys` made absolute. */
function absolute<Section extends object>(
  section: Section,
  keys: readonly string[],
  cwd: string,
): Section {
  const paths = Object.entries(section)
    .filter((entry): entry is [string, string] =>
      keys.includes(entry[0]) && typeof entry[1] === "string"
    )
    .map(([key, path]) => [key, resolve(cwd, path)]);
  return { ...section, ...Object.fromEntries(paths) };
}
