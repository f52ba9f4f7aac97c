/** Types of the parts of `@std/fs` that we use; the npm package of the standard library has none. */

export interface EnsureOptions {
  isReadable?: boolean;
  isDirectory?: boolean;
  isFile?: boolean;
}
export interface WalkOptions {
  maxDepth?: number;
  includeFiles?: boolean;
  includeDirs?: boolean;
  includeSymlinks?: boolean;
  followSymlinks?: boolean;
  exts?: string[];
  match?: RegExp[];
  skip?: RegExp[];
}
export interface WalkEntry extends Deno.DirEntry {
  path: string;
}
export function emptyDir(dir: string | URL): Promise<void>;
export function ensureDir(dir: string | URL): Promise<void>;
export function ensureDirSync(dir: string | URL): void;
export function exists(path: string | URL, options?: EnsureOptions): Promise<boolean>;
export function existsSync(path: string | URL, options?: EnsureOptions): boolean;
export function walk(root: string | URL, options?: WalkOptions): AsyncIterableIterator<WalkEntry>;
export function walkSync(root: string | URL, options?: WalkOptions): IterableIterator<WalkEntry>;
