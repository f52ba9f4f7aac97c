/**
 * Parses the wire's initializers into the daemon's own terms. Only what has no such terms is refused here
 * (nothing set, an enum value of a later protocol), and what is too long or too many to be looked at;
 * the rest is checked by the initializers.
 */

import { invalid } from "../errors.ts";
import type {
  BackupSpec,
  CloneTargetMode as TargetMode,
  CompositeSpec,
  DownloadSpec,
  GitAuthMethod as AuthMethod,
  GitSpec,
  InitializerSpec,
  PrebuildSpec,
  SnapshotSpec,
  SpecOf,
} from "../initializer/mod.ts";
import {
  CloneTargetMode,
  type CompositeInitializer,
  type FileDownloadInitializer,
  type FromBackupInitializer,
  GitAuthMethod,
  type GitInitializer,
  type PrebuildInitializer,
  type SnapshotInitializer,
  type WorkspaceInitializer,
} from "../wire/mod.ts";

import {
  checkBytes,
  checkCount,
  checkLocation,
  MAX_BYTES,
  MAX_CONFIG_BYTES,
  MAX_CONFIG_ENTRIES,
  MAX_FILES,
  MAX_INITIALIZERS,
} from "./request_limits.ts";

const TARGET_MODES: Readonly<Record<CloneTargetMode, TargetMode>> = {
  [CloneTargetMode.REMOTE_HEAD]: "REMOTE_HEAD",
  [CloneTargetMode.REMOTE_COMMIT]: "REMOTE_COMMIT",
  [CloneTargetMode.REMOTE_BRANCH]: "REMOTE_BRANCH",
  [CloneTargetMode.LOCAL_BRANCH]: "LOCAL_BRANCH",
};

const AUTH_METHODS: Readonly<Record<GitAuthMethod, AuthMethod>> = {
  [GitAuthMethod.NO_AUTH]: "NO_AUTH",
  [GitAuthMethod.BASIC_AUTH]: "BASIC_AUTH",
  [GitAuthMethod.BASIC_AUTH_OTS]: "BASIC_AUTH_OTS",
};

type WireSpec = Extract<WorkspaceInitializer["spec"], { case: string }>;
type WireCase = WireSpec["case"];
type Kind = InitializerSpec["kind"];

/** The message of a case; `never` for a kind that the wire does not have. */
type MessageOf<Case> = Extract<WireSpec, { case: Case }>["value"];

/** Translates one case of the wire's `spec`. */
interface WireParser<Case> {
  /** Returns how many initializers a message holds, itself included. */
  count(message: MessageOf<Case>): number;
  /** Returns the message as a spec. @throws {DaemonError} INVALID_ARGUMENT naming a field below `path` */
  parse(message: MessageOf<Case>, path: string): SpecOf<Case & Kind>;
}

/** Every kind, in the order of `proto/`. One that only the specs or only the wire has does not compile. */
const PARSERS: { readonly [Case in Kind | WireCase]: WireParser<Case> } = {
  empty: { count: () => 1, parse: () => ({ kind: "empty" }) },
  git: { count: () => 1, parse: parseGit },
  snapshot: { count: () => 1, parse: parseSnapshot },
  prebuild: { count: ({ git }) => 1 + git.length, parse: parsePrebuild },
  composite: {
    count: ({ initializer }) => initializer.reduce((sum, one) => sum + countInitializers(one), 1),
    parse: parseComposite,
  },
  download: { count: () => 1, parse: parseDownload },
  backup: { count: () => 1, parse: parseBackup },
};

/**
 * Parses the initializer at `path` of the request.
 * @throws {DaemonError} INVALID_ARGUMENT naming the field
 */
export function parseInitializer(
  message: WorkspaceInitializer | undefined,
  path: string,
): InitializerSpec {
  checkCount(countInitializers(message), path, MAX_INITIALIZERS);
  return parseOne(message, path);
}

/** Returns how many initializers there are in one, itself included; 1 where none is set. */
function countInitializers(message: WorkspaceInitializer | undefined): number {
  return message?.spec.case ? countAs(message.spec.case, message.spec.value) : 1;
}

function countAs<Case extends WireCase>(kind: Case, message: MessageOf<Case>): number {
  const parser: WireParser<Case> = PARSERS[kind];
  return parser.count(message);
}

function parseOne(message: WorkspaceInitializer | undefined, path: string): InitializerSpec {
  if (!message?.spec.case) {
    throw invalid(path, `must be set to one of ${Object.keys(PARSERS).join(", ")}`);
  }
  return parseAs(message.spec.case, message.spec.value, `${path}.${message.spec.case}`);
}

function parseAs<Case extends WireCase>(
  kind: Case,
  message: MessageOf<Case>,
  path: string,
): SpecOf<Case> {
  const parser: WireParser<Case> = PARSERS[kind];
  return parser.parse(message, path);
}

function parseComposite({ initializer }: CompositeInitializer, path: string): CompositeSpec {
  return {
    kind: "composite",
    initializers: initializer.map((member, index) =>
      parseOne(member, `${path}.initializer[${index}]`)
    ),
  };
}

function parseBackup(message: FromBackupInitializer, path: string): BackupSpec {
  return {
    kind: "backup",
    checkoutLocation: checkLocation(message.checkoutLocation, `${path}.checkout_location`),
    fromVolumeSnapshot: message.fromVolumeSnapshot,
  };
}

function parseGit(message: GitInitializer, path: string): GitSpec {
  const upstream = `${path}.upstream_Remote_uri`;
  const location = `${path}.checkout_location`;
  return {
    kind: "git",
    remoteUri: checkBytes(message.remoteUri, `${path}.remote_uri`, MAX_BYTES.url),
    upstreamRemoteUri: checkBytes(message.upstreamRemoteUri, upstream, MAX_BYTES.url),
    targetMode: nameOf(TARGET_MODES, message.targetMode, `${path}.target_mode`),
    cloneTarget: checkBytes(message.cloneTaget, `${path}.clone_taget`, MAX_BYTES.ref),
    checkoutLocation: checkLocation(message.checkoutLocation, location),
    fullClone: message.fullClone,
    config: parseConfig(message.config, `${path}.config`),
  };
}

function parseConfig(config: GitInitializer["config"], path: string): GitSpec["config"] {
  const customConfig = config?.customConfig ?? {};
  checkCustomConfig(customConfig, `${path}.custom_config`);
  return {
    customConfig,
    authentication: config
      ? nameOf(AUTH_METHODS, config.authentication, `${path}.authentication`)
      : "NO_AUTH",
    authUser: checkBytes(config?.authUser ?? "", `${path}.auth_user`, MAX_BYTES.user),
    authPassword: checkBytes(
      config?.authPassword ?? "",
      `${path}.auth_password`,
      MAX_BYTES.password,
    ),
    authOts: checkBytes(config?.authOts ?? "", `${path}.auth_ots`, MAX_BYTES.url),
  };
}

function checkCustomConfig(config: Readonly<Record<string, string>>, path: string): void {
  const entries = Object.entries(config);
  checkCount(entries.length, path, MAX_CONFIG_ENTRIES);
  for (const [name] of entries) checkBytes(name, `a name in ${path}`, MAX_BYTES.configName);
  const all = entries.map(([name, value]) => name + value).join("");
  checkBytes(all, path, MAX_CONFIG_BYTES);
}

function parseSnapshot(message: SnapshotInitializer, path: string): SnapshotSpec {
  return {
    kind: "snapshot",
    snapshot: checkBytes(message.snapshot, `${path}.snapshot`, MAX_BYTES.snapshot),
    fromVolumeSnapshot: message.fromVolumeSnapshot,
  };
}

function parsePrebuild(message: PrebuildInitializer, path: string): PrebuildSpec {
  const { prebuild } = message;
  return {
    kind: "prebuild",
    ...(prebuild ? { prebuild: parseSnapshot(prebuild, `${path}.prebuild`) } : {}),
    git: message.git.map((git, index) => parseGit(git, `${path}.git[${index}]`)),
  };
}

function parseDownload(message: FileDownloadInitializer, path: string): DownloadSpec {
  checkCount(message.files.length, `${path}.files`, MAX_FILES);
  const target = `${path}.target_location`;
  return {
    kind: "download",
    files: message.files.map(({ url, filePath, digest }, index) => ({
      url: checkBytes(url, `${path}.files[${index}].url`, MAX_BYTES.url),
      filePath: checkLocation(filePath, `${path}.files[${index}].file_path`),
      digest: checkBytes(digest, `${path}.files[${index}].digest`, MAX_BYTES.digest),
    })),
    targetLocation: checkLocation(message.targetLocation, target),
  };
}

/** Returns the name of an enum's value. Enums are open in proto3: any number can arrive. */
function nameOf<T>(names: Readonly<Record<number, T>>, value: number, path: string): T {
  const name = names[value];
  if (name === undefined) throw invalid(path, `has the value ${value}, which is not known here`);
  return name;
}
