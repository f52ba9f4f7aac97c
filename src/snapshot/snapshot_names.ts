/**
 * Builds and parses names: of snapshots as callers see them, and of references as the store sees them.
 *
 * A snapshot of ours is `wsdaemon:snapshot/<owner>/<meta_id>/<id>`; a backup is named
 * `wsdaemon:backup/<owner>/<meta_id>@<manifest digest>`, or without its digest, which means the latest.
 * Any other name must be that of a plain archive, `<object>@<bucket>`, as the original ws-daemon and
 * other tools wrote them.
 */

import { randomBytes } from "node:crypto";
import { type Digest, digestOf, hexOf, isDigest } from "../digest.ts";
import { invalid } from "../errors.ts";
import { isBucketName } from "../store/mod.ts";
import type { WorkspaceIdentity } from "./images.ts";

/** A parsed snapshot name. */
export type SnapshotName =
  | { kind: "image"; identity: WorkspaceIdentity; id: string }
  | ({ kind: "backup" } & BackupName)
  | {
    kind: "archive";
    object: string;
    bucket: string;
    compression: "none" | "gzip" | "zstd";
  };

/** A backup's url, parsed. */
export interface BackupName {
  identity: WorkspaceIdentity;
  /** Absent for the latest. */
  manifest?: Digest;
}

const SCHEME = "wsdaemon:";
const IDENTITY = /^[A-Za-z0-9._@:+=-]{1,256}$/;
const SNAPSHOT_ID = /^[0-9]{8}T[0-9]{6}Z-[0-9a-f]{16}$/;
/** S3's keys are no longer. */
const MAX_OBJECT_BYTES = 1024;
/** Longer than this, a name would not fit a file name of 255 bytes with what we add to it. */
const MAX_PLAIN_NAME = 128;

/** Returns whether text may be an `owner` or a `meta_id`. */
export function isIdentityPart(text: string): boolean {
  return IDENTITY.test(text) && text !== "." && text !== "..";
}

/** Returns a name for a snapshot that is about to be taken, sortable by its second. */
export function newSnapshotName(identity: WorkspaceIdentity, now: number): string {
  const time = new Date(now).toISOString().replace(/[-:]|\.\d+/g, "");
  return snapshotUrl(identity, `${time}-${randomBytes(8).toString("hex")}`);
}

/** Returns when a snapshot of that id was asked for, in milliseconds since the epoch, to the second. */
export function snapshotTime(id: string): number | undefined {
  if (!SNAPSHOT_ID.test(id)) return undefined;
  const time = id.replace(
    /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z.*$/,
    "$1-$2-$3T$4:$5:$6Z",
  );
  const at = Date.parse(time);
  return Number.isNaN(at) ? undefined : at;
}

/** Returns the name of a snapshot of ours. */
export function snapshotUrl(identity: WorkspaceIdentity, id: string): string {
  return `${SCHEME}snapshot/${identity.owner}/${identity.metaId}/${id}`;
}

/** Returns the url that BackupWorkspace answers with; without a manifest, that of the latest backup. */
export function backupUrl({ owner, metaId }: WorkspaceIdentity, manifest?: Digest): string {
  const latest = `${SCHEME}backup/${owner}/${metaId}`;
  return manifest === undefined ? latest : `${latest}@${manifest}`;
}

/**
 * Parses a backup's url; the manifest may be left out, which means the latest. Returns `undefined` where
 * it is no backup's url.
 */
export function parseBackupName(name: string): BackupName | undefined {
  const match = /^wsdaemon:backup\/([^/]+)\/([^/]+?)(?:@(sha256:[0-9a-f]{64}))?$/.exec(name);
  if (!match) return undefined;
  const [, owner, metaId, manifest] = match;
  if (!isIdentityPart(owner!) || !isIdentityPart(metaId!)) return undefined;
  const identity = { owner: owner!, metaId: metaId! };
  return manifest && isDigest(manifest) ? { identity, manifest } : { identity };
}

/**
 * Parses a snapshot name.
 * @throws {DaemonError} INVALID_ARGUMENT for a malformed one, naming the field at `path`.
 */
export function parseSnapshotName(name: string, path: string): SnapshotName {
  if (name === "") throw invalid(path, "must be given: the url of a snapshot or a backup");
  if (name.startsWith(SCHEME)) return parseImageName(name, path);
  return parseArchiveName(name, path);
}

function parseImageName(name: string, path: string): SnapshotName {
  const backup = parseBackupName(name);
  if (backup) return { kind: "backup", ...backup };
  const parts = name.slice(SCHEME.length).split("/");
  const [kind, owner, metaId, id] = parts;
  const whole = parts.length === 4 && kind === "snapshot" && isIdentityPart(owner!) &&
    isIdentityPart(metaId!) && SNAPSHOT_ID.test(id!);
  if (!whole) {
    throw invalid(
      path,
      `must look like ${SCHEME}snapshot/<owner>/<meta_id>/<time>-<random> or ` +
        `${SCHEME}backup/<owner>/<meta_id>[@sha256:<64 hex digits>]: ` +
        `current value is ${JSON.stringify(name)}`,
    );
  }
  return { kind: "image", identity: { owner: owner!, metaId: metaId! }, id: id! };
}

function parseArchiveName(name: string, path: string): SnapshotName {
  const at = name.lastIndexOf("@");
  const object = name.slice(0, Math.max(at, 0));
  const bucket = name.slice(at + 1);
  const shown = JSON.stringify(name.length > 200 ? `${name.slice(0, 200)}…` : name);
  if (at < 0) {
    throw invalid(
      path,
      `must be the url of a snapshot or a backup, or <object>@<bucket>: current value is ${shown}`,
    );
  }
  if (!isBucketName(bucket)) {
    throw invalid(path, `must name a bucket of S3's form after the "@": current value is ${shown}`);
  }
  const odd = object === "" || new TextEncoder().encode(object).length > MAX_OBJECT_BYTES ||
    // deno-lint-ignore no-control-regex -- control characters are what is refused
    /[\u0000-\u001f\u007f\\]/.test(object) ||
    object.split("/").some((part) => part === "" || part === "." || part === "..");
  if (odd) {
    throw invalid(
      path,
      `must name an object of plain path segments before the "@": current value is ${shown}`,
    );
  }
  const compression = compressionOf(object);
  if (!compression) {
    throw invalid(path, `must end in .tar, .tar.gz or .tar.zst: current value is ${shown}`);
  }
  return { kind: "archive", object, bucket, compression };
}

function compressionOf(object: string): "none" | "gzip" | "zstd" | undefined {
  if (object.endsWith(".tar")) return "none";
  if (object.endsWith(".tar.gz")) return "gzip";
  if (object.endsWith(".tar.zst")) return "zstd";
  return undefined;
}

/**
 * Returns a name as one segment of a key: unchanged where it is short; else its beginning and its
 * digest. `~` is in no name, so that no two names share a segment.
 */
export function segment(name: string): string {
  return name.length <= MAX_PLAIN_NAME ? name : `${name.slice(0, 64)}~${hexOf(digestOf(name))}`;
}

/** Returns the prefix of the keys of an identity's snapshots, or of everybody's. */
export function snapshotPrefix(identity?: WorkspaceIdentity): string {
  const all = "refs/snapshots/";
  return identity ? `${all}${segment(identity.owner)}/${segment(identity.metaId)}/` : all;
}

/** Returns the key of a snapshot's reference. */
export function snapshotKey(identity: WorkspaceIdentity, id: string): string {
  return `${snapshotPrefix(identity)}${id}.json`;
}

/** The prefix of the keys of all backups. */
export const BACKUP_PREFIX = "refs/backups/";

/** Returns the key of the reference to an identity's backups. */
export function backupKey(identity: WorkspaceIdentity): string {
  return `${BACKUP_PREFIX}${segment(identity.owner)}/${segment(identity.metaId)}.json`;
}

const REFERENCE_KEY = /^refs\/(?:backups(?:\/[^/]+){2}|snapshots(?:\/[^/]+){3})\.json$/;

/** Returns whether a key has the form of those that {@link backupKey} and {@link snapshotKey} make. */
export function isReferenceKey(key: string): boolean {
  return REFERENCE_KEY.test(key);
}

/** Returns the key of a terminal log of one instance of a workspace; `task` may be any text. */
export function logKey(identity: WorkspaceIdentity, instance: string, task: string): string {
  const workspace = `${segment(identity.owner)}/${segment(identity.metaId)}`;
  return `${LOG_PREFIX}${workspace}/instances/${instance}/logs/${logName(task)}`;
}

/** Returns a task as one segment of a key: its digest where the text cannot be a segment. */
function logName(task: string): string {
  // deno-lint-ignore no-control-regex -- control characters are what is looked for
  const odd = task === "." || task === ".." || /[\u0000-\u001f\u007f/\\]/.test(task);
  return odd ? `~${hexOf(digestOf(task))}` : segment(task);
}

const LOG_PREFIX = "objects/workspaces/";

/** Returns the prefix of the keys of the terminal logs of an owner's workspaces. */
export function logPrefix(owner: string): string {
  return `${LOG_PREFIX}${segment(owner)}/`;
}

/** Returns the prefixes of the keys of all references of an owner, or of one meta_id of the owner. */
export function referencePrefixes({ owner, metaId }: { owner: string; metaId?: string }): string[] {
  if (metaId !== undefined) {
    return [backupKey({ owner, metaId }), snapshotPrefix({ owner, metaId })];
  }
  return [`${BACKUP_PREFIX}${segment(owner)}/`, `${snapshotPrefix()}${segment(owner)}/`];
}
