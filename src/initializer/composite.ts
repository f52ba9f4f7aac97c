/**
 * Flattens composites, whose members run in the order given. A member that fills the whole tree is
 * restored into an empty one, so only the first member that makes anything can be of such a kind.
 */

import { invalid } from "../errors.ts";
import type { PlannedMember } from "./kinds.ts";
import type { InitializerSpec, MemberSpec } from "./specs.ts";

/** Maximum depth of composites within each other, the outermost included. */
const MAX_DEPTH = 8;
const MAX_MEMBERS = 256;

/** An initializer that is no composite, and its field. */
export interface Member {
  spec: MemberSpec;
  /** Such as `initializer.composite.initializer[0].git`. */
  path: string;
}

/**
 * Returns the members of an initializer in the order in which they run; itself where it is no composite.
 * @throws {DaemonError} INVALID_ARGUMENT where it is empty, too deep or too long
 */
export function membersOf(spec: InitializerSpec, path: string): Member[] {
  const members = [...flatten(spec, path, 0)];
  if (members.length > MAX_MEMBERS) {
    throw invalid(
      path,
      `has ${members.length} initializers; at most ${MAX_MEMBERS} can be combined`,
    );
  }
  return members;
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
  for (const [index, member] of spec.initializers.entries()) {
    yield* flatten(member, `${at}.initializer[${index}]`, depth + 1);
  }
}

/**
 * Refuses a member that would be restored over what an earlier one made.
 * @throws {DaemonError} INVALID_ARGUMENT naming its field
 */
export function checkOrder(members: readonly Pick<PlannedMember, "path" | "fills">[]): void {
  const filling = members.filter(({ fills }) => fills !== "nothing");
  const late = filling.slice(1).find(({ fills }) => fills === "the whole tree");
  if (!late) return;
  throw invalid(
    late.path,
    `restores a whole workspace and must come first, before ${filling[0]!.path}`,
  );
}
