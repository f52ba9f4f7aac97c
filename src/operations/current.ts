/** The operation that the code at hand works for. */

import { AsyncLocalStorage } from "node:async_hooks";
import type { Operation, OperationKind, OperationSubject } from "./operation.ts";

/** An operation, and how a step of it is made. */
interface Current {
  readonly operation: Operation;
  readonly runStep: RunStep;
}

/** Runs `work` as a step of the operation at hand. */
export type RunStep = <T>(
  step: { kind: OperationKind; subject?: OperationSubject },
  work: (operation: Operation) => Promise<T>,
) => Promise<T>;

const operations = new AsyncLocalStorage<Current | undefined>();

/** Returns the operation that the code that asks works for. */
export function currentOperation(): Operation | undefined {
  return operations.getStore()?.operation;
}

/** Does `work` for an operation. */
export function inOperation<T>(operation: Operation, runStep: RunStep, work: () => T): T {
  return operations.run({ operation, runStep }, work);
}

/** Does `work` for no operation, so that what it begins is none's step. */
export function outsideOperations<T>(work: () => T): T {
  return operations.run(undefined, work);
}

/**
 * Does `work` as a step of the operation at hand, where there is one; returns or throws what it does.
 * @param step its kind; what it works on, where that is more than what the operation does
 */
export async function inStep<T>(
  step: { kind: OperationKind; subject?: OperationSubject },
  work: (operation: Operation | undefined) => Promise<T>,
): Promise<T> {
  const current = operations.getStore();
  return current ? await current.runStep(step, work) : await work(undefined);
}
