/**
 * The wire's initializers in the daemon's own terms. Only what has no such terms is refused here
 * (nothing set, an enum value of a later protocol); the rest is judged by the initializers.
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
} from "../initializer/initializer.ts";
import {
  CloneTargetMode,
  type FileDownloadInitializer,
  GitAuthMethod,
  type GitInitializer,
  type PrebuildInitializer,
  type SnapshotInitializer,
  type WorkspaceInitializer,
} from "./gen/content-service-api/initializer_pb.ts";

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
  if (!message?.spec.case) {
    const choices = "empty, git, snapshot, prebuild, composite, download, backup";
    throw invalid(path, `must be set to one of ${choices}`);
  }
  const { case: kind, value } = message.spec;
  switch (kind) {
    case "empty":
      return { kind };
    case "git":
      return parseGit(value, `${path}.git`);
    case "snapshot":
      return parseSnapshot(value);
    case "prebuild":
      return parsePrebuild(value, `${path}.prebuild`);
    case "composite":
      return {
        kind,
        initializers: value.initializer.map((part, index) =>
          parseInitializer(part, `${path}.composite.initializer[${index}]`)
        ),
      };
    case "download":
      return parseDownload(value);
    case "backup":
      return {
        kind,
        checkoutLocation: value.checkoutLocation,
        fromVolumeSnapshot: value.fromVolumeSnapshot,
      };
  }
}

function parseGit(message: GitInitializer, path: string): GitSpec {
  const { config } = message;
  return {
    kind: "git",
    remoteUri: message.remoteUri,
    upstreamRemoteUri: message.upstreamRemoteUri,
    targetMode: known(TARGET_MODES, message.targetMode, `${path}.target_mode`),
    cloneTarget: message.cloneTaget,
    checkoutLocation: message.checkoutLocation,
    fullClone: message.fullClone,
    config: {
      customConfig: config?.customConfig ?? {},
      authentication: config
        ? known(AUTH_METHODS, config.authentication, `${path}.config.authentication`)
        : "NO_AUTH",
      authUser: config?.authUser ?? "",
      authPassword: config?.authPassword ?? "",
      authOts: config?.authOts ?? "",
    },
  };
}

function parseSnapshot(message: SnapshotInitializer): SnapshotSpec {
  return {
    kind: "snapshot",
    snapshot: message.snapshot,
    fromVolumeSnapshot: message.fromVolumeSnapshot,
  };
}

function parsePrebuild(message: PrebuildInitializer, path: string): PrebuildSpec {
  return {
    kind: "prebuild",
    ...(message.prebuild ? { prebuild: parseSnapshot(message.prebuild) } : {}),
    git: message.git.map((git, index) => parseGit(git, `${path}.git[${index}]`)),
  };
}

function parseDownload(message: FileDownloadInitializer): DownloadSpec {
  return {
    kind: "download",
    files: message.files.map(({ url, filePath, digest }) => ({ url, filePath, digest })),
    targetLocation: message.targetLocation,
  };
}

/** Enums are open in proto3: any number can arrive. */
function known<T>(names: Readonly<Record<number, T>>, value: number, path: string): T {
  const name = names[value];
  if (name === undefined) throw invalid(path, `has the value ${value}, which is not known here`);
  return name;
}
