/**
 * The wire's initializers in the daemon's own terms. Only what has no such terms is refused here
 * (nothing set, an enum value of a later protocol), and what is too long or too many to be looked at;
 * the rest is judged by the initializers.
 */

import { invalid } from "../errors.ts";
import type {
  CloneTargetMode as TargetMode,
  DownloadSpec,
  GitAuthMethod as AuthMethod,
  GitSpec,
  InitializerSpec,
  PrebuildSpec,
  SnapshotSpec,
} from "../initializer/mod.ts";
import {
  CloneTargetMode,
  type FileDownloadInitializer,
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

/**
 * The initializer at `path` of the request.
 * @throws {DaemonError} INVALID_ARGUMENT naming the field.
 */
export function parseInitializer(
  message: WorkspaceInitializer | undefined,
  path: string,
): InitializerSpec {
  checkCount(countInitializers(message), path, MAX_INITIALIZERS);
  return parseOne(message, path);
}

/** How many initializers there are in one, itself included. */
function countInitializers(message: WorkspaceInitializer | undefined): number {
  switch (message?.spec.case) {
    case "composite":
      return message.spec.value.initializer.reduce((sum, one) => sum + countInitializers(one), 1);
    case "prebuild":
      return 1 + message.spec.value.git.length;
    default:
      return 1;
  }
}

function parseOne(message: WorkspaceInitializer | undefined, path: string): InitializerSpec {
  if (!message?.spec.case) {
    const choices = "empty, git, snapshot, prebuild, composite, download, backup";
    throw invalid(path, `must be set to one of ${choices}`);
  }
  const { case: kind, value } = message.spec;
  const field = `${path}.${kind}`;
  switch (kind) {
    case "empty":
      return { kind };
    case "git":
      return parseGit(value, field);
    case "snapshot":
      return parseSnapshot(value, field);
    case "prebuild":
      return parsePrebuild(value, field);
    case "composite":
      return {
        kind,
        initializers: value.initializer.map((part, index) =>
          parseOne(part, `${field}.initializer[${index}]`)
        ),
      };
    case "download":
      return parseDownload(value, field);
    case "backup": {
      const location = `${field}.checkout_location`;
      return {
        kind,
        checkoutLocation: checkLocation(value.checkoutLocation, location),
        fromVolumeSnapshot: value.fromVolumeSnapshot,
      };
    }
  }
}

function parseGit(message: GitInitializer, path: string): GitSpec {
  const upstream = `${path}.upstream_remote_uri`;
  const location = `${path}.checkout_location`;
  return {
    kind: "git",
    remoteUri: checkBytes(message.remoteUri, `${path}.remote_uri`, MAX_BYTES.url),
    upstreamRemoteUri: checkBytes(message.upstreamRemoteUri, upstream, MAX_BYTES.url),
    targetMode: known(TARGET_MODES, message.targetMode, `${path}.target_mode`),
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
      ? known(AUTH_METHODS, config.authentication, `${path}.authentication`)
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

/** Enums are open in proto3: any number can arrive. */
function known<T>(names: Readonly<Record<number, T>>, value: number, path: string): T {
  const name = names[value];
  if (name === undefined) throw invalid(path, `has the value ${value}, which is not known here`);
  return name;
}
