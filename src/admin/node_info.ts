/** What operators see of the node itself. */

import type { Reason } from "../errors.ts";

/** What may be wrong with a node: a reason that calls fail with, or something about its certificates. */
export type NodeProblemReason =
  | Reason
  | "CERTIFICATE_EXPIRED"
  | "CERTIFICATE_EXPIRES"
  | "CERTIFICATE_NOT_YET_VALID"
  | "CERTIFICATE_REFUSED";

/** Something that is wrong with a node. */
export interface NodeProblem {
  readonly reason: NodeProblemReason;
  /** What it concerns. */
  readonly part: "node" | "store" | "disk" | "cert" | "clientCa";
  /** What is wrong, and what to do. */
  readonly message: string;
  /** When it was first seen, in milliseconds since the epoch; absent where nobody knows. */
  readonly since?: number;
}

/** A file system that the node needs. */
export interface NodeDisk {
  /** What is on it: `root` or `store`. */
  readonly area: string;
  /** Bytes; `free` are those that are free to everybody. */
  readonly free: number;
  readonly size: number;
  /** 0 of 0 where the file system makes inodes as needed. */
  readonly freeInodes: number;
  readonly inodes: number;
}

/** A certificate that the node uses. */
export interface NodeCertificate {
  /** The key of the config that names its file. */
  readonly part: "cert" | "clientCa";
  readonly path: string;
  /** Whose it is, such as `CN=node-7`. */
  readonly subject: string;
  /** When it ends, in milliseconds since the epoch. */
  readonly notAfter: number;
}

/** A node at one moment. */
export interface NodeInfo {
  readonly version: string;
  /** The version of Deno. */
  readonly deno: string;
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
  /** Whether it should be given work, and why not. */
  readonly ready: { readonly ok: boolean; readonly message: string };
  /** The kind of the object store, such as `s3`. */
  readonly store: string;
  readonly disks: readonly NodeDisk[];
  /** The one that ends first comes first; none without TLS. */
  readonly certificates: readonly NodeCertificate[];
  /** The worst first. */
  readonly problems: readonly NodeProblem[];
}
