/**
 * The operations of this node: everything that takes time, from its beginning to its end and for a
 * while after that. There is one {@link OperationRegistry}; whatever works on behalf of an operation
 * finds it by {@link currentOperation}, so that it need not be handed on.
 *
 * An operation is made of steps, which are operations themselves: an initialisation restores, then
 * clones. What a step counts, counts for the whole. Only the whole can be cancelled.
 */

export { type Caller, currentCaller, formatCaller, withCaller } from "./caller.ts";
export { currentOperation, inStep, outsideOperations } from "./current.ts";
export {
  Operation,
  type OperationFailure,
  type OperationKind,
  type OperationState,
  type OperationSubject,
  type QueueName,
} from "./operation.ts";
export { type Counts, Progress, type ProgressReading } from "./progress.ts";
export {
  type OperationChanges,
  type OperationObserver,
  OperationRegistry,
  type OperationSpec,
} from "./registry.ts";
