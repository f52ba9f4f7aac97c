/** Formats images and their files as text and as JSON. */

import { formatSize } from "../../config/mod.ts";
import type { CatalogEntry, FoundImage, ImageEntry, ImageEntryType } from "../../inspect/mod.ts";
import { showName } from "./object_names.ts";

const TYPE_LETTERS: Record<ImageEntryType, string> = {
  file: "-",
  directory: "d",
  symlink: "l",
  hardlink: "-",
  fifo: "p",
  "character-device": "c",
  "block-device": "b",
};

/** Formats a whole number with separators of thousands: `1,234`. */
export function formatCount(count: number): string {
  return count.toLocaleString("en-US");
}

/** Formats a count of blobs and their bytes: `12 blobs, 3.4 MiB`. */
export function formatTally({ count, bytes }: { count: number; bytes: number }): string {
  return `${formatCount(count)} ${count === 1 ? "blob" : "blobs"}, ${formatSize(bytes)}`;
}

/** Formats milliseconds since the epoch to the second, in UTC. */
export function formatTime(milliseconds: number): string {
  return new Date(milliseconds).toISOString().slice(0, 19).replace("T", " ") + "Z";
}

/** Returns an image as `--json` prints it; sizes in bytes. */
export function imageJson(image: CatalogEntry | FoundImage) {
  const { kind, url, owner, metaId, manifest, createdAt, files, contentBytes } = image;
  const sizes = "sizes" in image ? image.sizes : undefined;
  return {
    kind,
    url,
    owner,
    metaId,
    manifest,
    createdAt: new Date(createdAt).toISOString(),
    files,
    contentBytes,
    ...(sizes ? { ...sizes, sharedBytes: sizes.storedBytes - sizes.ownBytes } : {}),
  };
}

/** Returns a file of an image as `--json` prints it. */
export function entryJson(entry: ImageEntry) {
  const { type, mode, uid, gid, size, link, device, xattrs } = entry;
  return {
    path: showName(entry.path),
    type,
    mode: mode.toString(8).padStart(4, "0"),
    uid,
    gid,
    size,
    mtime: preciseTime(entry.mtime),
    ...(link ? { link: showName(link) } : {}),
    ...(device ? { device } : {}),
    ...(xattrs.length > 0
      ? { xattrs: xattrs.map(({ name, value }) => ({ name: showName(name), hex: hex(value) })) }
      : {}),
  };
}

/** Returns a file of an image as a line in the form of `ls -l`. */
export function entryLine(entry: ImageEntry): string {
  const { type, mode, uid, gid, link, device } = entry;
  const size = device ? `${device.major}, ${device.minor}` : String(entry.size);
  const arrow = type === "hardlink" ? "link to" : "->";
  return [
    TYPE_LETTERS[type] + modeLetters(mode),
    String(uid).padStart(5),
    String(gid).padStart(5),
    size.padStart(12),
    listedTime(entry.mtime.sec),
    showName(entry.path) + (link ? ` ${arrow} ${showName(link)}` : ""),
  ].join(" ");
}

/** Returns the permission bits of a mode as letters, such as `rwxr-x--t`. */
function modeLetters(mode: number): string {
  const letters = Array.from("rwxrwxrwx", (letter, n) => mode & (0o400 >> n) ? letter : "-");
  const special = [[0o4000, 2, "s"], [0o2000, 5, "s"], [0o1000, 8, "t"]] as const;
  for (const [bit, at, letter] of special) {
    if (mode & bit) letters[at] = letters[at] === "x" ? letter : letter.toUpperCase();
  }
  return letters.join("");
}

/** The largest distance of a Date from the epoch, in seconds. */
const DATE_SECONDS = 8.64e12;

function listedTime(sec: number): string {
  return Math.abs(sec) <= DATE_SECONDS ? formatTime(sec * 1000) : `@${sec}`;
}

/** Formats a time to the nanosecond; as `@` and seconds since the epoch beyond the range of a Date. */
function preciseTime({ sec, nsec }: { sec: number; nsec: number }): string {
  const fraction = String(nsec).padStart(9, "0");
  if (Math.abs(sec) > DATE_SECONDS) return `@${sec}.${fraction}`;
  return new Date(sec * 1000).toISOString().replace(/\.\d+Z$/, `.${fraction}Z`);
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
