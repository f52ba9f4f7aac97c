/**
 * Composites run their parts in the order given. A snapshot, a backup or a prebuild is a whole
 * workspace and restored into an empty one, so only the first part that makes anything can be one.
 */

import { invalid } from "../errors.ts";
import type { InitializerSpec } from "./initializer.ts";

/** Composites within composites; the outermost counts. */
const MAX_DEPTH = 8;
const MAX_PARTS = 256;

/** A part that is no composite, and its field. */
export interface Member {
  spec: Exclude<InitializerSpec, { kind: "composite" }>;
  /** Such as `initializer.composite.initializer[0].git`. */
  path: string;
}

/**
 * The parts of an initializer in the order in which they run; itself where it is no composite.
 * @throws {DaemonError} INVALID_ARGUMENT where it is empty, too deep or too long
 */
export function membersOf(spec: InitializerSpec, path: string): Member[] {
  const parts = [...flatten(spec, path, 0)];
  if (parts.length > MAX_PARTS) {
    throw invalid(path, `has ${parts.length} initializers; at most ${MAX_PARTS} can be combined`);
  }
  return parts;
}

function* flatten(spec: InitializerSpec, path: string, depth: number): Generator<Member> {
  const at = `${path}.${spec.kind}`;
  if (spec.kind !== "composite") {
    yield { spec, path: at };
    return;
  }
  if (depth === MAX_DEPTH) throw invalid(at, `is nested more than ${MAX_DEPTH} deep`);
  if (spec.initializers.length === 0) {
    throw invalid(`${at}.initializer`, "must name at least one initializer");
  }
  for (const [index, part] of spec.initializers.entries()) {
    yield* flatten(part, `${at}.initializer[${index}]`, depth + 1);
  }
}

const FULL_TREE_KINDS: readonly InitializerSpec["kind"][] = ["backup", "prebuild", "snapshot"];

/** @throws {DaemonError} INVALID_ARGUMENT where something is to be restored over other content */
export function checkOrder(parts: readonly Member[]): void {
  const filling = parts.filter(({ spec }) => spec.kind !== "empty");
  const late = filling.slice(1).find(({ spec }) => FULL_TREE_KINDS.includes(spec.kind));
  if (!late) return;
  throw invalid(
    late.path,
    `restores a whole workspace and must come first, before ${filling[0]!.path}`,
  );
}
