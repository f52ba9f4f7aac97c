/**
 * The config file's schema and the {@link Config} that the daemon works with: every key decided,
 * durations in milliseconds, paths absolute. `load_config.ts` makes one from flags, environment and file.
 */

import { isIP } from "node:net";
import { z } from "zod";
import { type Address, isAddressRange, parseAddress } from "../address.ts";
import { IgnorePatterns, MAX_PATTERNS } from "../ignore_patterns.ts";
import { countField, expected, flagField, pathField, section } from "../schema_fields.ts";
import { type StorageOptions, storageSchema } from "../store/mod.ts";
import {
  CALENDAR_SPAN_PATTERN,
  DURATION_PATTERN,
  formatCalendarSpan,
  formatDuration,
  formatExactSize,
  parseCalendarSpan,
  parseDuration,
  parseSize,
  SIZE_PATTERN,
} from "./units.ts";

/** The value of `metrics.listen` with which no metrics are served. */
export const OFF = "off";

/** The longest duration, 24 days: a timer of more than 2^31 ms would fire at once. Milliseconds. */
const MAX_DURATION = 24 * 86_400_000;

/** The shortest interval at which anything is done again and again. Milliseconds. */
const MIN_INTERVAL = 1000;

const duration = z.codec(
  z.string(expected('a duration such as "10m"'))
    .regex(DURATION_PATTERN, { ...expected('a duration such as "10m" or "1h30m"'), abort: true })
    .refine((value) => (parseDuration(value) ?? Infinity) <= MAX_DURATION, {
      ...expected("a duration of at most 24d"),
      abort: true,
    }),
  z.number(),
  { decode: (value) => parseDuration(value)!, encode: formatDuration },
);

/**
 * The shortest time that snapshots may be kept, in milliseconds. Nodes note every few hours what is used: to
 * a shorter time a snapshot could look unused while workspaces that were started from it are there.
 */
export const MIN_SNAPSHOT_TTL = 86_400_000;

/** The time from one run to the next of what is done again and again. */
const interval = duration.refine(
  (ms) => ms >= MIN_INTERVAL,
  expected("a duration of at least 1s"),
);

/** A duration that no timer has to keep. */
const age = z.codec(
  z.string(expected('a duration such as "90d"'))
    .regex(DURATION_PATTERN, { ...expected('a duration such as "90d"'), abort: true })
    .refine((value) => parseDuration(value) !== undefined, expected('a duration such as "90d"')),
  z.number(),
  { decode: (value) => parseDuration(value)!, encode: formatDuration },
);

const aSpan = expected('a span such as "1y5m7d2h"');
const span = z.codec(
  z.string(aSpan).regex(CALENDAR_SPAN_PATTERN, { ...aSpan, abort: true })
    .refine((value) => parseCalendarSpan(value) !== undefined, aSpan),
  z.object({ years: z.number(), months: z.number(), days: z.number(), hours: z.number() }),
  { decode: (value) => parseCalendarSpan(value)!, encode: formatCalendarSpan },
);

const size = z.codec(
  z.string(expected('a size such as "50GiB"'))
    .regex(SIZE_PATTERN, { ...expected('a size such as "50GiB" or "0"'), abort: true })
    .refine((value) => parseSize(value) !== undefined, {
      ...expected("a size of a whole number of bytes, below 8PiB"),
      abort: true,
    }),
  z.number(),
  { decode: (value) => parseSize(value)!, encode: formatExactSize },
);

/** The smallest file that may be stored as chunks: it would be one chunk. Bytes. */
const MIN_CHUNKED_FILE = 1 << 20;

function addressKind(text: string): Address["kind"] | undefined {
  try {
    return parseAddress(text).kind;
  } catch {
    return undefined;
  }
}

const address = z.string(expected("HOST:PORT or unix:///path")).refine(
  (value) => addressKind(value) !== undefined,
  expected("HOST:PORT, [IPv6]:PORT or unix:///path (of at most 107 bytes)"),
);
const addresses = z.array(address, expected("an array of addresses"))
  .min(1, expected("at least one address"));
const metricsAddress = z.string(expected('HOST:PORT or "off"')).refine(
  (value) => value === OFF || addressKind(value) === "tcp",
  expected('HOST:PORT or "off"'),
);
/** Matches a host name, or `*.` and a domain. */
const aCollector = expected("an http or https URL without credentials");
const collector = z.string(aCollector).refine((value) => {
  const url = URL.parse(value);
  return url !== null && /^https?:$/.test(url.protocol) && url.username + url.password === "";
}, aCollector);
const HOST_NAME = /^(?:\*\.)?(?!-)[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*\.?$/;
const aHost = expected('a host name, "*.domain" or an IP address, without a port');
const host = z.string(aHost).refine((value) => isIP(value) !== 0 || HOST_NAME.test(value), aHost);
const anException = expected(
  'a host name, "*.domain", an IP address or a range such as "10.0.0.0/8"',
);
const exception = z.string(anException).refine(
  (value) => isIP(value) !== 0 || HOST_NAME.test(value) || isAddressRange(value),
  anException,
);
const aProxy = expected("an http URL of host and port, without credentials");
const proxy = z.string(aProxy).refine((value) => {
  const url = URL.parse(value);
  return url !== null && url.protocol === "http:" && url.username + url.password === "" &&
    url.pathname === "/" && url.search + url.hash === "";
}, aProxy);
const protocol = z.enum(
  ["https", "http", "ssh", "git", "file"],
  expected('one of "https", "http", "ssh", "git", "file"'),
);

const idRange = section({
  containerId: countField(0, 0xffff_fffe).describe("First id in containers"),
  hostId: countField(0, 0xffff_fffe).describe("Its id on the node"),
  size: countField(1, 0xffff_ffff).describe("How many ids follow each other"),
});
const aPattern = expected("a pattern of .gitignore in one line that leaves something");
const ignorePattern = z.string(aPattern).refine(leavesSomething, aPattern);

/** Returns whether a text is one pattern that does not match everything. */
function leavesSomething(text: string): boolean {
  try {
    const patterns = IgnorePatterns.parse(new TextEncoder().encode(text));
    return !/[\r\n]/.test(text) && !patterns.isEmpty && !patterns.matchesEverything;
  } catch {
    return false;
  }
}

const expectedMode = expected('a mode in octal such as "0660"');
const expectedGroup = expected("the name or id of a group, as a string");

/** The schema of the config file: its keys, their defaults, and what each becomes. */
export const configSchema = section({
  $schema: z.string().exactOptional().describe("For editors; not used"),
  root: pathField.default("/var/lib/wsdaemon").describe("The one folder that holds everything"),
  listen: addresses.default(["127.0.0.1:8080"])
    .describe("Addresses to serve gRPC on: HOST:PORT or unix:///path"),
  operations: section({
    listen: addresses.exactOptional().describe(
      "Addresses to serve OperationsService on, and nothing of the other API, which is then served " +
        "without it: HOST:PORT or unix:///path; beside the other API on listen unless given",
    ),
    slowAfter: duration.prefault("5m").describe(
      "How long an init, save or disposal takes until it counts as slow, which the log, the status " +
        "page, the clients and wsdaemon_operation_attention_info say",
    ),
  }).prefault({}),
  unixSocket: section({
    mode: z.string(expectedMode).regex(/^0?[0-7]{3}$/, expectedMode).default("0660")
      .describe("Who may connect: connecting takes the right to write"),
    group: z.string(expectedGroup).regex(/^(?:[A-Za-z_][\w.-]*\$?|\d{1,10})$/, expectedGroup)
      .exactOptional().describe("Group of the socket's file; the daemon's own unless given"),
  }).prefault({}).describe("The files of unix sockets among listen and operations.listen"),
  insecure: flagField.default(false)
    .describe("Whether to serve without TLS where other machines can connect"),
  confinement: z.enum(
    ["required", "auto", "off"],
    expected('one of "required", "auto", "off"'),
  ).default("auto").describe(
    "What the kernel holds the process to (Landlock, seccomp): auto takes what there is, required " +
      "refuses to start where Landlock (Linux 6.2) or seccomp is missing",
  ),
  tls: section({
    cert: pathField.describe("PEM file of the server's certificate chain"),
    key: pathField.describe("PEM file of its private key"),
    clientCa: pathField.exactOptional().describe(
      "PEM file; clients must show a certificate signed by it",
    ),
  }).exactOptional(),
  metrics: section({
    listen: metricsAddress.exactOptional()
      .describe(
        "Where /metrics, /healthz, /readyz and the status page are served; 127.0.0.1:9500 unless " +
          'given; "off"',
      ),
  }).prefault({}),
  storage: storageSchema.prefault({ kind: "fs" }).describe("Where snapshots and backups go"),
  backup: section({
    attempts: countField(1, 100).default(3).describe("How often a backup is tried"),
    concurrency: countField(1, 100).default(4).describe("Backups and snapshots at a time"),
    every: interval.exactOptional().describe(
      "How often the content of every workspace is backed up without being asked; never unless given",
    ),
    keep: section({
      last: countField(0, 10_000).exactOptional().describe(
        "The newest ones; backup.retain unless given",
      ),
      within: span.exactOptional().describe(
        'What is newer than a span before the newest one, such as "1y5m7d2h"; m are months',
      ),
      hourly: countField(0, 10_000).exactOptional().describe("The newest one of so many hours"),
      daily: countField(0, 10_000).exactOptional().describe("The newest one of so many days"),
      weekly: countField(0, 10_000).exactOptional().describe("The newest one of so many weeks"),
      monthly: countField(0, 10_000).exactOptional().describe("The newest one of so many months"),
    }).exactOptional().describe(
      "Backups kept of each (owner, meta_id), by any of restic's rules; the newest one always is",
    ),
    onStop: flagField.default(false).describe(
      "Whether every workspace is backed up when the daemon is stopped, as far as shutdown.grace allows",
    ),
    retain: countField(1, 10_000).default(1).describe("Backups kept of each (owner, meta_id)"),
    otherLineages: countField(0, 1_000).default(32).describe(
      "Last backups of other lineages kept beside these: work of a workspace that did not begin from " +
        "the identity's backup must not replace work that nobody restored; the oldest go first",
    ),
  }).prefault({}),
  snapshot: section({
    ttl: age.refine((ms) => ms >= MIN_SNAPSHOT_TTL, expected("a duration of at least 1d"))
      .exactOptional().describe(
        "How long a snapshot is kept after it was taken and a workspace that was started from it was " +
          "seen last; for ever unless given",
      ),
  }).prefault({}).describe("What is kept of snapshots"),
  store: section({
    chunks: section({
      minBytes: size.refine(
        (bytes) => bytes === 0 || bytes >= MIN_CHUNKED_FILE,
        expected('a size of at least "1MiB", or "0"'),
      ).prefault("0").describe(
        "Files of this size and more are stored as chunks that are cut by content, so that a change " +
          'of a large file stores little; other tools do not read such images; "0" for never',
      ),
    }).prefault({}),
    gc: section({
      every: interval.exactOptional().describe(
        "How often the store is collected, by one of the daemons that use it; by none unless given",
      ),
      grace: duration.prefault("24h").describe(
        "Age below which blobs are left alone: at least twice what the longest backup takes, on any node",
      ),
      deletesPerSecond: countField(1, 100_000).default(100)
        .describe("Blobs that are deleted in a second, at most"),
    }).prefault({}),
  }).prefault({}).describe("Keeping the store in order"),
  content: section({
    priority: z.enum(["normal", "low", "idle"], expected('one of "normal", "low", "idle"'))
      .default("low").describe(
        "How saves, restores and deletions share processors and disks: low comes after whoever answers " +
          "calls, idle takes what is left over by everybody on the node, however long that takes",
      ),
  }).prefault({}).describe("Work on content"),
  contentOwner: section({
    uid: countField(0, 0xffff_fffe).describe("User id"),
    gid: countField(0, 0xffff_fffe).describe("Group id"),
  }).exactOptional().describe("Who owns what is newly made; the daemon's own user unless given"),
  exclude: section({
    cacheDirs: flagField.default(false).describe(
      "Whether of cache directories (those with a CACHEDIR.TAG) only the tag is saved",
    ),
    ignoreFile: flagField.default(false).describe(
      "Whether what a .wsdaemonignore in a workspace's top folder ignores is not saved; its syntax is " +
        "that of .gitignore",
    ),
    patterns: z.array(ignorePattern, expected("an array of patterns")).max(
      MAX_PATTERNS,
      expected(`at most ${MAX_PATTERNS} patterns`),
    ).default([]).describe("What is not saved of any workspace, in the syntax of .gitignore"),
  }).prefault({}).describe("What snapshots and backups leave out"),
  init: section({
    inPlace: flagField.default(false).describe(
      "Whether the folder of a workspace that somebody else has made is filled where it is, if it is " +
        "empty, and may be a mount; else its id is taken",
    ),
    preferBackup: flagField.default(false).describe(
      "Whether InitWorkspace restores the latest backup of (owner, meta_id) where there is one, " +
        "whatever the initializer says, as the original ws-daemon does",
    ),
  }).prefault({}),
  compat: section({
    readyFile: flagField.default(false).describe(
      "Whether a workspace gets the file .gitpod/ready once its content is whole; no image has it",
    ),
    idMap: z.array(idRange, expected("an array of ranges of ids")).default([]).describe(
      "Users and groups of containers whose ids are others on this node: images have the containers', " +
        "workspaces the node's; the same where empty. Needs root; only for a root without content",
    ),
  }).prefault({}).describe("What platforms written against Gitpod's ws-daemon expect"),
  git: section({
    timeout: duration.prefault("10m").describe("For one clone or fetch with its retries"),
    protocols: z.array(protocol, expected("an array of protocols"))
      .min(1, expected("at least one protocol")).default(["https", "http", "ssh", "git"])
      .describe("What remotes may speak"),
  }).prefault({}),
  net: section({
    allowLoopback: flagField.default(false).describe(
      "Whether downloads and Git may reach this machine",
    ),
    allowHosts: z.array(host, expected("an array of host names")).default([])
      .describe("Only these hosts may be reached; all where empty"),
    denyHosts: z.array(host, expected("an array of host names")).default([])
      .describe("These hosts may not be reached"),
    proxy: proxy.exactOptional().describe(
      "Proxy of the network (HTTP CONNECT) for downloads, secrets and Git over http(s), once their " +
        "addresses are checked; none unless given",
    ),
    proxyCredentialsFile: pathField.exactOptional()
      .describe("File with user:password for the proxy"),
    proxyConnect: z.enum(["address", "name"], expected('"address" or "name"')).default("address")
      .describe(
        "What the proxy is asked for: the address that was checked, or the host's name, which it " +
          "looks up itself",
      ),
    noProxy: z.array(exception, expected("an array of hosts and address ranges")).default([])
      .describe("Hosts and address ranges that are reached without the proxy"),
    caFile: pathField.exactOptional().describe(
      "PEM file of authorities that downloads, secrets, Git and an S3 store without a caFile trust " +
        "besides Mozilla's",
    ),
  }).prefault({}),
  quota: section({
    driver: z.enum(
      ["auto", "btrfs", "xfs", "loop", "none"],
      expected('one of "auto", "btrfs", "xfs", "loop", "none"'),
    ).default("auto")
      .describe(
        "What limits a workspace's processes to storage_quota_bytes, and what workspaces are made " +
          "of: auto takes what the root's file system has, none limits only what the daemon writes; " +
          "one named outright must work",
      ),
  }).prefault({}),
  disk: section({
    readyPercent: countField(0, 90).default(5).describe(
      "Percent of bytes and inodes that must be free on the file systems of the root and the " +
        "embedded store for /readyz to say so; 10 GiB are always enough; 0 for no limit",
    ),
    initPercent: countField(0, 90).default(2).describe(
      "The same for InitWorkspace to be accepted; saves and disposals always are",
    ),
  }).prefault({}),
  cache: section({
    maxBytes: size.prefault("50GiB").describe(
      "What all bases may take: the trees that are kept of images, where the root is on btrfs, to " +
        "start workspaces from in milliseconds; elsewhere what cached layers may take, where the " +
        'store is not a folder; "0" for none',
    ),
    minFreePercent: countField(0, 99).default(15).describe(
      "Percentage of the root's file system that bases and cached layers leave free",
    ),
  }).prefault({}),
  tracing: section({
    endpoint: collector.exactOptional().describe(
      "Base URL of an OTLP/HTTP collector that takes JSON, to which spans of calls and operations " +
        "are sent (/v1/traces is added); none are made unless given",
    ),
  }).prefault({}),
  shutdown: section({
    grace: duration.prefault("30s").describe("How long running calls may take to end"),
  }).prefault({}),
  log: section({
    level: z.enum(
      ["trace", "debug", "info", "warning", "error", "fatal"],
      expected('one of "trace", "debug", "info", "warning", "error", "fatal"'),
    ).default("info").describe("Least severe records to write"),
    format: z.enum(["text", "json"], expected('"text" or "json"')).default("text")
      .describe("Lines for people, or one JSON object a line"),
  }).prefault({}),
});

/** A config file as the schema reads it, before the keys that depend on others are decided. */
export type DecodedConfig = z.output<typeof configSchema>;

/** The config with every key decided. Paths are absolute, durations milliseconds, sizes bytes. */
export interface Config
  extends Omit<DecodedConfig, "$schema" | "contentOwner" | "metrics" | "storage"> {
  metrics: {
    /** `HOST:PORT`; absent where no metrics are served. */
    listen?: string;
    /** Whether the address was asked for: then failing to bind it stops the start. */
    required: boolean;
  };
  storage: StorageOptions;
  contentOwner: { uid: number; gid: number };
}
